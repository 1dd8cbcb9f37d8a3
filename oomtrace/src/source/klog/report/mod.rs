//! From lines to reports: a synchronous state machine without I/O, fed line by line.
//!
//! The kernel prints one report at a time (it holds `oom_lock`), but lines of others come between, logs of several machines may be
//! mixed, and either end may be missing. A report is collected in a [`draft`], by machine and, where the kernel tells who prints,
//! by that; it is over with its kill (and those of its group), or when nothing more comes. Then it becomes observations
//! ([`build`]).
//!
//! - [`boot`]: what the lines of one boot have in common;
//! - [`names`]: names of counters, cgroups, zones; [`gfp`]: of gfp bits.

mod boot;
mod build;
mod draft;
mod gfp;
mod names;

use std::collections::VecDeque;

use crate::model::observation::{Lost, Memory, Reaper, ReaperStage, Stamp};
use crate::model::{Observation, SessionInfo, SourceKind};

use super::framing::{Calendar, Caller, Framed};
use super::grammar::{self, Fact, Machine, Parsed, Rss, Within};
use boot::Boot;
use draft::{Draft, Part};

/// Lines that do not belong to a report, in a row, after which it is over.
const MOST_IDLE: u32 = 4096;
/// How long a kill waits for others of its group, ns.
const GROUP_NS: u64 = 2_000_000_000;
/// How long a report waits for its next line, ns: a slow serial console prints a line in milliseconds.
const SILENCE_NS: u64 = 60_000_000_000;
/// Reports of one machine that are collected side by side.
const MOST_DRAFTS: usize = 8;
/// Machines whose lines are told apart.
const MOST_MACHINES: usize = 64;
/// Kills that the reaper's lines are matched with.
const MOST_KILLS: usize = 256;

/// Collects reports.
#[derive(Debug)]
pub(super) struct Reports {
    source: SourceKind,
    calendar: Calendar,
    machines: Vec<Host>,
    /// Of the line before.
    current: usize,
    cgroups: names::Cgroups,
    /// The head that was told last.
    told: Option<SessionInfo>,
    reports: u64,
    lost: Lost,
    last_stamp: u64,
}

/// One machine.
#[derive(Debug, Default)]
struct Host {
    name: Option<Vec<u8>>,
    boot: Boot,
    drafts: Vec<Draft>,
    caller: Option<Caller>,
    /// Process ids that were killed, and in which episode.
    killed: VecDeque<(i32, u64)>,
    /// Kills without a report since the kernel last said how many it did not print.
    bare_kills: u64,
}

impl Reports {
    pub(super) fn new(source: SourceKind, calendar: Calendar) -> Self {
        Self {
            source,
            calendar,
            machines: Vec::new(),
            current: 0,
            cgroups: names::Cgroups::default(),
            told: None,
            reports: 0,
            lost: Lost::default(),
            last_stamp: 0,
        }
    }

    /// Whether a report is being printed, so that the next lines may belong to it whatever they look like.
    pub(super) fn in_report(&self) -> bool {
        self.machines.iter().any(|machine| machine.drafts.iter().any(|draft| !draft.ended))
    }

    /// What was lost so far, in all reports.
    pub(super) fn lost(&self) -> Lost {
        self.lost
    }

    /// The stamp of the last line.
    pub(super) fn last_stamp(&self) -> u64 {
        self.last_stamp
    }

    /// The head of a session in which nothing was found.
    pub(super) fn head(&self) -> SessionInfo {
        match self.machines.first() {
            Some(machine) => machine.boot.info(self.source, &self.calendar, None),
            None => Boot::default().info(self.source, &self.calendar, None),
        }
    }

    /// Takes a line of the kernel.
    pub(super) fn line(&mut self, framed: &Framed<'_>, out: &mut Vec<Observation>) {
        let at = self.machine_of(framed, out);
        self.current = at;
        let Some(machine) = self.machines.get_mut(at) else { return };
        if machine.boot.ended_before(framed) {
            self.end_boot(at, None, out);
        }
        let Some(machine) = self.machines.get_mut(at) else { return };
        let stamp = machine.boot.stamp(framed);
        self.last_stamp = stamp;
        if !framed.continued {
            machine.caller = framed.caller;
        }
        self.expire(at, stamp, out);
        for text in framed.text.split(|&byte| byte == b'\n') {
            self.text(at, text, stamp, out);
        }
    }

    /// A piece of a log ends here.
    pub(super) fn seam(&mut self, out: &mut Vec<Observation>) {
        for at in 0..self.machines.len() {
            self.close_all(at, out);
        }
    }

    /// The log has ended.
    pub(super) fn finish(&mut self, out: &mut Vec<Observation>) {
        self.seam(out);
    }

