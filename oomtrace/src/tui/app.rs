//! What is shown, and what keys do to it. No terminal: keys and arrivals come in, [`super::view`] draws what is here.

use std::sync::Arc;

use crate::explain::change::Change;
use crate::explain::explain;
use crate::sink::terminal::{self, Column, Layout, Painted};

use super::candidates::Candidates;
use super::inbox::{Arrived, Item, MOST_BESIDE_A_CAPTURE, MOST_CANDIDATES};
use super::keys::{Key, Where};
use super::prompt::{Prompt, Purpose, Typed};
pub use super::text::Pane;
use super::text::{Lines, wrapped};

/// Rows of the list that are kept: the latest.
const MOST_ROWS: usize = 100_000;
/// Columns from which on the selected episode is shown beside the list.
const WIDE: usize = 150;
/// Columns of the list then.
const LIST: usize = 84;

/// Where episodes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Recordings.
    Recordings,
    /// A capture that is running.
    Capture,
}

impl Source {
    /// Candidates that are kept at most.
    #[must_use]
    pub fn most_candidates(self) -> usize {
        match self {
            Self::Recordings => MOST_CANDIDATES,
            Self::Capture => MOST_BESIDE_A_CAPTURE,
        }
    }
}

/// What lies over the rest of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// All keys.
    Help,
    /// What there was to say.
    Messages,
}

/// A row of the list.
#[derive(Debug)]
pub(super) struct Row {
    /// From 1, in the order of arrival.
    pub(super) serial: u64,
    pub(super) item: Item,
}

/// The whole of it.
#[derive(Debug)]
pub struct App {
    pub(super) source: Source,
    /// In the order of their times.
    pub(super) rows: Vec<Row>,
    pub(super) layout: Layout,
    arrived: u64,
    weight: usize,
    /// Rows that were left out for want of room.
    pub(super) left_out: u64,
    /// Victims of all.
    pub(super) victims: u64,
    /// Something was lost of an episode that arrived.
    pub(super) some_lost: bool,
    /// Places of the rows that are shown, the newest first.
    pub(super) visible: Vec<usize>,
    pub(super) find: String,
    /// Serial of the selected row.
    selected: u64,
    /// First of the visible that is on the screen.
    pub(super) top: usize,
    /// One is open; else the list is shown.
    pub(super) open: bool,
    pub(super) pane: Pane,
    pub(super) lines: Lines,
    /// First line that is on the screen.
    pub(super) scrolled: usize,
    pub(super) candidates: Option<Candidates>,
    sort: Option<(Column, bool)>,
    /// What is supposed, and how often that has changed.
    pub(super) changes: Vec<Change>,
    supposed: u64,
    pub(super) prompt: Option<Prompt>,
    /// Why something could not be done, or what there was to say last: until the next key.
    pub(super) notice: Vec<Painted>,
    pub(super) over: Option<Over>,
    pub(super) messages: Vec<String>,
    pub(super) progress: Option<String>,
    pub(super) ended: Option<String>,
    /// What a capture is at.
    pub(super) status: String,
    width: usize,
    /// Rows between the head and the foot.
    height: usize,
}

