//! Where things are: the checkout this command works on, and the folders below it that it writes to.

use std::env;
use std::path::{Path, PathBuf};

/// The root of the checkout. Cargo tells at run time; the compile-time value is only for a binary started by hand.
pub(crate) fn root() -> PathBuf {
    let manifest_dir =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    manifest_dir.parent().map(Path::to_path_buf).unwrap_or(manifest_dir)
}

/// Cargo's ordinary target folder. The special builds (eBPF, static) have folders of their own below it, so that
/// their flags do not throw away what an ordinary build left.
pub(crate) fn target() -> PathBuf {
    root().join("target")
}

/// Where guests leave their logs.
pub(crate) fn vm_logs() -> PathBuf {
    target().join("vm")
}
