//! A report for people who were not there: one page of HTML, or Markdown for a ticket.
//!
//! - here: the sink, which gathers sections and what is to be said of all of them, and its bounds;
//! - [`parts`]: what a candidate's points are made of; [`table`]: all candidates, as data for the page;
//! - [`html`]: the page, with its style and script in `page/`;
//! - [`md`]: the ticket.
//!
//! What is said is [`explain`](crate::explain)'s, in the words of [`terminal`](super::terminal); nothing is worked out here.

mod html;
mod md;
mod parts;
mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::explain::explain;
use crate::model::episode::Scope;
use crate::model::{Episode, Gap, SessionInfo, ShortId};

use super::export::Target;
use super::listing::Row;
use super::terminal::text;
use super::{Sink, Totals};

/// Episodes that are told at length, at most: the last ones.
const MOST_SECTIONS: usize = 200;
/// Bytes of their sections at most.
const MOST_BYTES: usize = 48 << 20;
/// Episodes that are listed at most: the first ones.
const MOST_LISTED: usize = 10_000;

/// What a report is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A page.
    Html,
    /// Markdown, as GitHub and GitLab have it.
    Markdown,
}

/// The name of the recording that is being read, told by whoever reads it. Clones of it are the same one.
#[derive(Clone, Debug, Default)]
pub struct Recording(Arc<Mutex<String>>);

