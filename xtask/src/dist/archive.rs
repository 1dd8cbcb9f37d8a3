//! The archive, for machines without a package of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::{Commit, DOCUMENTS, copy};
use crate::arch::Arch;
use crate::{run, workspace};

/// Makes `oomtrace-VERSION-TARGET.tar.gz` in `out`.
pub(super) fn make(out: &Path, arch: Arch, program: &Path, pages: &Path, commit: &Commit) -> Result<PathBuf> {
    let name = format!("oomtrace-{}-{}", env!("CARGO_PKG_VERSION"), arch.target());
    let scratch = tempfile::tempdir_in(out).context("cannot create a temporary folder")?;
    let tree = scratch.path().join(&name);
    fs::create_dir(&tree).context("cannot create the archive's folder")?;
    copy(program, &tree.join("oomtrace"))?;
    for (from, to) in [
        (pages.join("man"), "man"),
        (pages.join("completions"), "completions"),
        (workspace::root().join("contrib"), "contrib"),
        (workspace::root().join("docs"), "docs"),
    ] {
        copy_all(&from, &tree.join(to))?;
    }
    for document in DOCUMENTS {
        copy(&workspace::root().join(document), &tree.join(document))?;
    }
    let archive = out.join(format!("{name}.tar.gz"));
    pack(scratch.path(), &name, commit.time, &archive)?;
    Ok(archive)
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() { copy_all(&from, &to)? } else { copy(&from, &to)? }
    }
    Ok(())
}

/// By GNU tar and gzip, told to leave out what differs between two machines.
fn pack(folder: &Path, name: &str, time: u64, archive: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--format=gnu", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
    // Whoever builds has an umask, and perhaps a file system, of their own.
    tar.arg("--mode=u+rw,go+r,go-w,a+X").arg(format!("--mtime=@{time}"));
    tar.arg("--directory").arg(folder).arg(name).stdout(Stdio::piped());
    let mut packing = tar.spawn().map_err(|error| run::explain_spawn(&tar, error))?;
    let tarred = packing.stdout.take().context("tar without an output")?;
    let file = fs::File::create(archive).with_context(|| format!("cannot create {}", archive.display()))?;
    // -n: neither name nor time.
    run::check(Command::new("gzip").args(["-n", "-9"]).stdin(tarred).stdout(file))?;
    let status = packing.wait().context("cannot wait for tar")?;
    ensure!(status.success(), "this command failed ({status}):\n  {}", run::show(&tar));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_same_files_are_the_same_archive() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut archives = Vec::new();
        // Made in another order, at another time, by somebody with another umask.
        for (number, names) in [["b", "a"], ["a", "b"]].iter().enumerate() {
            let tree = folder.path().join(number.to_string()).join("x");
            fs::create_dir_all(&tree).expect("a tree");
            for name in names {
                fs::write(tree.join(name), name).expect("a file");
            }
            let private = fs::Permissions::from_mode(if number == 0 { 0o600 } else { 0o664 });
            fs::set_permissions(tree.join("a"), private).expect("a mode");
            let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(number as u64 + 1);
            fs::File::open(tree.join("b")).expect("b").set_modified(time).expect("a time");
            let archive = folder.path().join(format!("{number}.tar.gz"));
            pack(&folder.path().join(number.to_string()), "x", 1_700_000_000, &archive).expect("packed");
            archives.push(fs::read(archive).expect("an archive"));
        }
        assert!(archives[0] == archives[1], "two archives of the same files differ");
    }
}