impl App {
    /// With nothing to show yet.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self {
            source,
            rows: Vec::new(),
            layout: Layout::default(),
            arrived: 0,
            weight: 0,
            left_out: 0,
            victims: 0,
            some_lost: false,
            visible: Vec::new(),
            find: String::new(),
            selected: 0,
            top: 0,
            open: false,
            pane: Pane::Episode,
            lines: Lines::default(),
            scrolled: 0,
            candidates: None,
            sort: None,
            changes: Vec::new(),
            supposed: 0,
            prompt: None,
            notice: Vec::new(),
            over: None,
            messages: Vec::new(),
            progress: None,
            ended: None,
            status: String::new(),
            width: 80,
            height: 20,
        }
    }

    /// What a capture is at, for the head.
    pub fn tell(&mut self, status: String) {
        self.status = status;
    }

    /// Episodes that have arrived, and whether anything of them was lost.
    #[must_use]
    pub fn shown(&self) -> (u64, bool) {
        (self.arrived, self.some_lost)
    }

    /// Takes what has arrived.
    pub fn take(&mut self, arrived: Arrived) {
        let Arrived { items, messages, progress, ended } = arrived;
        // Who looks at the newest goes on looking at the newest, until something is opened.
        let follows = !self.open && self.place() == 0;
        let some = !items.is_empty();
        for item in items {
            self.add(item);
        }
        if some {
            self.make_room();
            self.choose_visible();
            if follows {
                self.select(0);
            }
        }
        if let Some(last) = messages.last() {
            self.notice = wrapped(last, self.width.saturating_sub(1));
        }
        self.messages.extend(messages);
        self.messages.drain(..self.messages.len().saturating_sub(200));
        self.progress = progress;
        self.ended = ended;
        self.settle();
    }

    fn add(&mut self, item: Item) {
        self.arrived += 1;
        self.victims += item.row.victims;
        self.some_lost |= item.episode.as_ref().is_some_and(|episode| episode.lost.any());
        self.weight += item.weight();
        self.layout.add(&item.row);
        // Nearly always the last place.
        let at =
            self.rows.iter().rposition(|row| row.item.row.unix_ns <= item.row.unix_ns).map_or(0, |at| at + 1);
        self.rows.insert(at, Row { serial: self.arrived, item });
    }

    fn make_room(&mut self) {
        let (selected, most) = (self.selected, self.source.most_candidates());
        let mut oldest = self.rows.iter_mut().filter(|row| row.serial != selected);
        while self.weight > most {
            let Some(row) = oldest.next() else { break };
            self.weight -= row.item.weight();
            row.item.episode = None;
        }
        let more = self.rows.len().saturating_sub(MOST_ROWS);
        for row in self.rows.drain(..more) {
            self.weight -= row.item.weight();
            self.left_out += 1;
        }
    }

    fn choose_visible(&mut self) {
        let find = self.find.to_lowercase();
        let shown = |row: &Row| {
            let line = || self.layout.line(&row.item.row, usize::MAX / 2).to_lowercase();
            let memcg = || row.item.row.memcg.as_ref().map(|path| path.to_string().to_lowercase());
            find.is_empty() || line().contains(&find) || memcg().is_some_and(|path| path.contains(&find))
        };
        let places = self.rows.iter().enumerate().rev();
        self.visible = places.filter(|(_, row)| shown(row)).map(|(place, _)| place).collect();
    }

    /// The selected row.
    pub(super) fn row(&self) -> Option<&Row> {
        self.visible.get(self.place()).and_then(|&place| self.rows.get(place))
    }

    /// Place of the selected one among the visible.
    #[must_use]
    pub fn place(&self) -> usize {
        let is = |&place: &usize| self.rows.get(place).is_some_and(|row| row.serial == self.selected);
        // It is on the screen, or it has just been pushed off it.
        let near = self.visible.iter().skip(self.top).take(self.height).position(is).map(|at| at + self.top);
        near.or_else(|| self.visible.iter().position(is)).unwrap_or(0)
    }

    fn select(&mut self, place: usize) {
        let place = place.min(self.visible.len().saturating_sub(1));
        if let Some(row) = self.visible.get(place).and_then(|&place| self.rows.get(place))
            && row.serial != self.selected
        {
            self.selected = row.serial;
            self.scrolled = 0;
            self.changes.clear();
            self.supposed += 1;
        }
    }

    /// The screen is so large.
    pub fn resize(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width.max(1), height.max(1));
        self.settle();
    }

    /// Columns for the list, and for the selected episode beside it.
    pub(super) fn split(&self) -> (usize, Option<usize>) {
        if self.width >= WIDE { (LIST, Some(self.width - LIST - 3)) } else { (self.width, None) }
    }

    /// What keys are about.
    #[must_use]
    pub fn place_of_keys(&self) -> Where {
        match (self.open, self.pane) {
            (false, _) => Where::List,
            (true, Pane::Candidates) if self.candidates.is_some() => Where::Candidates,
            (true, Pane::WhatIf) => Where::WhatIf,
            (true, _) => Where::Episode,
        }
    }

    /// What a key does; false: it is over.
    pub fn key(&mut self, key: Key) -> bool {
        self.notice.clear();
        if key == Key::Ctrl('c') {
            return false;
        }
        if self.prompt.is_some() {
            self.type_in(key);
        } else if let Some(over) = self.over.take() {
            match key {
                Key::Char('q') => return false,
                Key::Char('?') if over != Over::Help => self.over = Some(Over::Help),
                Key::Char('m') if over != Over::Messages => self.over = Some(Over::Messages),
                _ => {}
            }
        } else if !self.act(key) {
            return false;
        }
        self.settle();
        true
    }

    fn act(&mut self, key: Key) -> bool {
        let place = self.place_of_keys();
        match (key, place) {
            (Key::Char('q'), _) => return false,
            (Key::Char('?'), _) => self.over = Some(Over::Help),
            (Key::Char('m'), _) => self.over = Some(Over::Messages),
            (Key::Up | Key::Char('k'), _) => self.step(-1),
            (Key::Down | Key::Char('j'), _) => self.step(1),
            (Key::PageUp, _) => self.step(-self.page()),
            (Key::PageDown | Key::Char(' '), _) => self.step(self.page()),
            (Key::Home | Key::Char('g'), _) => self.step(isize::MIN / 2),
            (Key::End | Key::Char('G'), _) => self.step(isize::MAX / 2),
            (Key::Enter, Where::List) => self.open(self.pane),
            (Key::Char('/'), Where::List) => {
                self.prompt = Some(Prompt::new(Purpose::Find, self.find.clone()));
            }
            (Key::Esc | Key::Backspace, Where::List) => self.find(""),
            (Key::Char(digit @ '1'..='6'), _) => self.open(Pane::at(usize::from(digit as u8 - b'1'))),
            (_, Where::List) => {}
            (Key::Tab | Key::Right, _) => self.open(Pane::at(self.pane.place() + 1)),
            (Key::BackTab | Key::Left, _) => self.open(Pane::at(self.pane.place() + Pane::ALL.len() - 1)),
            (Key::Char('n'), _) => self.select(self.place() + 1),
            (Key::Char('p'), _) => self.select(self.place().saturating_sub(1)),
            (Key::Char('w'), _) => self.ask(),
            (Key::Char('u'), Where::WhatIf) => self.suppose_less(self.changes.len().saturating_sub(1)),
            (Key::Char('c'), Where::WhatIf) => self.suppose_less(0),
            (_, Where::Candidates) => self.act_on_candidates(key),
            (Key::Esc | Key::Backspace, _) => self.open = false,
            _ => {}
        }
        true
    }

    fn act_on_candidates(&mut self, key: Key) {
        let Some(candidates) = &mut self.candidates else { return };
        match key {
            Key::Char('<' | ',') => candidates.sort_by_next(false),
            Key::Char('>' | '.') => candidates.sort_by_next(true),
            Key::Char('r') => candidates.reverse(),
            Key::Char('o') => candidates.as_ranked(),
            Key::Char('/') => self.prompt = Some(Prompt::new(Purpose::Find, candidates.find.clone())),
            Key::Char('x') => {
                let task = candidates.row().and_then(|row| candidates.cells().task(row));
                if let Some(pid) = task.map(|task| task.pid) {
                    self.suppose(&format!("kill:{pid}"));
                }
            }
            Key::Esc | Key::Backspace if !candidates.find.is_empty() => candidates.find(""),
            Key::Esc | Key::Backspace => self.open = false,
            _ => {}
        }
        self.sort = self.candidates.as_ref().and_then(|candidates| candidates.sort);
    }

    fn open(&mut self, pane: Pane) {
        if self.row().is_some() {
            self.scrolled = if self.pane == pane { self.scrolled } else { 0 };
            (self.open, self.pane) = (true, pane);
        }
    }

    fn step(&mut self, by: isize) {
        match (self.place_of_keys(), &mut self.candidates) {
            (Where::List, _) => {
                let place = self.place().saturating_add_signed(by);
                self.select(place);
            }
            (Where::Candidates, Some(candidates)) => candidates.step(by),
            _ => self.scrolled = self.scrolled.saturating_add_signed(by),
        }
    }

    fn page(&self) -> isize {
        isize::try_from(self.height.saturating_sub(2).max(1)).unwrap_or(1)
    }

    fn find(&mut self, text: &str) {
        text.clone_into(&mut self.find);
        self.choose_visible();
        self.select(self.place());
    }

    fn type_in(&mut self, key: Key) {
        let Some(prompt) = &mut self.prompt else { return };
        let (typed, purpose) = (prompt.key(key), prompt.purpose);
        let text = match typed {
            Typed::Left => String::new(),
            Typed::On | Typed::Done => prompt.text.clone(),
        };
        if typed != Typed::On {
            self.prompt = None;
        }
        match (purpose, typed) {
            // Found while it is typed.
            (Purpose::Find, _) => match (self.place_of_keys(), &mut self.candidates) {
                (Where::Candidates, Some(candidates)) => candidates.find(&text),
                _ => self.find(&text),
            },
            (Purpose::WhatIf, Typed::Done) => self.suppose(text.trim()),
            (Purpose::WhatIf, _) => {}
        }
    }

    /// Asks what to suppose; of the selected candidate, if there is one.
    fn ask(&mut self) {
        let selected = self.candidates.as_ref().filter(|_| self.place_of_keys() == Where::Candidates);
        let task = selected.and_then(|candidates| candidates.cells().task(candidates.row()?));
        let begun = task.map_or_else(String::new, |task| format!("adj:{}=", task.pid));
        self.prompt = Some(Prompt::new(Purpose::WhatIf, begun));
    }

    /// One thing more is supposed, if it can be of this episode.
    fn suppose(&mut self, text: &str) {
        let Some(item) = self.row().map(|row| row.item.clone()).filter(|_| !text.is_empty()) else { return };
        let Some(episode) = item.episode.as_deref() else { return };
        let mut changes = self.changes.clone();
        let refused = match text.parse::<Change>() {
            Err(error) => Some(terminal::unreadable("what if", &error, episode, &item.info)),
            Ok(change) => {
                // Of the same thing, what was said last.
                changes.retain(|before| !is_of_the_same(before, &change));
                changes.push(change);
                let refused = explain(episode, &item.info, &changes).err();
                refused.map(|mistake| terminal::mistaken("what if", &mistake, episode, &item.info))
            }
        };
        match refused {
            Some(refused) => self.notice = wrapped(&refused, self.width.saturating_sub(1)),
            None => {
                self.changes = changes;
                self.supposed += 1;
                self.open(Pane::WhatIf);
                self.scrolled = 0;
            }
        }
    }

    fn suppose_less(&mut self, kept: usize) {
        self.changes.truncate(kept);
        self.supposed += 1;
    }

    /// What is shown belongs to the selected row, and what is selected is on the screen.
    fn settle(&mut self) {
        if self.row().is_none() {
            self.open = false;
        }
        let place = self.place();
        if let Some(&row) = self.visible.get(place) {
            self.selected = self.rows.get(row).map_or(0, |row| row.serial);
        }
        let beside = self.split().1;
        let room = if self.open { Some(self.width) } else { beside };
        let pane = if self.open { self.pane } else { Pane::Episode };
        let row = self.visible.get(place).and_then(|&place| self.rows.get(place));
        if let (Some(row), Some(width)) = (row, room) {
            self.lines.make((&row.item, row.serial), pane, width, (&self.changes, self.supposed));
        } else {
            self.lines.forget();
        }
        let candidates = row.and_then(|row| Some((row.item.episode.as_ref()?, &row.item.info)));
        match candidates.filter(|(episode, _)| self.open && !episode.candidates.is_empty()) {
            None => self.candidates = None,
            Some((episode, info)) => {
                let same = |shown: &Candidates| Arc::ptr_eq(&shown.episode, episode);
                if !self.candidates.as_ref().is_some_and(same) {
                    self.candidates = Some(Candidates::new(Arc::clone(episode), Arc::clone(info), self.sort));
                }
            }
        }
        let rows = self.height.saturating_sub(1).max(1);
        keep_in_sight(&mut self.top, place, rows, self.visible.len());
        let details = self.details_height();
        if let Some(candidates) = &mut self.candidates {
            let rows = rows.saturating_sub(details).max(1);
            keep_in_sight(&mut candidates.top, candidates.selected, rows, candidates.order.len());
        }
        self.scrolled = self.scrolled.min(self.lines.lines.len().saturating_sub(self.height));
    }

    /// Lines of the text that is open below those that are on the screen.
    pub(super) fn lines_below(&self) -> usize {
        let text = self.open && self.place_of_keys() != Where::Candidates;
        let seen = self.scrolled + self.height;
        if text { self.lines.lines.len().saturating_sub(seen) } else { 0 }
    }

    /// Rows for the selected candidate below the table.
    pub(super) fn details_height(&self) -> usize {
        if self.height >= 12 { 4 } else { 0 }
    }
}

/// Whether two suppositions cannot both be made.
fn is_of_the_same(a: &Change, b: &Change) -> bool {
    match (a, b) {
        (Change::Limit { .. }, Change::Limit { .. }) => true,
        (Change::Adj { who: a, .. }, Change::Adj { who: b, .. })
        | (Change::Kill { who: a }, Change::Kill { who: b }) => a == b,
        _ => false,
    }
}

/// Scrolls as little as will do.
fn keep_in_sight(top: &mut usize, selected: usize, rows: usize, all: usize) {
    *top = (*top).clamp(selected.saturating_sub(rows - 1), selected).min(all.saturating_sub(rows.min(all)));
}