    fn machine_of(&mut self, framed: &Framed<'_>, out: &mut Vec<Observation>) -> usize {
        if self.machines.is_empty() || !framed.continued {
            let name = framed.host.as_deref();
            let same = |machine: &Host| machine.name.as_deref() == name || name.is_none();
            if let Some(machine) = self.machines.get(self.current)
                && same(machine)
            {
                return self.current;
            }
            if let Some(at) = self.machines.iter().position(same) {
                return at;
            }
            if self.machines.len() >= MOST_MACHINES {
                self.close_all(0, out);
                self.machines.remove(0);
            }
            let host = name.map(|name| String::from_utf8_lossy(name).into_owned());
            let boot = Boot::new(host, None);
            self.machines.push(Host { name: name.map(<[u8]>::to_vec), boot, ..Host::default() });
            return self.machines.len() - 1;
        }
        self.current
    }

    fn text(&mut self, at: usize, text: &[u8], stamp: u64, out: &mut Vec<Observation>) {
        let Some(machine) = self.machines.get_mut(at) else { return };
        let caller = machine.caller;
        let place = machine.place(caller);
        let parsed = {
            let draft = place.and_then(|place| machine.drafts.get(place));
            let within = draft.map_or_else(Within::default, |draft| Within {
                table: draft.columns.as_ref().filter(|_| draft.part == Part::Table),
                stats: draft.part == Part::Stats,
                stack: draft.part == Part::Stack,
            });
            grammar::parse(text, within)
        };
        match parsed {
            Parsed::Other => {
                if let Some(draft) = place.and_then(|place| machine.drafts.get_mut(place)) {
                    draft.other(text, stamp);
                }
            }
            Parsed::Unread => match place.and_then(|place| machine.drafts.get_mut(place)) {
                Some(draft) => draft.unread(),
                None => self.lost.lines = self.lost.lines.saturating_add(1),
            },
            Parsed::Fact(fact) => self.fact(at, place, fact, stamp, out),
        }
    }

    fn fact(
        &mut self,
        at: usize,
        place: Option<usize>,
        fact: Fact<'_>,
        stamp: u64,
        out: &mut Vec<Observation>,
    ) {
        let Some(machine) = self.machines.get_mut(at) else { return };
        match &fact {
            Fact::Boot(release) => {
                let release = String::from_utf8_lossy(release).into_owned();
                return self.end_boot(at, Some(release), out);
            }
            Fact::Suppressed(number) => {
                // Those that killed somebody are known by that.
                let unseen = number.saturating_sub(std::mem::take(&mut machine.bare_kills));
                self.lost.reports = self.lost.reports.saturating_add(unseen);
                return;
            }
            Fact::Reaped { pid, left, .. } => return self.reaped(at, *pid, *left, stamp, out),
            Fact::Context(context) => {
                if let Some(release) = context.release {
                    let release = String::from_utf8_lossy(release).into_owned();
                    // The line belongs to whatever is being printed: all of this boot.
                    machine.boot.release.get_or_insert(release);
                }
            }
            _ => {}
        }
        let ends = |draft: &Draft| match &fact {
            // The next one begins.
            Fact::Trigger(_) => draft.trigger.is_some() || draft.ended || draft.is_oom(),
            Fact::Killed(_) => draft.ended && draft.group.is_none(),
            Fact::Group(_) => draft.kills.is_empty(),
            Fact::Chosen { .. } => draft.ended,
            Fact::Known | Fact::Frame(_) => false,
            _ => draft.ended,
        };
        let mut place = place;
        if place.and_then(|place| machine.drafts.get(place)).is_some_and(ends)
            && let Some(over) = place.take()
        {
            self.close(at, over, out);
        }
        let Some(machine) = self.machines.get_mut(at) else { return };
        let place = match place {
            Some(place) => place,
            None => {
                let begins = matches!(
                    fact,
                    Fact::Trigger(_)
                        | Fact::TableHeader(_)
                        | Fact::Usage(_)
                        | Fact::MemInfo
                        | Fact::Totals(_)
                        | Fact::Zone(_)
                        | Fact::Summary(_)
                        | Fact::Chosen { .. }
                        | Fact::Killed(_)
                        | Fact::TaskIn { .. }
                        | Fact::NoneKillable
                        | Fact::AlreadyExiting { .. }
                );
                if !begins {
                    return;
                }
                if machine.drafts.len() >= MOST_DRAFTS {
                    self.close(at, 0, out);
                }
                let Some(machine) = self.machines.get_mut(at) else { return };
                self.reports += 1;
                machine.drafts.push(Draft::new(self.reports, machine.caller, stamp));
                machine.drafts.len() - 1
            }
        };
        let Some(machine) = self.machines.get_mut(at) else { return };
        if let Fact::Machine(Machine::TotalSwapKb(kb)) = fact {
            machine.boot.total_swap_kb = Some(kb);
        }
        if let Some(draft) = machine.drafts.get_mut(place) {
            draft.take(fact, stamp);
            // Nothing can follow.
            if draft.none_killable || draft.already_exiting.is_some() {
                self.close(at, place, out);
            }
        }
    }

