//! Episodes for people. Pure: the same session, episodes and options give the same bytes, live or replayed.
//!
//! - here: the sink, the session's and the end's line;
//! - [`page`]: labels, wrapping, colour;
//! - [`words`]: numbers, sizes, times and names as text;
//! - [`stats`]: what a capture cost, for stderr;
//! - [`ranking`]: who would be killed next, with the same table;
//! - [`diff`]: what changed from one episode to another;
//! - [`list`]: the episodes of several recordings;
//! - [`parts`], [`cells`]: the same episode for a screen that shows a part of it at a time;
//! - [`explain`]: one episode explained at length;
//! - [`job`]: a job that was run and what the OOM killer did to it;
//! - [`headline`], [`callpath`], [`limits`], [`memory`], [`before`], [`table`], [`owner`], [`outcome`], [`why`], [`timeline`], [`told`]: the parts of an episode.

mod before;
mod called;
mod callpath;
mod cells;
mod diff;
mod explain;
mod headline;
mod job;
mod ledger;
mod limits;
mod list;
mod memory;
mod outcome;
mod owner;
mod page;
mod parts;
mod ranking;
mod stats;
mod table;
#[cfg(test)]
mod tests;
mod timeline;
mod told;
mod why;
mod words;

/// Words that other text for people shares.
pub(crate) mod text {
    pub(crate) use super::before::grown;
    pub(crate) use super::called::itself as called;
    pub(crate) use super::explain::{Candidates, Words, assumption, doubt, words};
    pub(crate) use super::ledger::line as ledger;
    pub(crate) use super::limits::more as level;
    pub(crate) use super::list::victim as listed;
    pub(crate) use super::page::Said;
    pub(crate) use super::session_line as session;
    pub(crate) use super::stats::table as stats;
    pub(crate) use super::table::victim_word as victim;
    #[cfg(feature = "tui")]
    pub(crate) use super::words::{columns_from_end, counted, path as cut_in_the_middle};
    pub(crate) use super::words::{date_time, gap, grouped, long_duration, losses, size, task};
}

use std::io::{self, Write};

use crate::badness;
use crate::model::Gap;
use crate::model::episode::{Episode, Verdict};
use crate::model::session::{SessionInfo, SourceKind};

use super::{Sink, Totals};
pub use cells::{Cells, Column, Key};
pub use diff::difference;
pub use explain::{WHAT_IF, explanation, mistaken, unreadable, what_if, why};
pub use job::job;
pub use list::{Layout, list};
use page::Page;
pub use page::{Painted, Tone};
pub use parts::{cgroups, moments, overview};
pub use ranking::ranking;

/// How to show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Columns of the screen.
    pub width: usize,
    /// Whether to use colour.
    pub color: bool,
    /// All candidates, with uid and cgroup.
    pub verbose: bool,
}

/// What every part of an episode may need.
struct Context<'a> {
    info: &'a SessionInfo,
    episode: &'a Episode,
    options: Options,
}

impl Context<'_> {
    /// The kernel's formula is known, so that points can be told apart into memory and adjustment.
    fn known_formula(&self) -> bool {
        self.info.formula_release().is_some_and(badness::applies_to)
    }

    /// The tracepoint of its start was attached: that the reaper was not seen means that it was not at work.
    fn reaper_watched(&self) -> bool {
        self.info
            .hooks
            .iter()
            .any(|hook| hook.missing.is_none() && hook.target.contains("start_task_reaping"))
    }
}

/// Writes text, flushed episode by episode.
#[derive(Debug)]
pub struct Terminal<W> {
    writer: W,
    options: Options,
    info: Option<SessionInfo>,
    /// Date that was shown last, on the captured host.
    date: Option<jiff::civil::Date>,
}

impl<W: Write> Terminal<W> {
    /// Writes to `writer`.
    pub fn new(writer: W, options: Options) -> Self {
        Self { writer, options, info: None, date: None }
    }

    fn write(&mut self, page: Page) -> io::Result<()> {
        self.writer.write_all(page.into_string().as_bytes())?;
        self.writer.flush()
    }
}

impl<W: Write> Sink for Terminal<W> {
    fn start(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.info = Some(info.clone());
        let mut page = Page::new(self.options);
        page.paragraph(&session_line(info), 4);
        for hook in &info.hooks {
            if let Some(reason) = &hook.missing {
                page.warning(&format!("{} ({}) is not attached: {reason}", hook.target, hook.kind), 4);
            }
        }
        self.write(page)
    }

    fn episode(&mut self, episode: &Episode) -> io::Result<()> {
        let Some(info) = self.info.take() else {
            return Err(io::Error::other("an episode before the start of the session"));
        };
        let mut page = Page::new(self.options);
        page.blank();
        whole(&Context { info: &info, episode, options: self.options }, &mut self.date, &mut page);
        self.info = Some(info);
        self.write(page)
    }

    fn origin(&mut self, info: &SessionInfo) -> io::Result<()> {
        let before = self.info.replace(info.clone());
        if before.is_some_and(|before| same_boot(&before, info)) {
            return Ok(());
        }
        self.date = None;
        let mut page = Page::new(self.options);
        page.blank();
        page.paragraph(&session_line(info), 4);
        self.write(page)
    }

