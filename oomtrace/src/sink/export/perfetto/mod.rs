//! A trace for Perfetto: what happened when, as slices and moments on tracks, and memory as counters.
//!
//! Tracks: one for a boot of a host; below it one for the OOMs of the whole machine and one for those of each limiting cgroup; below these
//! one for each victim, with one for its reaper. Time is wall time where it is known, so that traces of a fleet lie beside each
//! other.

mod proto;

use std::collections::{HashMap, HashSet};
use std::io;

use crate::model::episode::{Episode, Scope, Victim};
use crate::model::sample::{Item, Sample};
use crate::model::{SessionInfo, ShortId};
use crate::sink::json::{outcome, why};
use crate::sink::{Sink, Totals};

use super::Target;
use proto::{Note, Unit};

/// Writes a trace.
pub struct Perfetto {
    target: Box<dyn Target>,
    info: Option<SessionInfo>,
    tracks: HashMap<Vec<String>, u64>,
    /// The clock of the trace has been told.
    timed: bool,
    /// Samples that were written: those before an episode are before the next one too.
    samples: HashSet<(String, u64)>,
}

impl Perfetto {
    /// Writes to `target`.
    #[must_use]
    pub fn new(target: Box<dyn Target>) -> Self {
        Self { target, info: None, tracks: HashMap::new(), timed: false, samples: HashSet::new() }
    }

    /// The number of a track, by its names from the top; it and those above it are made when they are first asked for.
    fn track(&mut self, names: &[String]) -> io::Result<u64> {
        self.track_of(names, None)
    }

    fn track_of(&mut self, names: &[String], unit: Option<Unit>) -> io::Result<u64> {
        if let Some(&uuid) = self.tracks.get(names) {
            return Ok(uuid);
        }
        let Some((name, above)) = names.split_last() else { return Ok(0) };
        let parent = if above.is_empty() { None } else { Some(self.track(above)?) };
        let uuid = self.tracks.len() as u64 + 1;
        self.tracks.insert(names.to_vec(), uuid);
        let packet = match (unit, parent) {
            (Some(unit), Some(parent)) => proto::counter_track(uuid, parent, name, unit),
            _ => proto::track(uuid, parent, name),
        };
        self.target.write_all(&packet)?;
        Ok(uuid)
    }

    fn write(&mut self, packet: &[u8]) -> io::Result<()> {
        self.target.write_all(packet)
    }

    fn tell(&mut self, episode: &Episode, info: &SessionInfo) -> io::Result<()> {
        let at = |ns: u64| info.unix_ns(ns).and_then(|ns| u64::try_from(ns).ok()).unwrap_or(ns);
        let first = episode.opened_ns.or(episode.closed_ns);
        if let (false, Some(ns)) = (self.timed, first.filter(|_| info.started_unix_ns.is_some())) {
            self.timed = true;
            self.write(&proto::wall_clock(at(ns)))?;
        }
        let host = host(info);
        let whose = whose(episode);
        let place = [host.clone(), whose.clone()];
        let track = self.track(&place)?;
        let id = ShortId::of(episode, info);
        let notes = [
            ("id", Note::Text(id.to_string())),
            ("number", Note::Int(i64::try_from(episode.id).unwrap_or(i64::MAX))),
            ("outcome", Note::Text(outcome(episode.outcome).to_owned())),
            (
                "trigger",
                Note::Text(
                    episode.trigger.as_ref().map_or_else(String::new, |trigger| trigger.comm.to_string()),
                ),
            ),
        ];
        let name = format!("OOM {id}");
        // Passes exclude each other, so that their slices do not overlap. A pass of which an end was not seen is a moment.
        match episode.opened_ns.zip(episode.closed_ns).filter(|(from, to)| from <= to) {
            Some((from, to)) => {
                self.write(&proto::begin(at(from), track, &name, &notes))?;
                let chosen = episode.chosen_ns.or(episode.scan_ns.map(|(_, last)| last));
                let scan = episode.scan_ns.map(|(first, _)| first).zip(chosen);
                if let Some((first, last)) =
                    scan.filter(|(first, last)| from <= *first && first <= last && *last <= to)
                {
                    let evaluated = ("evaluated", Note::Int(episode.evaluated.unwrap_or(0).into()));
                    let notes = if episode.evaluated.is_some() { &[evaluated][..] } else { &[] };
                    self.write(&proto::begin(at(first), track, "scan", notes))?;
                    self.write(&proto::end(at(last), track))?;
                }
                self.write(&proto::end(at(to), track))?;
            }
            None => {
                if let Some(ns) = first {
                    self.write(&proto::instant(at(ns), track, &name, &notes))?;
                }
            }
        }
        for victim in &episode.victims {
            self.victim(victim, &id, &place, info, &at)?;
        }
        self.storm(episode, &id, &place, &at)?;
        for sample in &episode.memory_before {
            self.sample(sample, &host, &at)?;
        }
        Ok(())
    }

