//! What a capture says of itself, once: the machine, the kernel, the clocks, what was attached; and how it ended.

use minicbor::{Decode, Encode};

use super::observation::Lost;
use super::stats::Stats;

/// The head of a session: everything a reader needs to understand its observations on another machine.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
#[cbor(map)]
pub struct SessionInfo {
    /// Version of the oomtrace that captured.
    #[n(0)]
    pub tool_version: String,
    /// Where the observations came from.
    #[n(1)]
    pub source: SourceKind,
    /// `uname -n`; `None` when the source does not tell.
    #[n(2)]
    pub host: Option<String>,
    /// `uname -r`.
    #[n(3)]
    pub kernel_release: Option<String>,
    /// `uname -v`.
    #[n(4)]
    pub kernel_version: Option<String>,
    /// `uname -m`.
    #[n(5)]
    pub machine: Option<String>,
    /// `/proc/sys/kernel/random/boot_id`.
    #[n(6)]
    pub boot_id: Option<String>,
    /// Bytes in a page.
    #[n(7)]
    pub page_size: u32,
    /// CPUs online at start.
    #[n(8)]
    pub cpus: Option<u32>,
    /// RAM at start, bytes.
    #[n(9)]
    pub ram_bytes: Option<u64>,
    /// Swap at start, bytes.
    #[n(10)]
    pub swap_bytes: Option<u64>,
    /// Wall clock at start, nanoseconds since the Unix epoch.
    #[n(11)]
    pub started_unix_ns: Option<i64>,
    /// Boot clock at start, nanoseconds: read together with `started_unix_ns`, so that their difference turns one into
    /// the other.
    #[n(12)]
    pub started_boot_ns: u64,
    /// The host's offset from UTC at start, seconds east. Text output shows times in it, wherever it is read.
    #[n(13)]
    pub utc_offset_seconds: i32,
    /// Ring buffers, bytes.
    #[n(14)]
    pub ring_bytes: Option<u64>,
    /// Hooks, in the order of attaching, with how each was attached.
    #[n(15)]
    #[cbor(default)]
    pub hooks: Vec<Hook>,
    /// Kernel settings at start.
    #[n(16)]
    pub settings: Settings,
    /// The kernel's own names for bits of a gfp_mask, in the kernel's order of matching.
    #[n(17)]
    #[cbor(default)]
    pub gfp_flags: Vec<GfpFlag>,
    /// 1 or 2: the hierarchy that the memory controller is on.
    #[n(18)]
    pub cgroup_version: Option<u8>,
    /// RSS counters are per-CPU counters on this kernel (6.2 and later): read from outside they may be off by a batch a
    /// CPU.
    #[n(19)]
    #[cbor(default)]
    pub rss_counters_percpu: bool,
    /// Names of `enum node_stat_item`, in its order.
    #[n(20)]
    #[cbor(default)]
    pub node_stat_items: Vec<String>,
    /// Names of `enum zone_stat_item`, in its order.
    #[n(21)]
    #[cbor(default)]
    pub zone_stat_items: Vec<String>,
    /// Enumerators of the counters that a `MemcgStat` has, in its order.
    #[n(22)]
    #[cbor(default)]
    pub memcg_stat_items: Vec<String>,
    /// `oom_kill` of `/proc/vmstat` at `started_boot_ns`, when the probes were attached.
    #[n(23)]
    pub vmstat_oom_kills: Option<u64>,
    /// `/proc/sys/kernel/tainted` at start.
    #[n(24)]
    pub tainted: Option<u64>,
    /// What the stamps of a log mean; `None` from other sources, whose stamps are boot time.
    #[n(25)]
    pub log_clock: Option<LogClock>,
    /// A release with the formula that the lines of a log have the shape of, when no line tells the release, or it has another
    /// formula than mainline's (a vendor's).
    #[n(26)]
    pub release_by_shape: Option<String>,
}

/// What is known of the times of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct LogClock {
    /// Stamps are boot time. Otherwise they are a distance from `started_unix_ns` and the boot time is not known; without
    /// `started_unix_ns` they are no time at all and only tell the order.
    #[n(0)]
    #[cbor(default)]
    pub boot: bool,
    /// The log tells the offset of its wall clock from UTC. Otherwise it was taken for `utc_offset_seconds`.
    #[n(1)]
    #[cbor(default)]
    pub zone: bool,
    /// The log tells the year.
    #[n(2)]
    #[cbor(default)]
    pub year: bool,
    /// Steps in which stamps are told, ns; 0: not known.
    #[n(3)]
    #[cbor(default)]
    pub step_ns: u64,
}

impl SessionInfo {
    /// Wall clock at a moment of the boot clock, nanoseconds since the Unix epoch; `None` when the source knows no wall
    /// clock. Steps of the wall clock during the capture are not followed.
    #[must_use]
    pub fn unix_ns(&self, boot_ns: u64) -> Option<i128> {
        Some(i128::from(self.started_unix_ns?) + i128::from(boot_ns) - i128::from(self.started_boot_ns))
    }