    fn gap(&mut self, gap: &Gap) -> io::Result<()> {
        let mut page = Page::new(self.options);
        page.blank();
        page.warning(&words::gap(gap, self.info.as_ref()), 4);
        self.write(page)
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        let mut page = Page::new(self.options);
        page.blank();
        let mut line = format!(
            "{}, {}",
            words::count(totals.episodes, "episode"),
            words::count(totals.victims, "victim")
        );
        if totals.hidden > 0 {
            let were = if totals.hidden == 1 { "was" } else { "were" };
            line.push_str(&format!(
                "; {} more {were} left out by the filters",
                words::grouped(totals.hidden.into())
            ));
        }
        if !totals.complete {
            line.push_str("; the recording has no end, there may have been more");
        }
        if totals.lost.any() {
            page.paragraph(&line, 4);
            page.warning(&format!("lost: {}", words::losses(&totals.lost)), 4);
        } else {
            line.push_str(if totals.gaps == 0 {
                "; nothing was lost"
            } else {
                "; nothing was lost before it was recorded"
            });
            page.paragraph(&line, 4);
        }
        if totals.gaps > 0 {
            page.warning(&format!("the recording has {}", words::count(totals.gaps, "gap")), 4);
        }
        match ledger::line(&totals.ledger) {
            Some(line) if totals.ledger.missed() == Some(0) => page.paragraph(&line, 4),
            Some(line) => page.warning(&line, 4),
            None => {}
        }
        self.write(page)
    }
}

/// One episode as [`Terminal`] shows it.
#[must_use]
pub fn episode(episode: &Episode, info: &SessionInfo, options: Options) -> String {
    let mut shown = Vec::new();
    let mut terminal = Terminal { writer: &mut shown, options, info: Some(info.clone()), date: None };
    // A vector takes everything.
    let _ = Sink::episode(&mut terminal, episode);
    String::from_utf8_lossy(&shown).trim_start_matches('\n').to_owned()
}

/// All of an episode.
fn whole(context: &Context<'_>, date: &mut Option<jiff::civil::Date>, page: &mut Page) {
    let Context { episode, options, .. } = *context;
    headline::write(context, date, page);
    headline::trigger(context, page);
    callpath::write(context, page);
    limits::write(context, page);
    memory::of_memcg(context, page);
    memory::of_machine(context, page);
    table::write(context, page);
    owner::write(context, page);
    owner::adjusted(context, page);
    outcome::write(context, page);
    why::write(context, page);
    told::notes(context, page);
    if options.verbose
        && let Some(message) = &episode.message
    {
        page.labelled("message", &message.to_string());
    }
    if options.verbose {
        before::write(context, page);
        timeline::write(context, page);
    }
    outcome::folded(context, page);
    if episode.cut_off {
        page.labelled_warning("cut off", CUT_OFF);
    }
    if episode.lost.any() {
        page.labelled_warning("lost", &words::losses(&episode.lost));
    }
}

/// Of an episode that is not told to its end.
const CUT_OFF: &str =
    "the recording breaks off, or has a gap, before this was over; what came then is not known";

/// Whether nothing but what is known of it has changed.
fn same_boot(before: &SessionInfo, now: &SessionInfo) -> bool {
    // The next file of a capture has a beginning of its own.
    let known = before.boot_id.is_some();
    let started = |info: &SessionInfo| {
        if known {
            (None, 0, None)
        } else {
            (info.started_unix_ns, info.started_boot_ns, info.vmstat_oom_kills)
        }
    };
    let of = |info: &SessionInfo| SessionInfo {
        started_unix_ns: started(info).0,
        started_boot_ns: started(info).1,
        vmstat_oom_kills: started(info).2,
        cgroup_version: None,
        gfp_flags: Vec::new(),
        release_by_shape: None,
        page_size: 0,
        ..info.clone()
    };
    of(before) == of(now)
}

/// `oomtrace 0.1.0 · Linux 6.12.117 on host · 16 CPUs, 62.7G RAM, 8.0G swap · fentry, ring 8.0M`
pub(crate) fn session_line(info: &SessionInfo) -> String {
    let mut parts = vec![format!("oomtrace {}", info.tool_version)];
    let kernel = match (&info.kernel_release, &info.host) {
        (Some(release), Some(host)) => Some(format!("Linux {release} on {host}")),
        (Some(release), None) => Some(format!("Linux {release}")),
        (None, Some(host)) => Some(host.clone()),
        (None, None) => None,
    };
    parts.extend(kernel);
    let machine: Vec<String> = [
        info.cpus.map(|cpus| words::count(cpus.into(), "CPU")),
        info.ram_bytes.map(|bytes| format!("{} RAM", words::size(bytes))),
        info.swap_bytes
            .map(|bytes| if bytes == 0 { "no swap".into() } else { format!("{} swap", words::size(bytes)) }),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !machine.is_empty() {
        parts.push(machine.join(", "));
    }
    let source = match info.source {
        SourceKind::Log => "kernel log",
        SourceKind::Import => "imported kernel log",
        SourceKind::Fentry | SourceKind::Kprobe => info.source.word(),
    };
    parts.push(match info.ring_bytes {
        Some(bytes) => format!("{source}, ring {}", words::size(bytes)),
        None => source.to_owned(),
    });
    // Host names and versions come from a file that anybody may have written.
    parts.iter().map(|part| words::plain(part)).collect::<Vec<_>>().join(" · ")
}

/// The chosen candidate of an episode.
fn chosen(episode: &Episode) -> Option<&crate::model::episode::RankedCandidate> {
    episode.candidates.iter().find(|candidate| candidate.verdict == Verdict::Chosen)
}
