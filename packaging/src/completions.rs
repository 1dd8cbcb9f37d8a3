//! Completions: `oomtrace.bash`, `_oomtrace` (zsh) and `oomtrace.fish`.

use std::path::Path;

use anyhow::Context as _;
use clap_complete::Shell;

/// The shells that Debian has a place for completions of.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// Writes a file for each shell.
pub(crate) fn write(command: &clap::Command, folder: &Path) -> anyhow::Result<()> {
    super::man::empty(folder)?;
    // What help does not show is not offered either.
    let visible = clap::Command::new("oomtrace")
        .version(env!("CARGO_PKG_VERSION"))
        .args(command.get_arguments().cloned())
        .subcommands(command.get_subcommands().filter(|command| !command.is_hide_set()).cloned());
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut visible.clone(), "oomtrace", folder)
            .with_context(|| format!("cannot write completions for {shell} to {}", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_has_a_file_that_knows_the_commands() {
        let folder = tempfile::tempdir().expect("a folder");
        write(&crate::command(), folder.path()).expect("written");
        for name in ["oomtrace.bash", "_oomtrace", "oomtrace.fish"] {
            let text = std::fs::read_to_string(folder.path().join(name)).expect(name);
            assert!(text.contains("replay") && text.contains("what-if"), "{name}");
            assert!(!text.contains("demo-task"), "{name} offers what is hidden");
        }
    }
}
