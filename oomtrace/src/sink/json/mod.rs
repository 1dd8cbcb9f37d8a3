//! One JSON object a line, as `docs/json-format.md` promises. Field names live here and nowhere else.

mod candidates;
mod diff;
mod episode;
mod evidence;
mod explain;
mod job;
mod ledger;
mod list;
mod memory;
mod rank;
mod report;
mod samples;
mod session;
mod stats;

pub use diff::difference;
pub(super) use episode::reason;
pub(crate) use episode::{constraint, outcome, scope, why};
pub use explain::explanation;
pub use job::job;
pub(crate) use ledger::LedgerJson;
pub use list::listed;
pub use rank::ranking;
pub(crate) use session::LostJson;
pub(crate) use stats::StatsJson;

use std::io::{self, Write};

use serde::Serialize;

use crate::model::{Episode, Gap, Name, SessionInfo};

use super::{Sink, Totals};
use candidates::Candidates;

/// Version of the format.
pub const FORMAT: u32 = 1;

/// Bytes that are gathered before they are written: the line of a large episode has tens of megabytes.
const AT_ONCE: usize = 64 << 10;

/// Writes JSON Lines, flushed line by line.
#[derive(Debug)]
pub struct Json<W> {
    writer: W,
    info: Option<SessionInfo>,
    candidates: Candidates,
    buffer: Vec<u8>,
}

impl<W: Write> Json<W> {
    /// Writes to `writer`.
    pub fn new(writer: W) -> Self {
        Self { writer, info: None, candidates: Candidates::default(), buffer: Vec::new() }
    }

    pub(super) fn writer_mut(&mut self) -> &mut W {
        &mut self.writer
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        self.buffer.clear();
        serde_json::to_writer(&mut self.buffer, value)?;
        self.end_of_line()
    }

    fn end_of_line(&mut self) -> io::Result<()> {
        self.buffer.push(b'\n');
        self.writer.write_all(&self.buffer)?;
        self.buffer.clear();
        self.writer.flush()
    }

    /// The line of an episode: what comes before the candidates, those, and what comes behind them, as one object.
    fn episode_line(&mut self, episode: &Episode, info: &SessionInfo) -> io::Result<()> {
        let Self { writer, candidates, buffer, .. } = self;
        buffer.clear();
        serde_json::to_writer(&mut *buffer, &episode::Head::new(episode, info))?;
        // In place of the closing brace.
        buffer.pop();
        buffer.extend_from_slice(br#","candidates":["#);
        candidates.begin(&episode.names);
        for (position, candidate) in episode.candidates.iter().enumerate() {
            if position > 0 {
                buffer.push(b',');
            }
            candidates.write(buffer, candidate, episode.totalpages)?;
            if buffer.len() >= AT_ONCE {
                writer.write_all(buffer)?;
                buffer.clear();
            }
        }
        buffer.push(b']');
        let rest = buffer.len();
        serde_json::to_writer(&mut *buffer, &episode::Rest::new(episode, info))?;
        // In place of the opening one.
        buffer[rest] = b',';
        self.end_of_line()
    }
}

impl<W: Write> Sink for Json<W> {
    fn start(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.info = Some(info.clone());
        self.line(&session::Session::from(info))
    }

    fn episode(&mut self, episode: &Episode) -> io::Result<()> {
        let Some(info) = self.info.take() else {
            return Err(io::Error::other("an episode before the start of the session"));
        };
        let written = self.episode_line(episode, &info);
        self.info = Some(info);
        written
    }

    fn origin(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.start(info)
    }

    fn gap(&mut self, gap: &Gap) -> io::Result<()> {
        let info = self.info.take();
        let written = self.line(&session::GapJson::new(gap, info.as_ref()));
        self.info = info;
        written
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        let info = self.info.take();
        self.line(&session::End::new(totals, info.as_ref()))
    }
}

/// A name: text when it can be, else bytes in hex with an escaped form for people.
#[derive(Serialize)]
#[serde(untagged)]
enum NameJson<'a> {
    Text(&'a str),
    Raw { bytes: String, text: String },
}

impl<'a> From<&'a Name> for NameJson<'a> {
    fn from(name: &'a Name) -> Self {
        match name.as_utf8() {
            Some(text) => Self::Text(text),
            None => {
                let bytes = name.iter().map(|byte| format!("{byte:02x}")).collect();
                Self::Raw { bytes, text: name.to_string() }
            }
        }
    }
}

/// RFC 3339 in UTC with nanoseconds; `None` beyond the years that it can write.
#[must_use]
pub fn rfc3339(unix_ns: i128) -> Option<String> {
    jiff::Timestamp::from_nanosecond(unix_ns).ok().map(|time| format!("{time:.9}"))
}

#[cfg(test)]
mod tests;
