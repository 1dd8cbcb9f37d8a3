//! What is measured: one line is one boot.

use crate::kernels::Kernel;
use crate::vm::{AccelChoice, Hardware};

/// One boot of a guest that measures one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Boot {
    /// Name of the suite, as for `guest bench`.
    pub(super) suite: &'static str,
    /// Idle processes in it.
    pub(super) processes: u32,
    /// Processors; with one, the clock counts instructions.
    pub(super) cpus: u32,
    /// MiB.
    pub(super) memory: u32,
    /// Figures of each kind.
    pub(super) rounds: u32,
    /// Only these tracers, as a list with commas; empty: all.
    pub(super) tracers: &'static str,
}

/// The names, in the order of the document.
pub(super) const SUITES: &[&str] =
    &["memcg", "global", "losses", "overflow", "start", "idle", "readers", "sizes", "events"];

/// Both flavours of oomtrace, where nobody else has anything to show.
const OURS: &str = "oomtrace-fentry,oomtrace-kprobe";

/// One of each kind, where bpftrace's and bcc's ways of attaching make no difference that is worth a start of theirs.
const KINDS: &str = "none,oomtrace-fentry,oomtrace-kprobe,bpftrace-kretfunc,trace-cmd,perf";

const fn boot(suite: &'static str, processes: u32, cpus: u32, memory: u32, rounds: u32) -> Boot {
    Boot { suite, processes, cpus, memory, rounds, tracers: "" }
}

/// The boots for one kernel.
pub(super) fn boots(quick: bool) -> Vec<Boot> {
    if quick {
        return vec![
            boot("memcg", 1000, 1, 3072, 3),
            boot("global", 1000, 1, 3072, 3),
            boot("start", 10, 1, 3072, 2),
            Boot { tracers: KINDS, ..boot("readers", 10, 1, 3072, 2) },
        ];
    }
    vec![
        boot("memcg", 10, 1, 3072, 5),
        boot("memcg", 1000, 1, 3072, 5),
        boot("memcg", 5000, 1, 3072, 3),
        boot("memcg", 20_000, 1, 5120, 3),
        Boot { tracers: OURS, ..boot("losses", 50_000, 1, 8192, 3) },
        boot("losses", 20_000, 2, 5120, 3),
        Boot { tracers: OURS, ..boot("losses", 50_000, 2, 8192, 3) },
        Boot { tracers: OURS, ..boot("overflow", 5000, 1, 3072, 3) },
        boot("global", 1000, 1, 3072, 5),
        boot("start", 10, 1, 3072, 2),
        Boot { tracers: KINDS, ..boot("idle", 10, 1, 3072, 1) },
        Boot { tracers: KINDS, ..boot("readers", 10, 1, 3072, 3) },
        boot("sizes", 1000, 1, 3072, 4),
        boot("events", 20_000, 2, 5120, 25),
    ]
}

impl Boot {
    /// What tells it from the other boots of one kernel.
    pub(super) fn name(&self) -> String {
        format!("{}-{}-{}c", self.suite, self.processes, self.cpus)
    }

    /// The machine.
    pub(super) fn hardware(&self) -> Hardware {
        Hardware {
            cpus: self.cpus,
            memory: format!("{}M", self.memory),
            append: String::new(),
            icount: self.cpus == 1,
            accel: AccelChoice::Tcg,
        }
    }

    /// The command for the guest.
    pub(super) fn command(&self, tracers: &str) -> Vec<String> {
        let mut words = vec!["guest".to_owned(), "bench".to_owned(), self.suite.to_owned()];
        words.extend(["--processes".to_owned(), self.processes.to_string()]);
        words.extend(["--rounds".to_owned(), self.rounds.to_string()]);
        let tracers = if tracers.is_empty() { self.tracers } else { tracers };
        if !tracers.is_empty() {
            words.extend(["--tracers".to_owned(), tracers.to_owned()]);
        }
        words
    }

    /// Whether the guest leaves files on its disk.
    pub(super) fn leaves_files(&self) -> bool {
        self.suite == "events"
    }

    /// Where it is kept, and what a line of its figures says of the machine.
    pub(super) fn key(&self, kernel: &Kernel) -> String {
        format!("{}-{}", kernel.name, self.name())
    }
}
