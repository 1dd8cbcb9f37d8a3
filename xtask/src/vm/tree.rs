//! A tree of files from Debian packages that are unpacked and never installed, and the archive of it that a guest's kernel unpacks.
//!
//! Which packages, and what is done in the guest to make programs of them run, is their user's business.

use std::fs::{self, File};
use std::io::BufWriter;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use anyhow::{Context as _, Result};

use super::cpio::Archive;

/// What no program reads.
const LEFT_OUT: &[&str] =
    &["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian"];

/// The links of a merged `/usr`, which packages rely on and only an installer makes, and the folders that everything expects.
pub(crate) fn merged_usr(tree: &Path) -> Result<()> {
    for name in ["bin", "sbin", "lib", "lib64"] {
        fs::create_dir_all(tree.join("usr").join(name))?;
        symlink(format!("usr/{name}"), tree.join(name))?;
    }
    for name in ["proc", "sys", "dev", "tmp", "run", "root", "etc"] {
        fs::create_dir_all(tree.join(name))?;
    }
    Ok(())
}

/// Writes the archive `file`, which has everything of the tree below the folder `place`. Manuals and the like are left out.
pub(crate) fn pack(tree: &Path, place: &str, file: &Path) -> Result<()> {
    let file = File::create(file).context("cannot create the archive")?;
    let mut archive = Archive::new(BufWriter::new(file));
    add(&mut archive, tree, place, Path::new(""))?;
    archive.finish().context("cannot write the archive")?;
    Ok(())
}

/// Adds everything at `path` of the tree.
fn add(archive: &mut Archive<BufWriter<File>>, tree: &Path, place: &str, path: &Path) -> Result<()> {
    let from = tree.join(path);
    let meta = from.symlink_metadata().with_context(|| format!("cannot read {}", from.display()))?;
    let to = Path::new(place).join(path);
    let to = to.to_str().with_context(|| format!("a name that is not UTF-8: {}", from.display()))?;
    let to = to.trim_end_matches('/');
    if meta.is_symlink() {
        let target = fs::read_link(&from)?;
        archive.link(to, &target.to_string_lossy())?;
    } else if meta.is_dir() {
        archive.folder(to)?;
        let mut names: Vec<_> =
            fs::read_dir(&from)?.filter_map(|entry| entry.ok().map(|e| e.file_name())).collect();
        names.sort();
        for name in names {
            let below = path.join(&name);
            if !LEFT_OUT.iter().any(|left_out| below == Path::new(left_out)) {
                add(archive, tree, place, &below)?;
            }
        }
    } else if meta.is_file() {
        archive.file(to, meta.permissions().mode(), &fs::read(&from)?)?;
    }
    Ok(())
}
