//! Episodes as rows of a list, one each, gathered over several recordings.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::episode::{Episode, Outcome, Person, Scope};
use crate::model::names::Called;
use crate::model::{Name, SessionInfo, ShortId};

use super::{Sink, Totals};

/// One episode.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The recording that it is in.
    pub file: String,
    /// Its number there.
    pub number: u64,
    /// Its short id.
    pub id: ShortId,
    /// The captured host.
    pub host: Option<String>,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: Option<String>,
    /// The captured host's offset from UTC, seconds east.
    pub utc_offset_seconds: i32,
    /// Entry (return, when that was not seen), nanoseconds since the Unix epoch; `None` when the source knows no wall clock.
    pub unix_ns: Option<i128>,
    /// The same as a stamp of its recording, ns; `None` when neither was seen.
    pub stamp_ns: Option<u64>,
    /// Whole machine or memcg; `None` when the entry was not seen.
    pub scope: Option<Scope>,
    /// How it ended.
    pub outcome: Outcome,
    /// Path of the cgroup whose limit was hit.
    pub memcg: Option<Name>,
    /// Who was killed first.
    pub victim: Option<Person>,
    /// What its pod and container are called.
    pub called: CalledRow,
    /// Its resident memory at the kill, bytes.
    pub victim_bytes: Option<u64>,
    /// How many were killed.
    pub victims: u64,
}

/// What somebody's pod and container are called, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CalledRow {
    /// The pod's namespace.
    pub namespace: Option<Name>,
    /// The pod's name.
    pub pod: Option<Name>,
    /// The container's name.
    pub container: Option<Name>,
}

impl From<Called<'_>> for CalledRow {
    fn from(called: Called<'_>) -> Self {
        Self {
            namespace: called.namespace.cloned(),
            pod: called.pod.cloned(),
            container: called.container.cloned(),
        }
    }
}

impl Row {
    /// Of an episode in a recording.
    #[must_use]
    pub fn of(episode: &Episode, info: &SessionInfo, file: &str) -> Self {
        let stamp_ns = episode.opened_ns.or(episode.closed_ns);
        let limiting = episode.memcg.iter().find(|level| level.limiting);
        let first = episode.victims.first();
        let memory = first.and_then(|victim| victim.memory);
        Self {
            file: file.to_owned(),
            number: episode.id,
            id: ShortId::of(episode, info),
            host: info.host.clone(),
            boot_id: info.boot_id.clone(),
            utc_offset_seconds: info.utc_offset_seconds,
            unix_ns: stamp_ns.and_then(|ns| info.unix_ns(ns)),
            stamp_ns,
            scope: episode.scope,
            outcome: episode.outcome,
            memcg: limiting.and_then(|level| level.path.clone()),
            victim: first.map(|victim| victim.task.clone()),
            called: first
                .and_then(|victim| victim.task.cgroup.as_ref())
                .map(|cgroup| episode.owner(cgroup).1.into())
                .unwrap_or_default(),
            victim_bytes: memory.and_then(|memory| memory.resident_pages()).map(|pages| info.bytes(pages)),
            victims: episode.victims.len() as u64,
        }
    }
}

/// Gathers rows. Clones of it are the same one: who gives one to a pipeline keeps another, to tell the name of the recording
/// before, and to take the rows afterwards.
#[derive(Clone, Default)]
pub struct Listing(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    file: String,
    info: Option<SessionInfo>,
    rows: Vec<Row>,
}

impl Listing {
    /// What follows is in this recording.
    pub fn file(&self, name: &str) {
        name.clone_into(&mut self.state().file);
    }

    /// The rows in the order of their times; those without one come first, as they were met.
    #[must_use]
    pub fn take(&self) -> Vec<Row> {
        let mut rows = std::mem::take(&mut self.state().rows);
        rows.sort_by_key(|row| row.unix_ns);
        rows
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Listing {
    fn start(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.state().info = Some(info.clone());
        Ok(())
    }

    fn origin(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.start(info)
    }

    fn episode(&mut self, episode: &Episode) -> io::Result<()> {
        let mut state = self.state();
        if let Some(info) = &state.info {
            let row = Row::of(episode, info, &state.file);
            state.rows.push(row);
        }
        Ok(())
    }

    fn end(&mut self, _: &Totals) -> io::Result<()> {
        Ok(())
    }
}
