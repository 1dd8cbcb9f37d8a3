//! What one line of the kernel's report says. Pure: text in, a typed fact out; what lines mean together is [`super::report`]'s.
//!
//! One file for each part of a report. All eras are read by the same functions: a line is told by its shape, not by the kernel's
//! version. Formats are those of `mm/oom_kill.c`, `mm/show_mem.c` (earlier `mm/page_alloc.c`, `lib/show_mem.c`), `mm/memcontrol.c`
//! and `lib/dump_stack.c`. A line that begins like a part of a report and cannot be read is [`Parsed::Unread`]: never a guess.

mod context;
mod kill;
mod mem_info;
mod memcg;
mod stack;
mod summary;
mod table;
mod trigger;
mod zones;

pub(super) use context::Context;
pub(super) use kill::{Killed, Rss};
pub(super) use mem_info::Machine;
pub(super) use memcg::{Of, Usage};
pub(super) use stack::Frame;
pub(super) use summary::{Summary, nodes, task};
pub(super) use table::{Column, Columns, Row};
pub(super) use trigger::Trigger;
pub(super) use zones::{Buddy, Zone};

/// One line, read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Parsed<'a> {
    /// A part of a report, or what belongs to one.
    Fact(Fact<'a>),
    /// Something else.
    Other,
    /// A part of a report that cannot be read.
    Unread,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fact<'a> {
    /// `… invoked oom-killer: …`: the first line.
    Trigger(Trigger<'a>),
    /// `CPU: … PID: … Comm: …`: who, on which kernel.
    Context(Context<'a>),
    /// `Linux version …`: a boot, and its release.
    Boot(&'a [u8]),
    /// `COMM cpuset=NAME mems_allowed=LIST`.
    Cpuset { cpuset: &'a [u8], mems_allowed: &'a [u8] },
    /// `Adding Nk swap on …`: swap was switched on, kB. That it is switched off leaves no line.
    SwapOn(u64),
    /// `Call Trace:`.
    CallTrace,
    /// One frame; `None` for one that the kernel is not sure of.
    Frame(Option<Frame<'a>>),
    /// What a report has beside these and nothing is taken from.
    Known,
    /// `Task in A killed as a result of limit of B` (up to 4.20): the paths.
    TaskIn { task: &'a [u8], limit: &'a [u8] },
    /// `memory: usage …` and the like.
    Usage(Usage),
    /// `Memory cgroup stats for PATH:`, with what follows on the line.
    MemcgStats { path: &'a [u8], counters: Vec<(&'a [u8], u64)> },
    /// `name value`, of a memcg.
    Stat(&'a [u8], u64),
    /// `Mem-Info:`.
    MemInfo,
    /// `active_anon:N …`: sums over the machine, pages.
    Totals(Vec<(&'a [u8], u64)>),
    /// `Node N active_anon:NkB …`: pages.
    Node { node: u32, counters: Vec<(&'a [u8], u64)> },
    /// `Node N ZONE free:NkB …`.
    Zone(Zone<'a>),
    /// `lowmem_reserve[]: …` of the zone before.
    Reserve(Vec<i64>),
    /// `Node N ZONE: 2*4kB …`.
    Buddy(Buddy<'a>),
    /// A number of the whole machine.
    Machine(Machine),
    /// The title of the table.
    TableTitle,
    /// Its columns.
    TableHeader(Columns),
    /// A row of it.
    Row(Row<'a>),
    /// `oom-kill:…`.
    Summary(Summary<'a>),
    /// `… Kill process PID (COMM) score N or sacrifice child`.
    Chosen { prefix: &'a [u8], pid: i32, comm: &'a [u8], score: Option<i64> },
    /// `… Killed process PID (COMM) …`.
    Killed(Killed<'a>),
    /// `Tasks in PATH are going to be killed due to memory.oom.group set`.
    Group(&'a [u8]),
    /// `Out of memory and no killable processes...`.
    NoneKillable,
    /// `OOM victim PID (COMM) is already exiting. Skip killing the task`.
    AlreadyExiting { pid: i32, comm: &'a [u8] },
    /// `oom_reaper: reaped process …`.
    Reaped { pid: i32, comm: &'a [u8], left: Rss },
    /// `…: N callbacks suppressed`: reports that were not printed.
    Suppressed(u64),
}

/// What lines before have said, for those that do not tell by themselves.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Within<'a> {
    /// Columns of the table that is being printed.
    pub(super) table: Option<&'a Columns>,
    /// A memcg's counters are being printed.
    pub(super) stats: bool,
    /// A call trace is being printed.
    pub(super) stack: bool,
}

/// Reads one line of the kernel's text, without what the log put before it.
pub(super) fn parse<'a>(text: &'a [u8], within: Within<'_>) -> Parsed<'a> {
    let line = text.trim_ascii_start();
    trigger::parse(line)
        .or(|| table::parse(line, within.table))
        .or(|| kill::parse(line))
        .or(|| summary::parse(line))
        .or(|| zones::parse(line))
        .or(|| mem_info::parse(line))
        .or(|| memcg::parse(line, within.stats))
        .or(|| context::parse(line))
        .or(|| stack::parse(line, within.stack))
}

impl<'a> Parsed<'a> {
    fn or(self, next: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Other => next(),
            found => found,
        }
    }
}

/// A fact, or a line that could not be read.
fn fact(fact: Option<Fact<'_>>) -> Parsed<'_> {
    fact.map_or(Parsed::Unread, Parsed::Fact)
}