    /// From the kill to the end, and what the reaper did meanwhile.
    fn victim(
        &mut self,
        victim: &Victim,
        id: &ShortId,
        place: &[String; 2],
        info: &SessionInfo,
        at: &impl Fn(u64) -> u64,
    ) -> io::Result<()> {
        let [host, whose] = place.clone();
        let name = format!("{}[{}] of {id}", victim.task.comm, victim.task.pid);
        let mut path = vec![host, whose, name];
        let mut notes = vec![("why", Note::Text(why(victim.why).to_owned()))];
        let resident =
            victim.memory.and_then(|memory| memory.resident_pages()).map(|pages| info.bytes(pages));
        notes.extend(
            resident
                .and_then(|bytes| i64::try_from(bytes).ok())
                .map(|bytes| ("resident_bytes", Note::Int(bytes))),
        );
        notes.extend(victim.task.oom_score_adj.map(|adj| ("oom_score_adj", Note::Int(adj.into()))));
        let track = self.track(&path)?;
        let from = victim.killed_ns.or(victim.marked_ns);
        match from.zip(victim.exited_ns).filter(|(from, to)| from <= to) {
            Some((from, to)) => {
                self.write(&proto::begin(at(from), track, "dying", &notes))?;
                self.write(&proto::end(at(to), track))?;
            }
            None => {
                if let Some(ns) = from {
                    self.write(&proto::instant(at(ns), track, "killed", &notes))?;
                }
            }
        }
        let moments = [
            ("signalled", victim.killed_ns),
            ("marked", victim.marked_ns),
            ("exited", victim.exited_ns),
            ("released", victim.released_ns),
        ];
        for (name, ns) in moments {
            if let Some(ns) = ns {
                self.write(&proto::instant(at(ns), track, name, &[]))?;
            }
        }
        let Some(reaped) = &victim.reaped else { return Ok(()) };
        path.push("reaper".to_owned());
        let notes = ("skipped", Note::Text(reaped.skipped.to_string()));
        match (reaped.started_ns, reaped.finished_ns) {
            (Some(from), Some(to)) if from <= to => {
                let track = self.track(&path)?;
                self.write(&proto::begin(at(from), track, "reap", &[notes]))?;
                self.write(&proto::end(at(to), track))
            }
            (Some(ns), _) | (None, Some(ns)) => {
                let track = self.track(&path)?;
                self.write(&proto::instant(at(ns), track, "reap", &[notes]))
            }
            (None, None) => Ok(()),
        }
    }

    /// The passes that are counted on this one.
    fn storm(
        &mut self,
        episode: &Episode,
        id: &ShortId,
        place: &[String; 2],
        at: &impl Fn(u64) -> u64,
    ) -> io::Result<()> {
        let Some((from, to)) = episode.folded.span_ns.filter(|(from, to)| from <= to) else { return Ok(()) };
        let [host, whose] = place.clone();
        let track = self.track(&[host, whose, format!("storm of {id}")])?;
        let folded = episode.folded;
        let notes = [
            ("aborted_scans", Note::Int(folded.aborted_scans.into())),
            ("already_exiting", Note::Int(folded.already_exiting.into())),
            ("repeats", Note::Int(folded.repeats.into())),
        ];
        self.write(&proto::begin(at(from), track, "folded passes", &notes))?;
        self.write(&proto::end(at(to), track))
    }

    /// Memory between episodes.
    fn sample(&mut self, sample: &Sample, host: &str, at: &impl Fn(u64) -> u64) -> io::Result<()> {
        const SHOWN: [(Item, &str); 4] = [
            (Item::MemAvailable, "MemAvailable"),
            (Item::AnonPages, "AnonPages"),
            (Item::Shmem, "Shmem"),
            (Item::SwapFree, "SwapFree"),
        ];
        let ns = at(sample.boot_ns);
        // Those before an episode are before the next one too.
        if !self.samples.insert((host.to_owned(), ns)) {
            return Ok(());
        }
        for (item, name) in SHOWN {
            if let Some(bytes) = sample.bytes(item) {
                let track = self.track_of(&[host.to_owned(), name.to_owned()], Some(Unit::Bytes))?;
                self.write(&proto::counter(ns, track, bytes as f64))?;
            }
        }
        for (psi, name) in [(sample.some, "PSI memory some avg10"), (sample.full, "PSI memory full avg10")] {
            if let Some(psi) = psi {
                let track = self.track_of(&[host.to_owned(), name.to_owned()], Some(Unit::Percent))?;
                self.write(&proto::counter(ns, track, f64::from(psi.avg10) / 100.0))?;
            }
        }
        Ok(())
    }
}

impl Sink for Perfetto {
    fn start(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.info = Some(info.clone());
        Ok(())
    }

    fn origin(&mut self, info: &SessionInfo) -> io::Result<()> {
        self.start(info)
    }

    fn episode(&mut self, episode: &Episode) -> io::Result<()> {
        let Some(info) = self.info.take() else { return Ok(()) };
        let told = self.tell(episode, &info);
        self.info = Some(info);
        told
    }

    fn end(&mut self, _: &Totals) -> io::Result<()> {
        self.target.commit()
    }
}

/// `node-17, boot 3f0e1c7a`.
fn host(info: &SessionInfo) -> String {
    let host = info.host.as_deref().unwrap_or("host not known");
    let boot = info.boot_id.as_deref().map(|id| format!(", boot {}", id.split('-').next().unwrap_or(id)));
    format!("{host}{}", boot.unwrap_or_default())
}

/// The limit that was met.
fn whose(episode: &Episode) -> String {
    let limiting = episode.memcg.iter().find(|level| level.limiting);
    match (episode.scope, limiting.and_then(|level| level.path.as_ref())) {
        (Some(Scope::Global), _) => "whole machine".to_owned(),
        (_, Some(path)) => path.to_string(),
        (Some(Scope::Memcg), None) => "a cgroup".to_owned(),
        (None, None) => "scope not known".to_owned(),
    }
}
