//! One JSON object a line, as `docs/json-format.md` promises. Field names live here and nowhere else.

mod episode;
mod evidence;
mod explain;
mod ledger;
mod memory;
mod rank;
mod session;
mod stats;

pub use explain::explanation;
pub(crate) use ledger::LedgerJson;
pub use rank::ranking;
pub(crate) use session::LostJson;
pub(crate) use stats::StatsJson;

use std::io::{self, Write};

use serde::Serialize;

use crate::model::{Episode, Name, SessionInfo};

use super::{Sink, Totals};

/// Version of the format.
pub const FORMAT: u32 = 1;

/// Writes JSON Lines, flushed line by line.
#[derive(Debug)]
pub struct Json<W> {
    writer: W,
    info: Option<SessionInfo>,
}

impl<W: Write> Json<W> {
    /// Writes to `writer`.
    pub fn new(writer: W) -> Self {
        Self { writer, info: None }
    }

    fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.writer.write_all(&line)?;
        self.writer.flush()
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
        let written = self.line(&episode::EpisodeLine::new(episode, &info));
        self.info = Some(info);
        written
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        self.line(&session::End::from(totals))
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
