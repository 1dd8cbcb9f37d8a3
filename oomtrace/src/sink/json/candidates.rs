//! The candidates of an episode: nearly all of the JSON there is.
//!
//! Written by hand, as bytes: an episode has thousands of them, and serde looks up, escapes and checks the same thirty names
//! for each. What follows from the cgroup (its path, container, pod and unit) is more than half of a candidate's text and the
//! same for all in it, so it is made once and kept.

use std::collections::HashMap;
use std::io;

use foldhash::fast::RandomState;
use serde::Serialize;

use crate::badness;
use crate::model::Name;
use crate::model::episode::{Cause, Explained, RankedCandidate, Verdict};
use crate::model::names::Names;
use crate::model::observation::{Memory, TaskFlags};

use super::NameJson;
use super::episode::{OwnerJson, reason};

/// Bytes of what is kept of cgroups. Beyond it everything is forgotten and made anew.
const KEPT: usize = 4 << 20;
/// Bytes that one candidate may take without its names.
const ROOM: usize = 1024;

/// Writes candidates. Lives as long as the session: cgroups come again in the next episode.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    cgroups: HashMap<Name, Box<[u8]>, RandomState>,
    kept: usize,
    /// What the containers and pods of these are called.
    names: Names,
}

/// What follows from the cgroup.
#[derive(Serialize)]
struct CgroupJson<'a> {
    cgroup: Option<NameJson<'a>>,
    #[serde(flatten)]
    owner: OwnerJson<'a>,
}

impl Candidates {
    /// Candidates of another episode follow. What is known by other names than before is made anew.
    pub(super) fn begin(&mut self, names: &Names) {
        if self.names != *names {
            self.names = names.clone();
            self.cgroups.clear();
            self.kept = 0;
        }
    }

