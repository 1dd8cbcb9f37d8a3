//! The lines of figures, looked up.

use serde_json::Value;

use crate::bench::results::median_of;

/// All lines.
pub(super) struct Figures(pub(super) Vec<Value>);

/// Which boot.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) kernel: &'a str,
    pub(super) suite: &'a str,
    pub(super) processes: u64,
    pub(super) cpus: u64,
}

impl Figures {
    /// The kernels that there are figures of, oldest first.
    pub(super) fn kernels(&self) -> Vec<String> {
        let mut kernels: Vec<String> =
            self.0.iter().filter_map(|line| line["kernel"].as_str()).map(str::to_owned).collect();
        kernels.sort_by_key(|name| name.split('.').map(|n| n.parse().unwrap_or(0)).collect::<Vec<u32>>());
        kernels.dedup();
        kernels
    }

    /// Lines of one kind.
    pub(super) fn rows<'a>(&'a self, kernel: &'a str, row: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |line| line["kernel"] == kernel && line["row"] == row)
    }

    /// The sizes at which a suite was measured with so many CPUs, smallest first.
    pub(super) fn sizes(&self, kernel: &str, suite: &str, cpus: u64) -> Vec<u64> {
        let mut sizes: Vec<u64> = self
            .0
            .iter()
            .filter(|line| line["kernel"] == kernel && line["suite"] == suite && line["cpus"] == cpus)
            .filter_map(|line| line["processes"].as_u64())
            .collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// What was measured of `peer` there.
    pub(super) fn line(&self, at: Place<'_>, peer: &str) -> Option<&Value> {
        self.0.iter().find(|line| {
            line["kernel"] == at.kernel
                && line["suite"] == at.suite
                && line["processes"] == at.processes
                && line["cpus"] == at.cpus
                && line["peer"] == peer
        })
    }

    /// The median of a list of its figures.
    pub(super) fn median(&self, at: Place<'_>, peer: &str, key: &str) -> Option<f64> {
        median_of(self.line(at, peer)?, key)
    }

    /// The median of what it takes without a tracer, in the boot that `peer` was measured in; in another one, if there was none of that
    /// in it.
    pub(super) fn without(&self, at: Place<'_>, peer: &str, key: &str) -> Option<f64> {
        self.reference(at, peer, "none", key)
    }

    /// The same for another reference.
    pub(super) fn reference(&self, at: Place<'_>, peer: &str, reference: &str, key: &str) -> Option<f64> {
        let run = &self.line(at, peer)?["run"];
        let old = self.0.iter().find(|line| {
            line["kernel"] == at.kernel
                && line["suite"] == at.suite
                && line["processes"] == at.processes
                && line["cpus"] == at.cpus
                && line["peer"] == reference
                && line["run"] == *run
        });
        median_of(old.or_else(|| self.line(at, reference))?, key)
    }

    /// The lines of a suite that is measured at one size.
    pub(super) fn suite<'a>(&'a self, kernel: &'a str, suite: &'a str) -> impl Iterator<Item = &'a Value> {
        self.0.iter().filter(move |line| line["kernel"] == kernel && line["suite"] == suite)
    }
}