    /// The reaper tells what it left of a victim, seconds after the kill.
    fn reaped(&mut self, at: usize, pid: i32, left: Rss, stamp: u64, out: &mut Vec<Observation>) {
        let Some(machine) = self.machines.get_mut(at) else { return };
        let open = machine.drafts.iter().position(|draft| draft.kills.iter().any(|kill| kill.tid == pid));
        if let Some(open) = open {
            self.close(at, open, out);
        }
        let Some(machine) = self.machines.get_mut(at) else { return };
        let episode = machine.killed.iter().rev().find(|(killed, _)| *killed == pid).map(|(_, id)| *id);
        let Some(episode) = episode else { return };
        let page_kb = machine.boot.page_kb.unwrap_or(4).max(1);
        let pages = |kb: Option<u64>| kb.map(|kb| kb / page_kb);
        let after = Memory {
            rss_anon_pages: pages(left.anon_kb),
            rss_file_pages: pages(left.file_kb),
            rss_shmem_pages: pages(left.shmem_kb),
            ..Memory::default()
        };
        let at = Stamp { boot_ns: stamp, episode };
        out.push(Observation::Reaper(Reaper {
            at,
            stage: ReaperStage::Finish,
            tid: pid,
            before: None,
            after: Some(after),
        }));
    }

    /// Closes what waits for nothing any more.
    fn expire(&mut self, at: usize, now: u64, out: &mut Vec<Observation>) {
        while let Some(machine) = self.machines.get(at) {
            let timed = machine.boot.has_times();
            let over = |draft: &Draft| {
                let wait = if draft.ended { GROUP_NS } else { SILENCE_NS };
                draft.idle > MOST_IDLE || (timed && now.saturating_sub(draft.last) > wait)
            };
            let Some(place) = machine.drafts.iter().position(over) else { return };
            self.close(at, place, out);
        }
    }

    fn close_all(&mut self, at: usize, out: &mut Vec<Observation>) {
        while self.machines.get(at).is_some_and(|machine| !machine.drafts.is_empty()) {
            self.close(at, 0, out);
        }
    }

    fn end_boot(&mut self, at: usize, release: Option<String>, out: &mut Vec<Observation>) {
        self.close_all(at, out);
        if let Some(machine) = self.machines.get_mut(at) {
            let host = machine.boot.host.take();
            machine.boot = Boot::new(host, release);
            machine.killed.clear();
        }
    }

    /// Makes observations of a report.
    fn close(&mut self, at: usize, place: usize, out: &mut Vec<Observation>) {
        let Some(machine) = self.machines.get_mut(at) else { return };
        if place >= machine.drafts.len() {
            return;
        }
        let draft = machine.drafts.remove(place);
        if !draft.is_oom() {
            // Mem-Info of another message.
            return;
        }
        if draft.is_kill_only() {
            machine.bare_kills += 1;
        }
        let boot = &mut machine.boot;
        boot.page_kb = build::page_kb(&draft).or(boot.page_kb);
        boot.cgroup_version = match () {
            () if draft.usage(grammar::Of::MemorySwap).is_some() => Some(1),
            () if draft.usage(grammar::Of::Swap).is_some() => Some(2),
            () => boot.cgroup_version,
        };
        let mut info = boot.info(self.source, &self.calendar, build::by_shape(&draft));
        // Which of them named it first does not matter.
        info.tool_version.clear();
        if self.told.as_ref() != Some(&info) {
            let mut head = info.clone();
            head.tool_version = env!("CARGO_PKG_VERSION").to_owned();
            self.told = Some(info);
            self.cgroups = names::Cgroups::default();
            out.push(Observation::Origin(Box::new(head)));
        }
        let before = out.len();
        build::observations(&draft, boot, &mut self.cgroups, out);
        for observation in &out[before..] {
            match observation {
                Observation::Report(report) => {
                    self.lost.lines = self.lost.lines.saturating_add(report.unread.into());
                    self.lost.reports += u64::from(report.cut || report.kill_only);
                }
                Observation::Kill(kill) => {
                    if machine.killed.len() >= MOST_KILLS {
                        machine.killed.pop_front();
                    }
                    machine.killed.push_back((kill.victim.task.tid, draft.id));
                }
                _ => {}
            }
        }
    }
}

impl Host {
    /// The report that a line of `caller` may belong to.
    fn place(&self, caller: Option<Caller>) -> Option<usize> {
        let own = self.drafts.iter().rposition(|draft| draft.caller == caller && caller.is_some());
        own.or_else(|| self.drafts.iter().rposition(|draft| draft.caller.is_none() || caller.is_none()))
    }
}
