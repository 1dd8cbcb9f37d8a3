//! Which guests the tests run in. One line is one guest.

use std::path::PathBuf;

use anyhow::Result;

use super::systemd;
use crate::arch::Arch;
use crate::dist::deb;
use crate::kernels;
use crate::vm::initramfs::Extra;
use crate::vm::{AccelChoice, Hardware};

/// One guest, and the group of tests that runs in it (`guest test --group GROUP`).
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// A name that `kernels` knows, or a path.
    pub(super) kernel: String,
    /// What tells it from the kernel's other guests in the names of its tests.
    pub(super) label: &'static str,
    pub(super) group: &'static str,
    pub(super) cpus: u32,
    pub(super) memory: &'static str,
    /// More words for the kernel's command line.
    pub(super) append: &'static str,
}

/// The groups, each with its machine, and the kernels that it runs on.
const GROUPS: &[Group] = &[
    // label, group, CPUs, memory, command line, kernels
    ("core", "core", 2, "1G", "", &["5.10", "6.1", "6.12", "7.3"]),
    // Debian's kernels from 6.12 on have no memory controller for cgroup v1.
    ("v1", "core", 2, "1G", "oomtrace.cgroup=v1", &["5.10"]),
    // Many cases made from seeds: the longest there is, apart from the rest.
    ("seeded", "seeded", 2, "1G", "", &["5.10", "6.1", "6.12", "7.3"]),
    // Tens of thousands of candidates, and a log that holds the kernel's table of them.
    ("scale-20k", "scale", 1, "3G", "log_buf_len=16M oomtrace.herd=20000", &["6.1"]),
    ("scale-50k", "scale", 2, "6G", "log_buf_len=32M oomtrace.herd=50000", &["7.3"]),
    // Another architecture, emulated on this one. There is no fentry for it in 6.1.
    ("arch", "arch", 2, "1G", "", &["6.12-arm64"]),
    // Hundreds of OOMs of the whole machine.
    ("small", "small", 1, "256M", "", &["7.3"]),
    // The service, under a real service manager.
    (SYSTEMD, SYSTEMD, 2, "1G", "", &["6.1"]),
    // The only guests whose clock counts instructions.
    (INSTRUCTIONS, INSTRUCTIONS, 1, "1G", "", &["6.1", "7.3"]),
];

/// The group whose figures are instructions.
const INSTRUCTIONS: &str = "instructions";

/// The group that needs systemd in its guest.
const SYSTEMD: &str = "systemd";

type Group = (&'static str, &'static str, u32, &'static str, &'static str, &'static [&'static str]);

/// All guests; or, for chosen kernels, those of them. A kernel that no group knows gets the first group.
pub(super) fn entries(kernels: &[String]) -> Vec<Entry> {
    let all = GROUPS.iter().flat_map(|group| group.5.iter().map(|&kernel| entry(group, kernel)));
    if kernels.is_empty() {
        return all.collect();
    }
    let mut chosen: Vec<Entry> = all.filter(|entry| kernels.contains(&entry.kernel)).collect();
    for kernel in kernels {
        if !chosen.iter().any(|entry| entry.kernel == *kernel) {
            chosen.extend(GROUPS.first().map(|group| entry(group, kernel)));
        }
    }
    chosen
}

/// One cell of the table.
fn entry(&(label, group, cpus, memory, append, _): &Group, kernel: &str) -> Entry {
    Entry { kernel: kernel.to_owned(), label, group, cpus, memory, append }
}

impl Entry {
    /// What the names of its tests start with.
    pub(super) fn name(&self) -> String {
        let kernel = self.kernel.rsplit('/').next().unwrap_or(&self.kernel);
        format!("{kernel}/{}", self.label)
    }

    /// What its kernel is built for.
    pub(super) fn arch(&self) -> Arch {
        kernels::arch_of(&self.kernel)
    }

    /// More for its root than the programs of this project.
    pub(super) fn archive(&self) -> Result<Option<PathBuf>> {
        (self.group == SYSTEMD).then(systemd::archive).transpose()
    }

    /// Files that its tests want.
    pub(super) fn extras(&self) -> Result<Vec<Extra>> {
        if self.group != SYSTEMD {
            return Ok(Vec::new());
        }
        let package = deb::for_guests()?;
        // `tests/src/scenarios/systemd` knows where it is, too.
        package.iter().map(|package| format!("{}:/oomtrace.deb", package.display()).parse()).collect()
    }

    /// The machine to boot.
    pub(super) fn hardware(&self) -> Hardware {
        Hardware {
            cpus: self.cpus,
            memory: self.memory.to_owned(),
            append: self.append.to_owned(),
            icount: self.group == INSTRUCTIONS,
            // The same machine everywhere, so that results can be compared.
            accel: AccelChoice::Tcg,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_chosen_by_name_and_an_unknown_one_gets_the_first_group() {
        let names = |kernels: &[&str]| -> Vec<String> {
            let kernels: Vec<String> = kernels.iter().map(|&k| k.to_owned()).collect();
            entries(&kernels).iter().map(Entry::name).collect()
        };
        assert!(names(&[]).contains(&"6.1/core".to_owned()));
        assert!(names(&["6.1"]).iter().all(|name| name.starts_with("6.1/")));
        assert_eq!(names(&["/boot/vmlinuz-9"]), ["vmlinuz-9/core"]);
    }

    #[test]
    fn every_kernel_of_the_table_is_known_and_no_name_comes_twice() {
        let mut names: Vec<String> = entries(&[]).iter().map(Entry::name).collect();
        for entry in entries(&[]) {
            assert!(kernels::names().any(|name| name == entry.kernel), "{entry:?}");
        }
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
