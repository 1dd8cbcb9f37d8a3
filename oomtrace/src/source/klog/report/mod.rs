//! From lines to reports: a synchronous state machine without I/O, fed line by line.
//!
//! The kernel prints one report at a time (it holds `oom_lock`), but lines of others come between, logs of several machines may be
//! mixed, and either end may be missing. A report is collected in a [`draft`], by machine and, where the kernel tells who prints,
//! by that; it is over with its kill (and those of its group), or when nothing more comes. Then it becomes observations
//! ([`build`]).
//!
//! - [`close`]: when a report is over;
//! - [`boot`]: what the lines of one boot have in common;
//! - [`shape`]: what the shape of a report tells;
//! - [`names`]: names of counters, cgroups, zones; [`gfp`]: of gfp bits.

mod boot;
mod build;
mod close;
mod draft;
mod gfp;
mod names;
mod shape;

use std::collections::VecDeque;

use crate::model::observation::Lost;
use crate::model::{Observation, SessionInfo, SourceKind};

use super::framing::{Calendar, Caller, Framed};
use super::grammar::{self, Fact, Machine, Parsed, Within};
use boot::Boot;
use draft::{Draft, Part};

/// Reports of one machine that are collected side by side.
const MOST_DRAFTS: usize = 8;
/// Machines whose lines are told apart.
const MOST_MACHINES: usize = 64;

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
    /// There is one machine, of which the log need not tell anything.
    is_known: bool,
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
            is_known: false,
            reports: 0,
            lost: Lost::default(),
            last_stamp: 0,
        }
    }

    /// Of one machine that is known.
    pub(super) fn of_machine(info: &SessionInfo, calendar: Calendar) -> Self {
        let boot = Boot::of_machine(info);
        let machines = vec![Host { boot, ..Host::default() }];
        Self { machines, is_known: true, ..Self::new(info.source, calendar) }
    }

    /// Lines are missing here.
    pub(super) fn gap(&mut self) {
        let drafts = self.machines.iter_mut().flat_map(|machine| &mut machine.drafts);
        drafts.filter(|draft| !draft.ended).for_each(Draft::gap);
    }

    /// Whether anything is being collected.
    pub(super) fn pending(&self) -> bool {
        self.machines.iter().any(|machine| !machine.drafts.is_empty())
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
        mut place: Option<usize>,
        fact: Fact<'_>,
        stamp: u64,
        out: &mut Vec<Observation>,
    ) {
        if let Fact::Context(context) = &fact
            && let Some(release) = context.release
        {
            place = self.release(at, place, &String::from_utf8_lossy(release), out);
        }
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
            Fact::SwapOn(kb) => {
                let before = machine.boot.total_swap_kb.unwrap_or(0);
                machine.boot.total_swap_kb = before.checked_add(*kb);
                return;
            }
            Fact::Reaped { pid, left, .. } => return self.reaped(at, *pid, *left, stamp, out),
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
}

impl Host {
    /// The report that a line of `caller` may belong to.
    fn place(&self, caller: Option<Caller>) -> Option<usize> {
        let own = self.drafts.iter().rposition(|draft| draft.caller == caller && caller.is_some());
        own.or_else(|| self.drafts.iter().rposition(|draft| draft.caller.is_none() || caller.is_none()))
    }
}
