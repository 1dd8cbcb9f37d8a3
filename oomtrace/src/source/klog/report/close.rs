//! When a report is over, and what becomes of it then.

use crate::model::Observation;
use crate::model::observation::{Memory, Reaper, ReaperStage, Stamp};

use super::super::grammar::{self, Rss};
use super::boot::Boot;
use super::draft::Draft;
use super::{Reports, build, names, shape};

/// Lines that do not belong to a report, in a row, after which it is over.
const MOST_IDLE: u32 = 4096;
/// How long a kill waits for others of its group, ns.
const GROUP_NS: u64 = 2_000_000_000;
/// How long a report waits for its next line, ns: a slow serial console prints a line in milliseconds.
const SILENCE_NS: u64 = 60_000_000_000;
/// Kills that the reaper's lines are matched with.
const MOST_KILLS: usize = 256;

impl Reports {
    /// The reaper tells what it left of a victim, seconds after the kill.
    pub(super) fn reaped(&mut self, at: usize, pid: i32, left: Rss, stamp: u64, out: &mut Vec<Observation>) {
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
    pub(super) fn expire(&mut self, at: usize, now: u64, out: &mut Vec<Observation>) {
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

    pub(super) fn close_all(&mut self, at: usize, out: &mut Vec<Observation>) {
        while self.machines.get(at).is_some_and(|machine| !machine.drafts.is_empty()) {
            self.close(at, 0, out);
        }
    }

    pub(super) fn end_boot(&mut self, at: usize, release: Option<String>, out: &mut Vec<Observation>) {
        self.close_all(at, out);
        if let Some(machine) = self.machines.get_mut(at).filter(|_| !self.is_known) {
            let host = machine.boot.host.take();
            machine.boot = Boot::new(host, release);
            machine.killed.clear();
        }
    }

    /// A line tells the kernel's release. When it is another one than before, the report at `place`, which has just begun, is of
    /// another boot than those before. Returns where it is then.
    pub(super) fn release(
        &mut self,
        at: usize,
        place: Option<usize>,
        release: &str,
        out: &mut Vec<Observation>,
    ) -> Option<usize> {
        let machine = self.machines.get_mut(at)?;
        if !machine.boot.is_other(release) {
            // The line belongs to whatever is being printed: all of this boot.
            machine.boot.release.get_or_insert_with(|| release.to_owned());
            return place;
        }
        let own =
            place.filter(|&place| place < machine.drafts.len()).map(|place| machine.drafts.remove(place));
        self.close_all(at, out);
        let machine = self.machines.get_mut(at)?;
        machine.boot = machine.boot.next(release.to_owned());
        machine.killed.clear();
        machine.drafts.extend(own);
        place.map(|_| 0)
    }

    /// Makes observations of a report.
    pub(super) fn close(&mut self, at: usize, place: usize, out: &mut Vec<Observation>) {
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
        boot.page_kb = shape::page_kb(&draft).or(boot.page_kb);
        boot.cgroup_version = match () {
            () if draft.usage(grammar::Of::MemorySwap).is_some() => Some(1),
            () if draft.usage(grammar::Of::Swap).is_some() => Some(2),
            () => boot.cgroup_version,
        };
        let mut info =
            boot.info(self.source, &self.calendar, shape::by_shape(&draft, boot.release.as_deref()));
        // Which of them named it first does not matter.
        info.tool_version.clear();
        if !self.is_known && self.told.as_ref() != Some(&info) {
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
