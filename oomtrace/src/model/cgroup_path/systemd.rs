//! Units of systemd.

/// Kinds of units that have cgroups.
const KINDS: [&str; 6] = ["service", "scope", "slice", "socket", "mount", "swap"];
/// `UNIT_NAME_MAX`: bytes of a unit's name, less one.
const MAX: usize = 255;

/// The unit of a cgroup's name.
pub(super) fn unit(name: &str) -> Option<&str> {
    // systemd puts a `_` before names that could be taken for the kernel's own files, and before those that begin with one.
    let unit = name.strip_prefix('_').unwrap_or(name);
    let (stem, kind) = unit.rsplit_once('.')?;
    // A template's instance may be empty, its name may not.
    let named = stem.split('@').next().is_some_and(|name| !name.is_empty());
    let valid = stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte));
    (named && valid && unit.len() <= MAX && KINDS.contains(&kind)).then_some(unit)
}