    /// Appends one candidate.
    pub(super) fn write(
        &mut self,
        out: &mut Vec<u8>,
        candidate: &RankedCandidate,
        totalpages: Option<u64>,
    ) -> io::Result<()> {
        let RankedCandidate { task, scan_index, memory, flags, verdict, explained, .. } = candidate;
        let (verdict, why) = match *verdict {
            Verdict::Chosen => (&br#""chosen""#[..], None),
            Verdict::Outscored => (&br#""outscored""#[..], None),
            Verdict::Unkillable(why) => (&br#""unkillable""#[..], Some(reason(why))),
            Verdict::PassedOver(why) => (&br#""passed_over""#[..], Some(reason(why))),
            Verdict::Blocking => (&br#""blocking""#[..], None),
        };
        let points = candidate.points();
        let share = points.zip(totalpages).and_then(|(points, total)| badness::share(points, total));
        out.reserve(ROOM);
        put(out, br#"{"pid":"#);
        number(out, task.pid);
        put(out, br#","tid":"#);
        number(out, task.tid);
        put(out, br#","comm":"#);
        name(out, &task.comm)?;
        put(out, br#","uid":"#);
        known(out, task.uid);
        put(out, br#","oom_score_adj":"#);
        known(out, task.oom_score_adj);
        put(out, b",");
        self.cgroup(out, task.cgroup.as_ref())?;
        put(out, br#","scan_index":"#);
        known(out, *scan_index);
        put(out, br#","verdict":"#);
        put(out, verdict);
        put(out, br#","reason":"#);
        word(out, why);
        put(out, br#","points":"#);
        known(out, points);
        put(out, br#","share":"#);
        known(out, share);
        parts(out, memory.unwrap_or_default());
        put(out, br#","memory_exact":"#);
        match explained {
            None => put(out, br#"null,"explained":null"#),
            Some(Explained { points, difference, memory_pages, cause }) => {
                truth(out, *difference == 0);
                put(out, br#","explained":{"points":"#);
                number(out, *points);
                put(out, br#","difference":"#);
                number(out, *difference);
                put(out, br#","memory_pages":"#);
                number(out, *memory_pages);
                put(out, br#","cause":"#);
                word(out, cause.map(Cause::word));
                put(out, b"}");
            }
        }
        put(out, br#","exiting":"#);
        truth(out, flags.has(TaskFlags::EXITING));
        put(out, br#","oom_victim":"#);
        truth(out, flags.has(TaskFlags::VICTIM));
        put(out, br#","oom_flag_origin":"#);
        truth(out, flags.has(TaskFlags::ORIGIN));
        put(out, b"}");
        Ok(())
    }

    /// The members that follow from the cgroup.
    fn cgroup(&mut self, out: &mut Vec<u8>, path: Option<&Name>) -> io::Result<()> {
        let Some(path) = path else {
            put(out, br#""cgroup":null,"container":null,"pod":null,"unit":null"#);
            return Ok(());
        };
        if let Some(members) = self.cgroups.get(path) {
            put(out, members);
            return Ok(());
        }
        let cgroup = CgroupJson { cgroup: Some(path.into()), owner: OwnerJson::of(Some(path), &self.names) };
        let object = serde_json::to_vec(&cgroup)?;
        let members = object.get(1..object.len() - 1).unwrap_or_default();
        put(out, members);
        self.kept += members.len() + path.len();
        if self.kept > KEPT {
            self.cgroups.clear();
            self.kept = members.len() + path.len();
        }
        self.cgroups.insert(path.clone(), members.into());
        Ok(())
    }
}

fn parts(out: &mut Vec<u8>, memory: Memory) {
    put(out, br#","rss_anon_pages":"#);
    known(out, memory.rss_anon_pages);
    put(out, br#","rss_file_pages":"#);
    known(out, memory.rss_file_pages);
    put(out, br#","rss_shmem_pages":"#);
    known(out, memory.rss_shmem_pages);
    put(out, br#","swap_entries":"#);
    known(out, memory.swap_entries);
    put(out, br#","total_vm_pages":"#);
    known(out, memory.total_vm_pages);
    put(out, br#","pgtables_bytes":"#);
    known(out, memory.pgtables_bytes);
    put(out, br#","rss_pages":"#);
    known(out, memory.resident_pages());
}

#[inline(always)]
fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
}

#[inline(always)]
fn number(out: &mut Vec<u8>, value: impl itoa::Integer) {
    put(out, itoa::Buffer::new().format(value).as_bytes());
}

#[inline(always)]
fn known(out: &mut Vec<u8>, value: Option<impl itoa::Integer>) {
    match value {
        Some(value) => number(out, value),
        None => put(out, b"null"),
    }
}

fn truth(out: &mut Vec<u8>, value: bool) {
    put(out, if value { b"true" } else { b"false" });
}

/// A word of this program's own, which needs no escapes.
fn word(out: &mut Vec<u8>, word: Option<&'static str>) {
    match word {
        Some(word) => {
            put(out, b"\"");
            put(out, word.as_bytes());
            put(out, b"\"");
        }
        None => put(out, b"null"),
    }
}

/// A name; nearly all are plain ASCII.
fn name(out: &mut Vec<u8>, name: &Name) -> io::Result<()> {
    let plain = |&byte: &u8| matches!(byte, 0x20..0x7f) && byte != b'"' && byte != b'\\';
    if !name.iter().all(plain) {
        return Ok(serde_json::to_writer(out, &NameJson::from(name))?);
    }
    put(out, b"\"");
    put(out, name);
    put(out, b"\"");
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::model::episode::{Person, Reason};
    use crate::model::observation::Score;

    fn written(all: &mut Candidates, candidate: &RankedCandidate, totalpages: Option<u64>) -> Value {
        let mut out = Vec::new();
        all.write(&mut out, candidate, totalpages).expect("memory does not fail");
        serde_json::from_slice(&out).expect("it is one object")
    }

    prop_compose! {
        fn any_candidate()(
            numbers in prop::array::uniform8(any::<u64>()), comm in prop::collection::vec(any::<u8>(), 0..20),
            cgroup in prop::option::of("/(kubepods/)?[ -~é]{0,40}"), points in prop::option::of(any::<i64>()),
            known in any::<bool>(), flags in any::<u32>(), verdict in 0..5,
        ) -> RankedCandidate {
            let [a, b, c, d, e, f, g, h] = numbers;
            let some = |value| Some(value).filter(|_| known);
            let memory = Memory {
                rss_anon_pages: Some(a), rss_file_pages: some(b), rss_shmem_pages: Some(c), swap_entries: some(d),
                pgtables_bytes: Some(e), total_vm_pages: some(f), rss_pages: some(g),
            };
            RankedCandidate {
                task: Person {
                    pid: g as i32, tid: h as i32, comm: Name::from(comm), uid: known.then_some(a as u32),
                    oom_score_adj: known.then_some(b as i16), cgroup: cgroup.as_deref().map(Name::from),
                },
                scan_index: known.then_some(c as u32),
                score: points.map_or(Score::NotScored, Score::Points),
                memory: (a % 3 > 0).then_some(memory),
                flags: TaskFlags(flags),
                verdict: match verdict {
                    0 => Verdict::Chosen,
                    1 => Verdict::Outscored,
                    2 => Verdict::Unkillable(Reason::AdjMin),
                    3 => Verdict::PassedOver(Reason::Kthread),
                    _ => Verdict::Blocking,
                },
                explained: known.then_some(Explained {
                    points: d as i64, difference: (e % 2) as i64, memory_pages: f as i64,
                    cause: (g % 2 == 0).then_some(Cause::Unknown),
                }),
            }
        }
    }

    proptest! {
        #[test]
        fn every_field_is_there_with_its_value(found in prop::collection::vec(any_candidate(), 1..4), total in any::<u64>()) {
            let mut all = Candidates::default();
            let names = Names::default();
            // The second time from what was kept.
            for candidate in found.iter().chain(&found) {
                let json = written(&mut all, candidate, Some(total));
                let task = &candidate.task;
                let memory = candidate.memory.unwrap_or_default();
                prop_assert_eq!(&json["pid"], task.pid);
                prop_assert_eq!(&json["tid"], task.tid);
                prop_assert_eq!(&json["comm"], &serde_json::to_value(NameJson::from(&task.comm)).expect("it is JSON"));
                prop_assert_eq!(&json["uid"], &json!(task.uid));
                prop_assert_eq!(&json["oom_score_adj"], &json!(task.oom_score_adj));
                prop_assert_eq!(&json["cgroup"], &json!(task.cgroup.as_ref().and_then(|path| path.as_utf8())));
                let owner = serde_json::to_value(OwnerJson::of(task.cgroup.as_ref(), &names)).expect("it is JSON");
                for member in ["container", "pod", "unit"] {
                    prop_assert_eq!(&json[member], &owner[member]);
                }
                prop_assert_eq!(&json["scan_index"], &json!(candidate.scan_index));
                let (verdict, reason) = match candidate.verdict {
                    Verdict::Chosen => ("chosen", None),
                    Verdict::Outscored => ("outscored", None),
                    Verdict::Unkillable(_) => ("unkillable", Some("adj_min")),
                    Verdict::PassedOver(_) => ("passed_over", Some("kthread")),
                    Verdict::Blocking => ("blocking", None),
                };
                prop_assert_eq!((&json["verdict"], &json["reason"]), (&json!(verdict), &json!(reason)));
                prop_assert_eq!(&json["points"], &json!(candidate.points()));
                let share = candidate.points().and_then(|points| badness::share(points, total));
                prop_assert_eq!(&json["share"], &json!(share));
                prop_assert_eq!(&json["rss_anon_pages"], &json!(memory.rss_anon_pages));
                prop_assert_eq!(&json["rss_file_pages"], &json!(memory.rss_file_pages));
                prop_assert_eq!(&json["rss_shmem_pages"], &json!(memory.rss_shmem_pages));
                prop_assert_eq!(&json["swap_entries"], &json!(memory.swap_entries));
                prop_assert_eq!(&json["pgtables_bytes"], &json!(memory.pgtables_bytes));
                prop_assert_eq!(&json["rss_pages"], &json!(memory.resident_pages()));
                prop_assert_eq!(&json["total_vm_pages"], &json!(memory.total_vm_pages));
                let explained = candidate.explained.map(|it| json!({
                    "points": it.points, "difference": it.difference, "memory_pages": it.memory_pages,
                    "cause": it.cause.map(Cause::word),
                }));
                prop_assert_eq!(&json["explained"], &json!(explained));
                prop_assert_eq!(&json["memory_exact"], &json!(candidate.explained.map(|it| it.difference == 0)));
                for (member, flag) in [
                    ("exiting", TaskFlags::EXITING), ("oom_victim", TaskFlags::VICTIM), ("oom_flag_origin", TaskFlags::ORIGIN),
                ] {
                    prop_assert_eq!(&json[member], candidate.flags.has(flag));
                }
                prop_assert_eq!(json.as_object().map(serde_json::Map::len), Some(26));
            }
        }
    }

    #[test]
    fn what_is_kept_of_cgroups_is_bounded() {
        let mut all = Candidates::default();
        let mut out = Vec::new();
        for i in 0..40_000 {
            out.clear();
            let path = Name::from(format!("/kubepods/pod{i}/{i:0>64}").as_str());
            all.cgroup(&mut out, Some(&path)).expect("memory does not fail");
            assert!(out.starts_with(br#""cgroup":"/kubepods/pod"#));
        }
        let kept: usize = all.cgroups.iter().map(|(path, members)| path.len() + members.len()).sum();
        assert_eq!(all.kept, kept);
        assert!(kept <= KEPT);
        assert!(all.cgroups.len() > 1000);
    }
}
