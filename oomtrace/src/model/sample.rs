//! The heartbeat: the state of memory between episodes, looked at now and then, so that the minutes before an episode are there
//! afterwards.
//!
//! Sources take samples while nothing is under way, and hand on a run of them at a time. How a run is stored is
//! `session::samples`' business.

use std::sync::Arc;

use super::name::Name;

/// Samples in the order in which they were taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples(pub Vec<Arc<Sample>>);

/// The state of memory at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When, ns since boot.
    pub boot_ns: u64,
    /// Lines of `/proc/meminfo`, KiB, in the order of [`Item::ALL`]; `None` where the kernel has no such line.
    pub memory_kib: [Option<u64>; Item::COUNT],
    /// `some` of `/proc/pressure/memory`; `None` without PSI.
    pub some: Option<Psi>,
    /// `full` of the same.
    pub full: Option<Psi>,
    /// The memcgs that used most; `None` when this sample did not look, or there is no memory controller.
    pub cgroups: Option<Look>,
}

/// A line of `/proc/pressure/memory`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Psi {
    /// Share of the last 10 s in which tasks waited for memory, hundredths of a percent.
    pub avg10: u32,
    /// Of the last 60 s.
    pub avg60: u32,
    /// Of the last 300 s.
    pub avg300: u32,
    /// Time since boot in which they did, us.
    pub total_us: u64,
}

/// A look at the memcgs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Those with most memory of their own (their usage without that of the cgroups below them), most first.
    pub top: Vec<CgroupUsage>,
    /// Not all of them were looked at: there are more than one look may cost.
    pub cut: bool,
}

/// What a memcg used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CgroupUsage {
    /// kernfs id.
    pub id: u64,
    /// Path from the root of the mounted hierarchy.
    pub path: Arc<Name>,
    /// `memory.current` (cgroup v1: `memory.usage_in_bytes`), bytes; that of the cgroups below it is in it.
    pub usage_bytes: u64,
    /// `memory.max` (cgroup v1: `memory.limit_in_bytes`), bytes; `None`: no limit, or it could not be read.
    pub limit_bytes: Option<u64>,
}

/// Lines of `/proc/meminfo` that are kept. Numbers are positions in [`Sample::memory_kib`] and stored in session files: new ones
/// go to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[expect(missing_docs, reason = "named as in /proc/meminfo, which proc(5) explains")]
pub enum Item {
    MemTotal,
    MemFree,
    MemAvailable,
    Buffers,
    Cached,
    AnonPages,
    Shmem,
    SReclaimable,
    SUnreclaim,
    PageTables,
    SwapTotal,
    SwapFree,
    SwapCached,
    Dirty,
    Writeback,
}

impl Item {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();
    /// All of them, with the kernel's name.
    pub const ALL: [(Self, &'static str); 15] = [
        (Self::MemTotal, "MemTotal"),
        (Self::MemFree, "MemFree"),
        (Self::MemAvailable, "MemAvailable"),
        (Self::Buffers, "Buffers"),
        (Self::Cached, "Cached"),
        (Self::AnonPages, "AnonPages"),
        (Self::Shmem, "Shmem"),
        (Self::SReclaimable, "SReclaimable"),
        (Self::SUnreclaim, "SUnreclaim"),
        (Self::PageTables, "PageTables"),
        (Self::SwapTotal, "SwapTotal"),
        (Self::SwapFree, "SwapFree"),
        (Self::SwapCached, "SwapCached"),
        (Self::Dirty, "Dirty"),
        (Self::Writeback, "Writeback"),
    ];
}

impl Sample {
    /// A line of `/proc/meminfo`, bytes.
    #[must_use]
    pub fn bytes(&self, item: Item) -> Option<u64> {
        self.memory_kib[item as usize].map(|kib| kib.saturating_mul(1024))
    }

    /// Memory is short: what is known now may be the last that is known of this machine.
    #[must_use]
    pub fn is_tight(&self) -> bool {
        /// 5 % of the last 10 s without anybody at work.
        const FULL: u32 = 500;
        /// Of the machine's memory, the part below which there is little.
        const PART: u64 = 20;
        let waits = self.full.is_some_and(|full| full.avg10 >= FULL);
        let total = self.memory_kib[Item::MemTotal as usize];
        let left = self.memory_kib[Item::MemAvailable as usize];
        waits || total.zip(left).is_some_and(|(total, left)| left < total / PART)
    }
}

/// How far back an episode's samples go.
pub const BEFORE_NS: u64 = 600 * 1_000_000_000;
/// How far back it has all of them; of those before only the ones that looked at the cgroups.
const ALL_NS: u64 = 60 * 1_000_000_000;
/// Where none did, one of so many nanoseconds.
const SPARSE_NS: u64 = 45 * 1_000_000_000;
/// Samples of an episode at most.
pub const MOST_BEFORE: usize = 120;

/// How many samples there were, and when: what `info` says of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// How many.
    pub count: u64,
    /// The first and the last, ns since boot.
    pub boot_ns: Option<(u64, u64)>,
}

impl Span {
    /// Adds that of a session that comes after. Of another boot, its times are others.
    pub fn add(&mut self, next: Self) {
        self.count = self.count.saturating_add(next.count);
        self.boot_ns = match (self.boot_ns, next.boot_ns) {
            (Some((first, _)), Some((_, last))) if last >= first => Some((first, last)),
            (before, next) => next.or(before),
        };
    }

    /// Counts what is newer than all that was counted: the same sample may be told again.
    pub fn count(&mut self, samples: &Samples) {
        for sample in &samples.0 {
            let (first, last) = self.boot_ns.unwrap_or((sample.boot_ns, 0));
            if sample.boot_ns > last {
                self.count += 1;
                self.boot_ns = Some((first, sample.boot_ns));
            }
        }
    }
}

