//! The table of tasks (`dump_tasks()`): a title, a header that names the columns, a row for each process.
//!
//! | kernel | columns after `[ pid ]` |
//! |---|---|
//! | 2.6.27 to 2.6.35 | `uid tgid total_vm rss cpu oom_adj name` |
//! | 2.6.36 to 3.7 | `uid tgid total_vm rss cpu oom_adj oom_score_adj name` |
//! | 3.8 to 4.14 | `uid tgid total_vm rss nr_ptes [nr_pmds [nr_puds]] swapents oom_score_adj name` |
//! | 4.15 to 6.7 | `uid tgid total_vm rss pgtables_bytes swapents oom_score_adj name` |
//! | 6.8 and later | `uid tgid total_vm rss rss_anon rss_file rss_shmem pgtables_bytes swapents oom_score_adj name` |

use super::super::bytes::Cursor;
use super::{Fact, Parsed, fact};

/// A column between the process id in brackets and the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::source::klog) enum Column {
    Uid,
    Tgid,
    TotalVm,
    Rss,
    Anon,
    File,
    Shmem,
    /// `nr_ptes`, `nr_pmds`, `nr_puds`: pages.
    Tables,
    PgtablesBytes,
    Swap,
    Cpu,
    Adj,
    ScoreAdj,
}

/// The columns of a table, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::source::klog) struct Columns(pub(in crate::source::klog) Vec<Column>);

impl Columns {
    pub(in crate::source::klog) fn has(&self, column: Column) -> bool {
        self.0.contains(&column)
    }
}

/// One process. Sizes are pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::source::klog) struct Row<'a> {
    /// The thread that has the mm.
    pub(in crate::source::klog) tid: i32,
    pub(in crate::source::klog) pid: i32,
    pub(in crate::source::klog) uid: u32,
    pub(in crate::source::klog) total_vm: Option<u64>,
    pub(in crate::source::klog) rss: Option<u64>,
    pub(in crate::source::klog) anon: Option<u64>,
    pub(in crate::source::klog) file: Option<u64>,
    pub(in crate::source::klog) shmem: Option<u64>,
    pub(in crate::source::klog) table_pages: Option<u64>,
    pub(in crate::source::klog) pgtables_bytes: Option<u64>,
    pub(in crate::source::klog) swap: Option<u64>,
    /// -17 to 15.
    pub(in crate::source::klog) oom_adj: Option<i16>,
    pub(in crate::source::klog) oom_score_adj: Option<i16>,
    pub(in crate::source::klog) comm: &'a [u8],
}

const NAMES: [(&[u8], Column); 15] = [
    (b"uid", Column::Uid),
    (b"tgid", Column::Tgid),
    (b"total_vm", Column::TotalVm),
    (b"rss", Column::Rss),
    (b"rss_anon", Column::Anon),
    (b"rss_file", Column::File),
    (b"rss_shmem", Column::Shmem),
    (b"nr_ptes", Column::Tables),
    (b"nr_pmds", Column::Tables),
    (b"nr_puds", Column::Tables),
    (b"pgtables_bytes", Column::PgtablesBytes),
    (b"swapents", Column::Swap),
    (b"cpu", Column::Cpu),
    (b"oom_adj", Column::Adj),
    (b"oom_score_adj", Column::ScoreAdj),
];

pub(super) fn parse<'a>(line: &'a [u8], table: Option<&Columns>) -> Parsed<'a> {
    if line.starts_with(b"Tasks state (memory values in pages):") {
        return Parsed::Fact(Fact::TableTitle);
    }
    let Some(rest) = line.strip_prefix(b"[") else { return Parsed::Other };
    let mut cursor = Cursor(rest);
    cursor.blanks();
    if cursor.tag(b"pid").is_some() {
        cursor.blanks();
        return match cursor.tag(b"]") {
            Some(()) => fact(header(cursor.0)),
            None => Parsed::Other,
        };
    }
    let Some(columns) = table else { return Parsed::Other };
    if !cursor.0.first().is_some_and(|&byte| byte.is_ascii_digit() || byte == b'-') {
        return Parsed::Other;
    }
    fact(row(cursor, columns).map(Fact::Row))
}

fn header(text: &[u8]) -> Option<Fact<'_>> {
    let mut words = text.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).peekable();
    let mut columns = Vec::with_capacity(11);
    loop {
        let word = words.next()?;
        if word == b"name" {
            break;
        }
        columns.push(NAMES.iter().find(|(name, _)| *name == word)?.1);
    }
    let columns = Columns(columns);
    (columns.has(Column::Tgid) && columns.has(Column::Uid)).then_some(Fact::TableHeader(columns))
}

fn row<'a>(mut cursor: Cursor<'a>, columns: &Columns) -> Option<Row<'a>> {
    let mut row = Row { tid: cursor.number()?, ..Row::default() };
    cursor.blanks();
    cursor.tag(b"]")?;
    for column in &columns.0 {
        cursor.tag(b" ")?;
        cursor.blanks();
        match column {
            Column::Uid => row.uid = u32::try_from(cursor.u64()?).ok()?,
            Column::Tgid => row.pid = cursor.number()?,
            Column::TotalVm => row.total_vm = Some(cursor.u64()?),
            Column::Rss => row.rss = Some(cursor.u64()?),
            Column::Anon => row.anon = Some(cursor.u64()?),
            Column::File => row.file = Some(cursor.u64()?),
            Column::Shmem => row.shmem = Some(cursor.u64()?),
            Column::Tables => {
                row.table_pages = Some(row.table_pages.unwrap_or(0).checked_add(cursor.u64()?)?);
            }
            Column::PgtablesBytes => row.pgtables_bytes = Some(cursor.u64()?),
            Column::Swap => row.swap = Some(cursor.u64()?),
            Column::Cpu => _ = cursor.i64()?,
            Column::Adj => row.oom_adj = Some(cursor.number()?),
            Column::ScoreAdj => row.oom_score_adj = Some(cursor.number()?),
        }
    }
    // One blank, then the name, whatever it is made of.
    cursor.tag(b" ")?;
    row.comm = cursor.0;
    (row.pid > 0 && row.tid > 0).then_some(row)
}
