//! The commands in `docs/guide.md` and `README.md`: each is run, and what the guide shows of it is what it prints.
//!
//! A block that begins with ` ```console ` has commands, each behind `$ `, with their output below them. Commands that begin with `sudo` need a kernel to
//! trace: `tests/src/scenarios/guide.rs` runs them in a guest. `OOMTRACE_BLESS=1` writes the outputs anew.

#[path = "support/program.rs"]
mod program;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is in the repository")
}

/// A folder with the guide's recordings, and what is to be found in the README's.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("there is room");
    let recordings = fs::read_dir(repository().join("docs/guide")).expect("they are there");
    for entry in recordings {
        let path = entry.expect("it can be listed").path();
        fs::copy(&path, folder.path().join(path.file_name().expect("it has a name"))).expect("there is room");
    }
    folder
}

/// Runs a shell's command there; its output and errors as a terminal shows them, and whether it succeeded.
fn shell(command: &str, folder: &Path) -> (String, bool) {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_oomtrace"));
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", program.parent().expect("it is in a folder").display());
    let output = Command::new("bash")
        // The first program of a pipe is ours; the others may be cut off by `head`.
        .args(["-c", &format!("exec 2>&1\n{command}\nexit ${{PIPESTATUS[0]}}")])
        .current_dir(folder)
        .env("PATH", path)
        .env("COLUMNS", "80")
        .env("TZ", "UTC")
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null())
        .output()
        .expect("there is a bash");
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
}

/// The text with the outputs of its commands as they are now.
fn with_outputs(text: &str, folder: &Path) -> String {
    let mut now = String::new();
    let mut inside = false;
    for line in text.lines() {
        let begins = line == "```console";
        let ends = inside && line == "```";
        if inside && !ends {
            let Some(command) = line.strip_prefix("$ ") else { continue };
            now.push_str(&format!("{line}\n"));
            if !command.starts_with("sudo ") {
                let (output, fine) = shell(command, folder);
                assert!(fine, "`{command}` failed:\n{output}");
                assert!(!output.contains("\n```"), "`{command}` ends the block");
                now.extend(output.trim_end().lines().map(|line| format!("{}\n", line.trim_end())));
            }
            continue;
        }
        inside = (inside || begins) && !ends;
        now.push_str(&format!("{line}\n"));
    }
    now
}

#[test]
fn the_guide_shows_what_its_commands_print() {
    let path = repository().join("docs/guide.md");
    let text = fs::read_to_string(&path).expect("it is there");
    let now = with_outputs(&text, folder().path());
    if std::env::var_os("OOMTRACE_BLESS").is_some() {
        fs::write(&path, &now).expect("it can be written");
        return;
    }
    assert!(now.matches("\n$ oomtrace").count() > 10, "there are hardly any commands in the guide");
    let at = text.lines().zip(now.lines()).position(|(is, should)| is != should);
    assert!(
        text == now,
        "the guide does not show what its commands print, from line {} on; OOMTRACE_BLESS=1 writes it anew. Now:\n{}",
        at.map_or(0, |at| at + 1),
        now.lines().skip(at.unwrap_or_default()).take(20).collect::<Vec<_>>().join("\n")
    );
}

/// What stands in the README for something of the reader's.
const README: &[(&str, &str)] = &[
    ("/var/log/oomtrace", "."),
    ("/var/log/kern.log.1.gz", "build.dmesg"),
    ("diff ID ID", "diff msbqxgnw bsvlclnp"),
    ("-o out …", "-o out ."),
    ("incident.oomtrace 4", "incident.oomtrace 1"),
    ("adj:postgres=", "adj:ld="),
    ("make -j8", "true"),
];

#[test]
fn the_commands_of_the_readme_work() {
    let folder = folder();
    fs::copy(folder.path().join("build.oomtrace"), folder.path().join("incident.oomtrace"))
        .expect("there is room");
    let text = fs::read_to_string(repository().join("README.md")).expect("it is there");
    let mut run = 0;
    for line in text.lines() {
        let line = line.strip_prefix("$ ").unwrap_or(line);
        // What has the screen for itself is run by `browse.rs`.
        if !line.starts_with("oomtrace ") || line.starts_with("oomtrace browse ") {
            continue;
        }
        // Behind two spaces is what it does.
        let mut command = line.split("  ").next().unwrap_or_default().to_owned();
        for (word, ours) in README {
            command = command.replace(word, ours);
        }
        let (output, fine) = shell(&command, folder.path());
        assert!(fine, "`{command}` failed:\n{output}");
        run += 1;
    }
    assert!(run > 8, "only {run} commands were found in the README");
}

/// `docs/picture.svg`, which the README shows: a terminal with a real episode.
#[test]
fn the_picture_is_what_a_terminal_shows() {
    let path = repository().join("docs/picture.svg");
    let (output, fine) =
        shell("CLICOLOR_FORCE=1 COLUMNS=100 oomtrace replay --count 1 database.oomtrace", folder().path());
    assert!(fine, "{output}");
    assert!(output.contains('\x1b'), "there are no colours: {output}");
    // Between what is said of the recording and the totals.
    let episode = output.split("\n\n").nth(1).expect("there is an episode");
    let light = anstyle::RgbColor(0xee, 0xee, 0xee).into();
    let svg =
        anstyle_svg::Term::new().fg_color(light).render_svg(&format!("$ sudo oomtrace watch\n\n{episode}\n"));
    if std::env::var_os("OOMTRACE_BLESS").is_some() {
        fs::write(&path, svg).expect("it can be written");
        return;
    }
    let stored = fs::read_to_string(&path).expect("OOMTRACE_BLESS=1 makes it");
    assert!(
        stored == svg,
        "docs/picture.svg is not what a terminal shows now; OOMTRACE_BLESS=1 draws it anew"
    );
}