/// The last samples, for whoever tells what was before.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Oldest first. Some more than an episode has: it is built up to some seconds after it began.
    samples: std::collections::VecDeque<Arc<Sample>>,
}

impl History {
    /// Samples kept at most: those of ten minutes at one a second, and the time that an episode takes.
    const MOST: usize = 700;
    /// How long an episode may be unfinished, with room to spare.
    const LATER_NS: u64 = 60 * 1_000_000_000;

    /// Adds what is newer than all that is there: the same sample may be told again, at the head of each file of a capture.
    /// Returns how many were new.
    pub fn learn(&mut self, samples: &Samples) -> u64 {
        let mut new = 0;
        for sample in &samples.0 {
            if self.samples.back().is_some_and(|last| last.boot_ns >= sample.boot_ns) {
                continue;
            }
            new += 1;
            self.samples.push_back(Arc::clone(sample));
            let oldest = sample.boot_ns.saturating_sub(BEFORE_NS + Self::LATER_NS);
            while self.samples.len() > Self::MOST
                || self.samples.front().is_some_and(|first| first.boot_ns < oldest)
            {
                self.samples.pop_front();
            }
        }
        new
    }

    /// Forgets them: what follows is of another boot.
    pub fn forget(&mut self) {
        self.samples.clear();
    }

    /// What is told of the time before `boot_ns`, oldest first: all of the last minute, and of the nine before it what looked at
    /// the cgroups.
    #[must_use]
    pub fn before(&self, boot_ns: u64) -> Vec<Arc<Sample>> {
        let mut told: Vec<Arc<Sample>> = Vec::new();
        let past = self.samples.iter().rev().skip_while(|sample| sample.boot_ns > boot_ns);
        for sample in past.take_while(|sample| boot_ns - sample.boot_ns <= BEFORE_NS) {
            let last_ns = told.last().map_or(u64::MAX, |last| last.boot_ns);
            if boot_ns - sample.boot_ns <= ALL_NS
                || sample.cgroups.is_some()
                || last_ns.saturating_sub(sample.boot_ns) >= SPARSE_NS
            {
                told.push(Arc::clone(sample));
            }
            if told.len() == MOST_BEFORE {
                break;
            }
        }
        told.reverse();
        told
    }

    /// All that an episode now would choose from, to be told again at the head of another file.
    #[must_use]
    pub fn all(&self) -> Samples {
        let newest = self.samples.back().map_or(0, |last| last.boot_ns);
        let wanted = |sample: &&Arc<Sample>| newest - sample.boot_ns <= BEFORE_NS;
        Samples(self.samples.iter().filter(wanted).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn sample(seconds: u64, looks: bool) -> Arc<Sample> {
        let cgroups = looks.then(Look::default);
        Arc::new(Sample { boot_ns: seconds * SECOND, cgroups, ..Sample::default() })
    }

    /// One each five seconds, every sixth with a look.
    fn history(until: u64, looks: bool) -> History {
        let mut history = History::default();
        for n in 0..=until / 5 {
            history.learn(&Samples(vec![sample(n * 5, looks && n % 6 == 0)]));
        }
        history
    }

    fn seconds(samples: &[Arc<Sample>]) -> Vec<u64> {
        samples.iter().map(|sample| sample.boot_ns / SECOND).collect()
    }

    #[test]
    fn the_last_minute_whole_and_nine_more_in_part() {
        let told = seconds(&history(3040, true).before(3000 * SECOND));
        let expected: Vec<u64> = (2400..2940).step_by(30).chain((2940..=3000).step_by(5)).collect();
        assert_eq!(told, expected);
        let without = seconds(&history(3040, false).before(3000 * SECOND));
        let expected: Vec<u64> = (2400..2940).step_by(45).chain((2940..=3000).step_by(5)).collect();
        assert_eq!(without, expected);
    }

    #[test]
    fn nothing_from_later_or_too_long_before() {
        let history = history(100, true);
        assert_eq!(seconds(&history.before(7 * SECOND)), [0, 5]);
        assert!(history.before(1000 * SECOND).is_empty());
        assert!(History::default().before(5).is_empty());
    }

    #[test]
    fn what_is_told_again_is_known() {
        let mut known = history(100, true);
        let again = known.all();
        assert_eq!(again.0.len(), 21);
        assert_eq!(known.learn(&again), 0);
        assert_eq!(known.all(), again);
        known.forget();
        assert_eq!(known.learn(&again), 21);
    }

    #[test]
    fn it_is_bounded() {
        let mut history = History::default();
        for n in 0..5000 {
            history.learn(&Samples(vec![Arc::new(Sample { boot_ns: n * SECOND / 10, ..Sample::default() })]));
        }
        assert_eq!(history.samples.len(), History::MOST);
        assert_eq!(history.before(5000 * SECOND / 10).len(), MOST_BEFORE);
    }

    #[test]
    fn tight_is_little_memory_or_much_waiting() {
        let with = |total: u64, left: u64, full: Option<u32>| {
            let mut sample =
                Sample { full: full.map(|avg10| Psi { avg10, ..Psi::default() }), ..Sample::default() };
            sample.memory_kib[Item::MemTotal as usize] = Some(total);
            sample.memory_kib[Item::MemAvailable as usize] = Some(left);
            sample.is_tight()
        };
        assert!(!with(1000, 50, None));
        assert!(with(1000, 49, None));
        assert!(with(1000, 900, Some(500)));
        assert!(!with(1000, 900, Some(499)));
        assert!(!Sample::default().is_tight());
    }
}
