//! Runs other programs. A failure always names the exact command, so that it can be repeated by hand.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};

/// What cargo sets for us and must not reach a cargo or rustc that we start: it would describe the wrong package.
const CARGO_LEFTOVERS: &[&str] =
    &["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "RUSTC", "RUSTC_WRAPPER", "RUSTFLAGS"];

/// Runs to the end with output passed through; an exit code other than 0 is an error.
pub(crate) fn check(command: &mut Command) -> Result<()> {
    let status = command.status().map_err(|e| explain_spawn(command, e))?;
    if !status.success() {
        bail!("this command failed ({status}):\n  {}", show(command));
    }
    Ok(())
}

/// Runs to the end, keeping quiet unless it fails; then both streams are part of the error.
pub(crate) fn check_quietly(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

/// Standard output of a command that must succeed.
pub(crate) fn stdout_of(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    String::from_utf8(output.stdout).with_context(|| format!("output of `{}` is not UTF-8", show(command)))
}

/// Both streams of a command that must succeed.
fn output(command: &mut Command) -> Result<Output> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| explain_spawn(command, e))?;
    if !output.status.success() {
        bail!(
            "this command failed ({}):\n  {}\n{}{}",
            output.status,
            show(command),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(output)
}

/// Whether a program of this name can be started at all.
pub(crate) fn exists(program: &str) -> bool {
    match Command::new(program).arg("--version").stdin(Stdio::null()).output() {
        Ok(_) => true,
        Err(e) => e.kind() != ErrorKind::NotFound,
    }
}

/// The cargo that runs us, or the one on the path, without the variables that describe our own package.
pub(crate) fn cargo() -> Command {
    cargo_at(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// A certain cargo, likewise.
pub(crate) fn cargo_at(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for name in CARGO_LEFTOVERS {
        command.env_remove(name);
    }
    command.env_remove("CARGO_ENCODED_RUSTFLAGS").current_dir(super::workspace::root());
    command
}

/// The command as one could type it, with the folder and the variables that it was given.
pub(crate) fn show(command: &Command) -> String {
    let mut words = Vec::new();
    if let Some(dir) = command.get_current_dir() {
        words.push(format!("cd {} &&", quote(dir.as_os_str())));
    }
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={}", name.to_string_lossy(), quote(value)));
        }
    }
    words.push(quote(command.get_program()));
    words.extend(command.get_args().map(quote));
    words.join(" ")
}

/// Quotes a word for a shell where it needs it.
fn quote(word: &OsStr) -> String {
    let word = word.to_string_lossy().replace('\x1f', " ");
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Says which program could not be started, and in which command.
pub(crate) fn explain_spawn(command: &Command, error: std::io::Error) -> anyhow::Error {
    let program = command.get_program().to_string_lossy().into_owned();
    anyhow::Error::new(error).context(format!("cannot start `{program}` for:\n  {}", show(command)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_commands_can_be_pasted_into_a_shell() {
        let mut command = Command::new("printf");
        command.arg("%s").arg("it's").env("A", "b c");
        assert_eq!(show(&command), r"A='b c' printf %s 'it'\''s'");
    }
}
