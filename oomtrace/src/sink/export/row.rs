//! What one row of a table is about.

use std::borrow::Cow;

use crate::model::cgroup_path::Owner;
use crate::model::episode::{Episode, Person, RankedCandidate, Victim};
use crate::model::names::Called;
use crate::model::observation::Memory;
use crate::model::{Name, SessionInfo, ShortId};

/// An episode, or somebody in it.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub(super) episode: &'a Episode,
    pub(super) info: &'a SessionInfo,
    pub(super) id: &'a ShortId,
    /// Position among the candidates, or the victims, from 0.
    pub(super) at: Option<usize>,
    pub(super) person: Option<&'a Person>,
    pub(super) memory: Option<Memory>,
    pub(super) owner: Owner<'a>,
    /// What these are called.
    pub(super) called: Called<'a>,
    pub(super) candidate: Option<&'a RankedCandidate>,
    pub(super) victim: Option<&'a Victim>,
}

/// One field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// Not known, or nothing to know.
    Null,
    /// A number.
    Int(i64),
    /// Yes or no.
    Bool(bool),
    /// Text.
    Text(Cow<'a, str>),
    /// A moment, microseconds since the Unix epoch.
    Time(i64),
}

impl<'a> Row<'a> {
    pub(super) fn of(episode: &'a Episode, info: &'a SessionInfo, id: &'a ShortId) -> Self {
        Self {
            episode,
            info,
            id,
            at: None,
            person: None,
            memory: None,
            owner: Owner::default(),
            called: Called::default(),
            candidate: None,
            victim: None,
        }
    }

    pub(super) fn candidate(&self, at: usize, candidate: &'a RankedCandidate) -> Self {
        Self { candidate: Some(candidate), memory: candidate.memory, ..self.with(at, &candidate.task) }
    }

    pub(super) fn victim(&self, at: usize, victim: &'a Victim) -> Self {
        Self { victim: Some(victim), memory: victim.memory, ..self.with(at, &victim.task) }
    }

    fn with(&self, at: usize, person: &'a Person) -> Self {
        let owned = person.cgroup.as_ref().map(|path| self.episode.owner(path));
        let (owner, called) = owned.unwrap_or_default();
        Self { at: Some(at), person: Some(person), owner, called, ..*self }
    }

    /// Entry; the return where that was not seen. A stamp of the recording, ns.
    pub(super) fn stamp(&self) -> Option<u64> {
        self.episode.opened_ns.or(self.episode.closed_ns)
    }

    /// Nanoseconds from the entry to a stamp.
    pub(super) fn after(&self, ns: Option<u64>) -> Value<'a> {
        int(ns.zip(self.episode.opened_ns).map(|(ns, opened)| ns.saturating_sub(opened)))
    }

    /// Pages of the captured machine as bytes.
    pub(super) fn bytes(&self, pages: Option<u64>) -> Value<'a> {
        int(pages.map(|pages| self.info.bytes(pages)))
    }

    /// A part of the memory, pages, as bytes.
    pub(super) fn part(&self, part: impl FnOnce(Memory) -> Option<u64>) -> Value<'a> {
        self.bytes(self.memory.and_then(part))
    }
}

/// A number. One that does not fit, which only a damaged recording has, is not known.
pub(super) fn int<'a>(number: Option<impl TryInto<i64>>) -> Value<'a> {
    number.and_then(|number| number.try_into().ok()).map_or(Value::Null, Value::Int)
}

pub(super) fn text(text: Option<&str>) -> Value<'_> {
    text.map_or(Value::Null, |text| Value::Text(Cow::Borrowed(text)))
}

/// A name: itself where it is UTF-8, else escaped for people.
pub(super) fn name(name: Option<&Name>) -> Value<'_> {
    match name {
        None => Value::Null,
        Some(name) => Value::Text(match name.as_utf8() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(name.to_string()),
        }),
    }
}

pub(super) fn truth<'a>(truth: Option<bool>) -> Value<'a> {
    truth.map_or(Value::Null, Value::Bool)
}
