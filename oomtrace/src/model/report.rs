//! What a report in the kernel's log says of an episode beyond what it has in common with other sources.

use minicbor::{Decode, Encode};

use super::observation::{Constraint, Stamp};

/// One report, read to its end. It ends the pass for the assembler, as the return of `out_of_memory()` does elsewhere; when that
/// was, a log does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Report {
    /// Of the last line that belongs to it.
    #[n(0)]
    pub at: Stamp,
    /// `true`: a memcg's; `false`: the whole machine's; `None`: no line tells.
    #[n(1)]
    pub memcg: Option<bool>,
    /// `oom_control.constraint`; told by the summary (Linux 5.0 and later).
    #[n(2)]
    pub constraint: Option<Constraint>,
    /// `oom_control.totalpages`, from the limits, or the sizes of RAM and swap, that the log has; `None` when one is missing.
    #[n(3)]
    pub totalpages: Option<u64>,
    /// The same without swap, of whose size the log says nothing; only when `totalpages` is `None`.
    #[n(4)]
    pub totalpages_without_swap: Option<u64>,
    /// How far the table of tasks was read.
    #[n(5)]
    pub table: Option<Table>,
    /// It says that there is nobody who could be killed.
    #[n(6)]
    #[cbor(default)]
    pub none_killable: bool,
    /// Lines of it that could not be read.
    #[n(7)]
    #[cbor(default)]
    pub unread: u32,
    /// Its beginning, or its end, or something between is not in the log.
    #[n(8)]
    #[cbor(default)]
    pub cut: bool,
    /// The log has a kill, and no report (the kernel prints ten in five seconds).
    #[n(9)]
    #[cbor(default)]
    pub kill_only: bool,
    /// `score N` of the line that names the chosen one (up to Linux 5.0): thousandths of what was allowed; before 2.6.36 a
    /// heuristic value without a unit.
    #[n(10)]
    pub score: Option<i64>,
    /// The chosen one died while the report was made; the kernel skipped the kill.
    #[n(11)]
    #[cbor(default)]
    pub already_exiting: bool,
}

/// The table of tasks in a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Table {
    /// Whole, as far as can be told.
    #[n(0)]
    Whole,
    /// Cut off, or with lines that could not be read.
    #[n(1)]
    Part,
}
