//! The cache folder: what was downloaded or built once and is good for every checkout.
//!
//! Everything appears in it by a rename, so that an interrupted command leaves nothing half-written, and under a lock,
//! so that two commands at once do not fetch the same thing twice.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// `$OOMTRACE_CACHE`, else `$XDG_CACHE_HOME/oomtrace`, else `~/.cache/oomtrace`; created when missing.
pub(crate) fn dir() -> Result<PathBuf> {
    let dir = locate(env::var_os("OOMTRACE_CACHE"), env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"))?;
    fs::create_dir_all(&dir).with_context(|| format!("cannot create the cache folder {}", dir.display()))?;
    dir.canonicalize().with_context(|| format!("cannot resolve the cache folder {}", dir.display()))
}

/// The rule behind [`dir`]; an empty variable counts as unset.
fn locate(
    own: Option<std::ffi::OsString>,
    xdg: Option<std::ffi::OsString>,
    home: Option<std::ffi::OsString>,
) -> Result<PathBuf> {
    let set = |value: Option<std::ffi::OsString>| value.filter(|v| !v.is_empty()).map(PathBuf::from);
    if let Some(own) = set(own) {
        return Ok(own);
    }
    // The XDG rules say that a relative path in such a variable is to be ignored.
    if let Some(xdg) = set(xdg).filter(|p| p.is_absolute()) {
        return Ok(xdg.join("oomtrace"));
    }
    match set(home) {
        Some(home) => Ok(home.join(".cache/oomtrace")),
        None => bail!("there is no home folder to keep downloads in: set OOMTRACE_CACHE to a folder"),
    }
}

/// Returns the folder `name` below the cache, after letting `fill` make its content if it is not there yet.
///
/// `fill` works in a temporary folder beside it. While it runs, other commands that want the same folder wait.
pub(crate) fn folder(name: &str, fill: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let cache = dir()?;
    let wanted = cache.join(name);
    if wanted.is_dir() {
        return Ok(wanted);
    }
    let _lock = lock(name)?;
    if wanted.is_dir() {
        return Ok(wanted);
    }
    let parent = wanted.parent().unwrap_or(&cache);
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let scratch = tempfile::Builder::new()
        .prefix(".new-")
        .permissions(world_readable())
        .tempdir_in(parent)
        .with_context(|| format!("cannot create a temporary folder in {}", parent.display()))?;
    fill(scratch.path())?;
    let scratch = scratch.keep();
    fs::rename(&scratch, &wanted)
        .with_context(|| format!("cannot rename {} to {}", scratch.display(), wanted.display()))?;
    Ok(wanted)
}

/// Holds the lock called `name` until the returned file is dropped.
pub(crate) fn lock(name: &str) -> Result<File> {
    let locks = dir()?.join("locks");
    fs::create_dir_all(&locks).with_context(|| format!("cannot create {}", locks.display()))?;
    let path = locks.join(name.replace('/', "-"));
    let file = File::create(&path).with_context(|| format!("cannot create the lock {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Temporary folders are private by default, yet what they become is shared like any other folder.
fn world_readable() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    fs::Permissions::from_mode(0o755)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_variable_wins_then_xdg_then_home() {
        let os = |s: &str| Some(std::ffi::OsString::from(s));
        let locate = |a, b, c| locate(a, b, c).ok();
        assert_eq!(locate(os("/a"), os("/b"), os("/c")), Some("/a".into()));
        assert_eq!(locate(os(""), os("/b"), os("/c")), Some("/b/oomtrace".into()));
        assert_eq!(locate(None, os("relative"), os("/c")), Some("/c/.cache/oomtrace".into()));
        assert_eq!(locate(None, None, None), None);
    }
}
