//! Which registry crates end up in the eBPF object, read from `Cargo.lock`.
//!
//! A plain reading of the file's few regular lines: it is written by cargo alone, and asking cargo would need the
//! registry.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

/// One `[[package]]`.
#[derive(Default)]
struct Package<'a> {
    version: &'a str,
    checksum: &'a str,
    dependencies: Vec<&'a str>,
}

/// `name version checksum`, a line each, sorted: everything that `root` depends on, itself left out.
///
/// `skip` names (crate, dependency) pairs not to follow: the lock file does not know which features are on.
pub(super) fn below(lock: &str, root: &str, skip: &[(&str, &str)]) -> Result<String> {
    let packages = parse(lock);
    let mut wanted = vec![(root, "")];
    let mut lines = BTreeSet::new();
    let mut seen = BTreeSet::new();
    while let Some((name, version)) = wanted.pop() {
        let found = packages
            .iter()
            .find(|((n, v), _)| *n == name && (version.is_empty() || *v == version))
            .map(|(_, package)| package)
            .with_context(|| format!("Cargo.lock has no package {name} {version}"))?;
        if !seen.insert((name, found.version)) {
            continue;
        }
        if name != root {
            lines.insert(format!("{name} {} {}\n", found.version, found.checksum));
        }
        for dependency in &found.dependencies {
            // "name", or "name version" where two versions are in the file.
            let mut words = dependency.split(' ');
            let dependency = words.next().unwrap_or_default();
            if !skip.contains(&(name, dependency)) {
                wanted.push((dependency, words.next().unwrap_or_default()));
            }
        }
    }
    Ok(lines.into_iter().collect())
}

/// Splits the file into packages.
fn parse(lock: &str) -> BTreeMap<(&str, &str), Package<'_>> {
    let mut packages = BTreeMap::new();
    for block in lock.split("[[package]]").skip(1) {
        let mut name = "";
        let mut package = Package::default();
        for line in block.lines() {
            let line = line.trim().trim_end_matches(',');
            match line.split_once(" = ") {
                Some(("name", value)) => name = value.trim_matches('"'),
                Some(("version", value)) => package.version = value.trim_matches('"'),
                Some(("checksum", value)) => package.checksum = value.trim_matches('"'),
                None if line.starts_with('"') => package.dependencies.push(line.trim_matches('"')),
                _ => {}
            }
        }
        packages.insert((name, package.version), package);
    }
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
version = 4

[[package]]
name = "a"
version = "1.0.0"
source = "registry"
checksum = "aaaa"

[[package]]
name = "a"
version = "2.0.0"
source = "registry"
checksum = "bbbb"

[[package]]
name = "common"
version = "0.1.0"
dependencies = [
 "a 1.0.0",
 "host",
]

[[package]]
name = "host"
version = "9.0.0"
checksum = "cccc"

[[package]]
name = "program"
version = "0.1.0"
dependencies = [
 "a 2.0.0",
 "common",
]
"#;

    #[test]
    fn follows_dependencies_by_version_and_leaves_out_what_is_skipped() {
        let found = below(LOCK, "program", &[("common", "host")]).expect("all packages are there");
        assert_eq!(found, "a 1.0.0 aaaa\na 2.0.0 bbbb\ncommon 0.1.0 \n");
    }

    #[test]
    fn a_missing_package_is_an_error() {
        assert!(below(LOCK, "nobody", &[]).is_err());
    }
}