    /// The stamp as boot time; `None` when it is none.
    #[must_use]
    pub fn boot_ns(&self, stamp: u64) -> Option<u64> {
        self.log_clock.is_none_or(|clock| clock.boot).then_some(stamp)
    }

    /// Whether stamps are times, so that their distances are durations.
    #[must_use]
    pub fn has_times(&self) -> bool {
        self.started_unix_ns.is_some() || self.log_clock.is_none_or(|clock| clock.boot)
    }

    /// Steps in which stamps are told, ns: no distance of two is known better.
    #[must_use]
    pub fn step_ns(&self) -> u64 {
        self.log_clock.map_or(1, |clock| clock.step_ns.max(1))
    }

    /// Whether observations were made by reading a log.
    #[must_use]
    pub fn of_a_log(&self) -> bool {
        matches!(self.source, SourceKind::Log | SourceKind::Import)
    }

    /// The release whose formula is to be used.
    #[must_use]
    pub fn formula_release(&self) -> Option<&str> {
        self.release_by_shape.as_deref().or(self.kernel_release.as_deref())
    }

    /// Whether `exit_oom_victim()` was hooked: that no release of a marked victim was seen means that its memory is not
    /// known to be back.
    #[must_use]
    pub fn releases_observed(&self) -> bool {
        self.hooks.iter().any(|hook| hook.missing.is_none() && hook.target == "exit_oom_victim")
    }

    /// Whether the captured kernel is of this version or later; `None` when it is not known.
    #[must_use]
    pub fn kernel_at_least(&self, major: u32, minor: u32) -> Option<bool> {
        let mut numbers =
            self.kernel_release.as_deref()?.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        let release = (numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some(release >= (major, minor))
    }

    /// Bytes in `pages` pages of the captured machine.
    #[must_use]
    pub fn bytes(&self, pages: u64) -> u64 {
        pages.saturating_mul(u64::from(self.page_size))
    }
}

impl SourceKind {
    /// The word for it, in JSON and in text.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Fentry => "fentry",
            Self::Kprobe => "kprobe",
            Self::Log => "log",
            Self::Import => "import",
        }
    }
}

/// Where observations come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum SourceKind {
    /// fentry/fexit programs.
    #[n(0)]
    Fentry,
    /// kprobes and kretprobes.
    #[n(1)]
    Kprobe,
    /// The running kernel's log, with tracepoints where they can be used.
    #[n(2)]
    Log,
    /// A kernel log from a file.
    #[n(3)]
    Import,
}

/// One hook.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Hook {
    /// Function or tracepoint, as `function` or `category:event`.
    #[n(0)]
    pub target: String,
    /// `fentry`, `fexit`, `kprobe`, `kretprobe` or `tracepoint`.
    #[n(1)]
    pub kind: String,
    /// Why it is not attached; `None` when it is.
    #[n(2)]
    pub missing: Option<String>,
}

/// `/proc/sys/vm` at the start of the capture; `None` where it could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Settings {
    /// `panic_on_oom`.
    #[n(0)]
    pub panic_on_oom: Option<i32>,
    /// `oom_kill_allocating_task`.
    #[n(1)]
    pub oom_kill_allocating_task: Option<i32>,
    /// `oom_dump_tasks`.
    #[n(2)]
    pub oom_dump_tasks: Option<i32>,
    /// `overcommit_memory`.
    #[n(3)]
    pub overcommit_memory: Option<i32>,
    /// `swappiness`.
    #[n(4)]
    pub swappiness: Option<i32>,
}

/// A named bit or combination of bits of a gfp_mask.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct GfpFlag {
    /// The bits.
    #[n(0)]
    pub bits: u32,
    /// The kernel's name, for example `GFP_KERNEL` or `__GFP_NOWARN`.
    #[n(1)]
    pub name: String,
}

/// The end of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct SessionEnd {
    /// Boot clock when the capture ended, ns: just before the probes were taken away.
    #[n(0)]
    pub boot_ns: u64,
    /// Losses of the whole session, those of its episodes included.
    #[n(1)]
    pub lost: Lost,
    /// Episodes that had been completed when a wanted number of them ended the capture (`--count`); what was still open
    /// then was not shown, and replay does not show it either. `None` when the capture ended otherwise: what was open
    /// was shown as far as it was known.
    #[n(2)]
    pub completed: Option<u64>,
    /// `oom_kill` of `/proc/vmstat` at `boot_ns`.
    #[n(3)]
    pub vmstat_oom_kills: Option<u64>,
    /// Kills that the kernel counts and that the source saw after the observation that ended the capture (`--count`); they
    /// are not recorded. `None`: none, or not counted.
    #[n(4)]
    pub kills_left: Option<u64>,
    /// What the capture cost, when that was asked for.
    #[n(5)]
    pub stats: Option<Stats>,
}