impl Recording {
    /// What follows is in this one.
    pub fn is(&self, name: &str) {
        // Folders are those of the machine that it was made on, and nothing to who reads it.
        let name = name.rsplit('/').next().unwrap_or(name);
        name.clone_into(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn name(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Writes a report.
pub struct Report {
    target: Box<dyn Target>,
    form: Form,
    recording: Recording,
    info: Option<SessionInfo>,
    gathered: Gathered,
    /// Sections, with the place of each in the list.
    sections: VecDeque<(usize, String)>,
    bytes: usize,
    /// How often each id has been there.
    anchors: HashMap<String, u32>,
}

/// What is said of the whole of it.
#[derive(Default)]
struct Gathered {
    listed: Vec<Listed>,
    /// Episodes beyond what is listed.
    unlisted: u64,
    /// Hosts in it.
    hosts: BTreeSet<String>,
    /// Hooks that were missing, and gaps, as sentences.
    missing: Vec<String>,
    totals: Option<Totals>,
    /// Some of it was traced, some read from a log.
    traced: bool,
    logged: bool,
}

/// One episode in the list.
struct Listed {
    row: Row,
    /// On the captured host.
    time: String,
    /// Whose limit it was.
    what: String,
    /// The name of its section; `None`: it is not told at length.
    anchor: Option<String>,
}

impl Report {
    /// Writes to `target` once all is known. `recording` is told where episodes come from.
    #[must_use]
    pub fn new(target: Box<dyn Target>, form: Form, recording: Recording) -> Self {
        Self {
            target,
            form,
            recording,
            info: None,
            gathered: Gathered::default(),
            sections: VecDeque::new(),
            bytes: 0,
            anchors: HashMap::new(),
        }
    }

    fn add(&mut self, episode: &Episode, info: &SessionInfo) -> io::Result<()> {
        let file = self.recording.name();
        let explanation =
            explain(episode, info, &[]).map_err(|_| io::Error::other("an episode could not be explained"))?;
        let id = ShortId::of(episode, info).to_string();
        // Recordings may have an episode in common.
        let times = self.anchors.entry(id.clone()).and_modify(|times| *times += 1).or_insert(1);
        let anchor = if *times == 1 { id } else { format!("{id}-{times}") };
        let section = match self.form {
            Form::Html => html::section(&explanation, html::Place { anchor: &anchor, file: &file }),
            Form::Markdown => md::section(&explanation, &file),
        };
        let place = self.gathered.list(episode, info, &file, anchor);
        self.bytes += section.len();
        self.sections.push_back((place, section));
        while self.sections.len() > MOST_SECTIONS || (self.bytes > MOST_BYTES && self.sections.len() > 1) {
            let Some((place, section)) = self.sections.pop_front() else { break };
            self.bytes -= section.len();
            if let Some(listed) = self.gathered.listed.get_mut(place) {
                listed.anchor = None;
            }
        }
        Ok(())
    }
}

impl Gathered {
    /// Adds one to the list, and returns its place.
    fn list(&mut self, episode: &Episode, info: &SessionInfo, file: &str, anchor: String) -> usize {
        let place = self.listed.len() + usize::try_from(self.unlisted).unwrap_or(usize::MAX);
        if self.listed.len() >= MOST_LISTED {
            self.unlisted += 1;
            return place;
        }
        let limiting = episode.memcg.iter().find(|level| level.limiting);
        let what = match (episode.scope, limiting.and_then(|level| level.path.as_ref())) {
            (Some(Scope::Memcg), Some(path)) => format!("limit of {path}"),
            (Some(Scope::Memcg), None) => "limit of a cgroup".to_owned(),
            (Some(Scope::Global), _) => "whole machine".to_owned(),
            (None, _) => "?".to_owned(),
        };
        let stamp = episode.opened_ns.or(episode.closed_ns);
        let time = stamp.map_or_else(|| "?".to_owned(), |ns| text::date_time(info, ns));
        let row = Row::of(episode, info, file);
        self.listed.push(Listed { row, time, what, anchor: Some(anchor) });
        place
    }

    fn title(&self) -> String {
        let who = match &self.listed[..] {
            [one] => format!("Out of memory: {}", text::listed(&one.row)),
            all => format!(
                "Out of memory: {} episodes",
                text::grouped(all.len() as i128 + i128::from(self.unlisted))
            ),
        };
        match self.hosts.len() {
            0 => who,
            1 => format!("{who} on {}", self.hosts.iter().next().map_or("", |host| host)),
            hosts => format!("{who} on {hosts} hosts"),
        }
    }

    /// Whose points they are.
    fn points(&self) -> &'static str {
        match (self.traced, self.logged) {
            (_, false) => "the points are the kernel's own",
            (false, true) => "the points are computed from the kernel's log",
            (true, true) => "the points are the kernel's own, but for those of logs, which are computed",
        }
    }

    /// What whoever reads it has to know of its limits.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.listed.is_empty() {
            notes.push("There is no episode in it.".to_owned());
        }
        let left_out = self.listed.iter().filter(|listed| listed.anchor.is_none()).count();
        if left_out > 0 {
            notes.push(format!(
                "The last {} episodes are told at length; {} before them are only listed. `--episode`, `--from` and `--to` choose.",
                text::grouped(self.listed.len() as i128 - left_out as i128 + i128::from(self.unlisted)),
                text::grouped(left_out as i128)
            ));
        }
        if self.unlisted > 0 {
            notes.push(format!("{} more episodes are not listed.", text::grouped(self.unlisted.into())));
        }
        if let Some(totals) = &self.totals {
            if totals.hidden > 0 {
                notes.push(format!(
                    "{} more were left out by the filters.",
                    text::grouped(totals.hidden.into())
                ));
            }
            if !totals.complete {
                notes.push("The recording has no end: there may have been more.".to_owned());
            }
            if totals.lost.any() {
                notes.push(format!("Lost: {}.", text::losses(&totals.lost)));
            }
            if totals.gaps > 0 {
                notes.push(format!("The recording has gaps: {}.", text::grouped(totals.gaps.into())));
            }
        }
        notes.extend(self.missing.iter().cloned());
        notes
    }

    fn miss(&mut self, told: String) {
        /// Different sentences at most; the totals have the number of gaps.
        const MOST: usize = 20;
        if !self.missing.contains(&told) && self.missing.len() < MOST {
            self.missing.push(told);
        }
    }

    fn session(&mut self, info: &SessionInfo) {
        self.traced |= !info.of_a_log();
        self.logged |= info.of_a_log();
        self.hosts.extend(info.host.iter().map(|host| crate::model::Name::from(host.as_str()).to_string()));
        for hook in &info.hooks {
            if let Some(why) = &hook.missing {
                let told = format!("{} ({}) was not attached: {why}.", hook.target, hook.kind);
                let told = crate::model::Name::from(told.as_str()).to_string();
                self.miss(told);
            }
        }
    }
}

impl Sink for Report {
    fn start(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.gathered.session(info);
        self.info = Some(info.clone());
        Ok(())
    }

    fn origin(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.start(info)
    }

    fn gap(&mut self, gap: &Gap) -> io::Result<()> {
        let told = text::gap(gap, self.info.as_ref());
        self.gathered.miss(told);
        Ok(())
    }

    fn episode(&mut self, episode: &Episode) -> io::Result<()> {
        let Some(info) = self.info.take() else {
            return Err(io::Error::other("an episode before the start of the session"));
        };
        let added = self.add(episode, &info);
        self.info = Some(info);
        added
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        self.gathered.totals = Some(totals.clone());
        let (head, tail) = match self.form {
            Form::Html => (html::head(&self.gathered), html::tail(&self.gathered)),
            Form::Markdown => (md::head(&self.gathered), md::tail(&self.gathered)),
        };
        self.target.write_all(head.as_bytes())?;
        for (_, section) in &self.sections {
            self.target.write_all(section.as_bytes())?;
        }
        self.target.write_all(tail.as_bytes())?;
        self.target.commit()
    }
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    match word {
        "stdin" => "FILE".to_owned(),
        word if !word.is_empty() && word.chars().all(plain) && !word.starts_with('-') => word.to_owned(),
        word => format!("'./{}'", word.replace('\'', r"'\''")),
    }
}
