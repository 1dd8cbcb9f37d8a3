//! Episodes for other programs: tables for databases, a trace for Perfetto. What is in them is documented in `docs/export.md`.
//!
//! - here: which tables there are, and the sink that fills them;
//! - [`row`], [`columns`]: what a row is about, and its columns, the same for every format;
//! - [`csv`], `parquet`: tables as bytes;
//! - [`mod@lines`], as JSON;
//! - [`perfetto`]: a trace of the timelines.

mod columns;
mod csv;
mod lines;
#[cfg(feature = "parquet")]
mod parquet;
mod perfetto;
mod row;

use std::io::{self, Write};

use crate::model::{Episode, SessionInfo, ShortId};

use super::{Sink, Totals};
use columns::Column;
use row::Row;

pub use csv::Csv;
pub use lines::Lines;
#[cfg(feature = "parquet")]
pub use parquet::Parquet;
pub use perfetto::Perfetto;

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// One row an episode.
    Episodes,
    /// One row a candidate.
    Candidates,
    /// One row a victim.
    Victims,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Episodes, Self::Candidates, Self::Victims];

    /// Its name, in paths too.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Episodes => "episodes",
            Self::Candidates => "candidates",
            Self::Victims => "victims",
        }
    }

    fn columns(self) -> Vec<Column> {
        let own = match self {
            Self::Episodes => columns::EPISODE,
            Self::Candidates => columns::CANDIDATE,
            Self::Victims => columns::VICTIM,
        };
        let (person, called) = match self {
            Self::Episodes => (&[][..], columns::MEMCG_CALLED),
            Self::Candidates | Self::Victims => (columns::PERSON, columns::CALLED),
        };
        [columns::COMMON, person, own, called].concat()
    }
}

/// Takes the bytes of an export.
pub trait Target: Write + Send {
    /// They are whole.
    ///
    /// # Errors
    ///
    /// They could not be written to their end.
    fn commit(&mut self) -> io::Result<()>;
}

/// A format of tables.
pub trait Rows: Send {
    /// Begins a table.
    ///
    /// # Errors
    ///
    /// What the writer says; the same goes for the others.
    fn start(target: Box<dyn Target>, columns: &[Column]) -> io::Result<Self>
    where
        Self: Sized;

    /// Adds a row.
    ///
    /// # Errors
    ///
    /// As [`Rows::start`].
    fn row(&mut self, columns: &[Column], row: &Row<'_>) -> io::Result<()>;

    /// The table is complete.
    ///
    /// # Errors
    ///
    /// As [`Rows::start`].
    fn finish(&mut self) -> io::Result<()>;
}

/// Fills tables.
pub struct Tables {
    tables: Vec<(Table, Vec<Column>, Box<dyn Rows>)>,
    info: Option<SessionInfo>,
}

impl Tables {
    /// Fills these, each in the format `R`.
    ///
    /// # Errors
    ///
    /// What the outputs say.
    pub fn new<R: Rows + 'static>(outputs: Vec<(Table, Box<dyn Target>)>) -> io::Result<Self> {
        let start = |(table, target): (Table, Box<dyn Target>)| {
            let columns = table.columns();
            let rows: Box<dyn Rows> = Box::new(R::start(target, &columns)?);
            Ok((table, columns, rows))
        };
        let tables = outputs.into_iter().map(start).collect::<io::Result<_>>()?;
        Ok(Self { tables, info: None })
    }
}

impl Sink for Tables {
    fn start(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.info = Some(info.clone());
        Ok(())
    }

    fn origin(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.start(info)
    }

    fn episode(&mut self, episode: &Episode) -> io::Result<()> {
        let Some(info) = &self.info else { return Ok(()) };
        let id = ShortId::of(episode, info);
        let of = Row::of(episode, info, &id);
        for (table, columns, rows) in &mut self.tables {
            match table {
                Table::Episodes => rows.row(columns, &of)?,
                Table::Candidates => {
                    for (at, candidate) in episode.candidates.iter().enumerate() {
                        rows.row(columns, &of.candidate(at, candidate))?;
                    }
                }
                Table::Victims => {
                    for (at, victim) in episode.victims.iter().enumerate() {
                        rows.row(columns, &of.victim(at, victim))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, _: &Totals) -> io::Result<()> {
        self.tables.iter_mut().try_for_each(|(_, _, rows)| rows.finish())
    }
}
