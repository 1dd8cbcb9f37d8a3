//! Records are built here field by field, from the wire's offsets.

use core::mem::offset_of;

use oomtrace_common::{
    UNKNOWN_I16, UNKNOWN_U32, UNKNOWN_U64,
    record::{self as wire, flag, kind},
};
use proptest::prelude::*;

use super::{DecodeError, context::Context, decode as decode_into};
use crate::model::{
    Name, Observation,
    observation::{ReaperStage, Score, TaskFlags},
};

const NO_LIMIT: u64 = i64::MAX as u64 / 4096;

/// The one observation of a record.
fn decode(record: &[u8], page_counter_max: u64) -> Result<Observation, DecodeError> {
    let mut out = Vec::new();
    decode_into(record, &Context { page_counter_max, ..Context::default() }, &mut out)?;
    assert_eq!(out.len(), 1);
    Ok(out.remove(0))
}

/// A record of `len` bytes with a right header.
fn record(kind: u16, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    bytes[..2].copy_from_slice(&kind.to_le_bytes());
    bytes[4..8].copy_from_slice(&u32::try_from(len).unwrap().to_le_bytes());
    bytes[8..16].copy_from_slice(&77u64.to_le_bytes());
    bytes[16..24].copy_from_slice(&5u64.to_le_bytes());
    bytes
}

fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    bytes[offset..offset + value.len()].copy_from_slice(value);
}

#[test]
fn a_victim_of_the_tracepoint_and_what_its_record_may_lack() {
    use oomtrace_common::mark::Victim;
    let context = Context { page_size: 16384, ..Context::default() };
    let decoded = |bytes: &[u8]| {
        let mut out = Vec::new();
        decode_into(bytes, &context, &mut out).unwrap();
        match <[_; 1]>::try_from(out) {
            Ok([Observation::Marked(marked)]) => marked,
            other => panic!("{other:?}"),
        }
    };
    let mut bytes = record(kind::VICTIM, size_of::<Victim>());
    put(&mut bytes, offset_of!(Victim, tid), &4711i32.to_le_bytes());
    put(&mut bytes, offset_of!(Victim, uid), &1000u32.to_le_bytes());
    put(&mut bytes, offset_of!(Victim, anon_kb), &160u64.to_le_bytes());
    put(&mut bytes, offset_of!(Victim, pgtables_kb), &8u64.to_le_bytes());
    put(&mut bytes, offset_of!(Victim, oom_score_adj), &(-5i16).to_le_bytes());
    put(&mut bytes, offset_of!(Victim, comm), b"worker");
    let marked = decoded(&bytes);
    assert_eq!((marked.at.boot_ns, marked.tid, marked.pid, marked.uid), (77, 4711, None, Some(1000)));
    assert_eq!((marked.comm, marked.oom_score_adj), (Some(Name::from("worker")), Some(-5)));
    let memory = marked.memory.unwrap();
    assert_eq!((memory.rss_anon_pages, memory.rss_file_pages), (Some(10), Some(0)));
    assert_eq!((memory.pgtables_bytes, memory.swap_entries), (Some(8192), None));
    // Before 6.10 there is the thread's id alone.
    let sizes = offset_of!(Victim, total_vm_kb)..offset_of!(Victim, oom_score_adj);
    for at in sizes.step_by(8) {
        put(&mut bytes, at, &UNKNOWN_U64.to_le_bytes());
    }
    put(&mut bytes, offset_of!(Victim, uid), &UNKNOWN_U32.to_le_bytes());
    put(&mut bytes, offset_of!(Victim, oom_score_adj), &UNKNOWN_I16.to_le_bytes());
    put(&mut bytes, offset_of!(Victim, comm), &[0; 16]);
    let marked = decoded(&bytes);
    assert_eq!((marked.tid, marked.uid, marked.oom_score_adj), (4711, None, None));
    assert_eq!((marked.comm, marked.memory), (None, None));
}

#[test]
fn the_top_of_what_the_log_had_no_room_for_keeps_its_positions() {
    let mut bytes = record(kind::TOP, size_of::<wire::Top>());
    put(&mut bytes, offset_of!(wire::Top, count), &2u32.to_le_bytes());
    put(&mut bytes, offset_of!(wire::Top, positions), &9000u32.to_le_bytes());
    put(&mut bytes, offset_of!(wire::Top, positions) + 4, &8193u32.to_le_bytes());
    let second = offset_of!(wire::Top, tasks) + size_of::<wire::Task>();
    put(&mut bytes, second + offset_of!(wire::Task, flags), &flag::SCORED.to_le_bytes());
    put(&mut bytes, second + offset_of!(wire::Task, points), &77i64.to_le_bytes());
    let mut out = Vec::new();
    decode_into(&bytes, &Context::default(), &mut out).unwrap();
    let Ok([Observation::Candidates(first), Observation::Candidates(second)]) = <[_; 2]>::try_from(out)
    else {
        panic!("not two candidates")
    };
    assert_eq!((first.first, first.tasks.len()), (9000, 1));
    assert_eq!((second.first, second.tasks[0].score), (8193, Score::Points(77)));
    put(&mut bytes, offset_of!(wire::Top, count), &65u32.to_le_bytes());
    assert!(decode_into(&bytes, &Context::default(), &mut Vec::new()).is_err());
}

#[test]
fn who_is_to_be_chosen_first_is_chosen_without_a_score() {
    let head = size_of::<wire::BatchHeader>();
    let mut bytes = record(kind::CANDIDATES, head + 3 * size_of::<wire::Task>());
    put(&mut bytes, offset_of!(wire::BatchHeader, count), &3u32.to_le_bytes());
    for (i, flags) in [flag::ORIGIN, flag::ORIGIN | flag::VICTIM, flag::KTHREAD].into_iter().enumerate() {
        put(
            &mut bytes,
            head + i * size_of::<wire::Task>() + offset_of!(wire::Task, flags),
            &flags.to_le_bytes(),
        );
    }
    let Ok(Observation::Candidates(batch)) = decode(&bytes, NO_LIMIT) else { panic!("not a batch") };
    let chosen: Vec<_> = batch.tasks.iter().map(|task| task.flags.has(TaskFlags::CHOSEN)).collect();
    assert_eq!(chosen, [true, false, false]);
}

#[test]
fn a_batch_gives_its_candidates_in_order() {
    let head = size_of::<wire::BatchHeader>();
    let mut bytes = record(kind::CANDIDATES, head + 2 * size_of::<wire::Task>());
    put(&mut bytes, offset_of!(wire::BatchHeader, first), &512u32.to_le_bytes());
    put(&mut bytes, offset_of!(wire::BatchHeader, count), &2u32.to_le_bytes());
    let second = head + size_of::<wire::Task>();
    put(&mut bytes, head + offset_of!(wire::Task, flags), &(flag::NO_MM | flag::KTHREAD).to_le_bytes());
    put(&mut bytes, second + offset_of!(wire::Task, flags), &flag::SCORED.to_le_bytes());
    put(&mut bytes, second + offset_of!(wire::Task, points), &(-5i64).to_le_bytes());
    put(&mut bytes, second + offset_of!(wire::Task, comm), b"hog\0er/0");
    put(&mut bytes, second + offset_of!(wire::Task, total_vm), &UNKNOWN_U64.to_le_bytes());
    put(&mut bytes, second + offset_of!(wire::Task, rss_file), &(-3i64).to_le_bytes());
    put(&mut bytes, second + offset_of!(wire::Task, oom_score_adj), &(-998i16).to_le_bytes());

    let Ok(Observation::Candidates(batch)) = decode(&bytes, NO_LIMIT) else { panic!("not a batch") };
    assert_eq!((batch.at.boot_ns, batch.at.episode, batch.first), (77, 5, 512));
    assert_eq!(batch.tasks[0].score, Score::NotScored);
    assert_eq!(batch.tasks[0].memory, None);
    assert!(batch.tasks[0].flags.has(TaskFlags::KTHREAD));
    let task = &batch.tasks[1];
    assert_eq!(task.score, Score::Points(-5));
    assert_eq!(task.task.comm, Name::from("hog"));
    assert_eq!(task.task.oom_score_adj, Some(-998));
    assert_eq!(task.memory.unwrap().total_vm_pages, None);
    assert_eq!(task.memory.unwrap().rss_anon_pages, Some(0));
    assert_eq!(task.memory.unwrap().rss_file_pages, Some(0), "below zero for a moment");
    assert_eq!(task.flags, TaskFlags(0), "the bit for the score is not a fact about the task");
}

#[test]
fn a_batch_that_promises_more_than_it_holds_is_rejected() {
    let mut bytes = record(kind::CANDIDATES, size_of::<wire::BatchHeader>() + size_of::<wire::Task>());
    put(&mut bytes, offset_of!(wire::BatchHeader, count), &2u32.to_le_bytes());
    assert!(matches!(decode(&bytes, NO_LIMIT), Err(DecodeError::Short { kind: kind::CANDIDATES, .. })));
    put(&mut bytes, offset_of!(wire::BatchHeader, count), &u32::MAX.to_le_bytes());
    assert!(matches!(decode(&bytes, NO_LIMIT), Err(DecodeError::Value { field: "count", .. })));
}

#[test]
fn no_limit_is_not_a_limit() {
    let mut bytes = record(kind::MEMCG_LEVEL, size_of::<wire::MemcgLevel>());
    put(&mut bytes, offset_of!(wire::MemcgLevel, usage), &10u64.to_le_bytes());
    put(&mut bytes, offset_of!(wire::MemcgLevel, max), &NO_LIMIT.to_le_bytes());
    put(&mut bytes, offset_of!(wire::MemcgLevel, high), &20u64.to_le_bytes());
    put(&mut bytes, offset_of!(wire::MemcgLevel, swap_usage), &UNKNOWN_U64.to_le_bytes());
    let Ok(Observation::MemcgLevel(level)) = decode(&bytes, NO_LIMIT) else { panic!("not a level") };
    assert_eq!((level.usage_pages, level.max_pages, level.high_pages), (Some(10), None, Some(20)));
    assert_eq!(level.swap_usage_pages, None);
    assert_eq!(level.swap_max_pages, Some(0), "a limit of nothing is a limit");
    put(&mut bytes, offset_of!(wire::MemcgLevel, read_failed), &1u32.to_le_bytes());
    let Ok(Observation::MemcgLevel(level)) = decode(&bytes, NO_LIMIT) else { panic!("not a level") };
    assert_eq!((level.usage_pages, level.swap_max_pages), (None, None));
}

#[test]
fn what_a_level_does_not_have_is_unknown_and_zero_is_zero() {
    let mut bytes = record(kind::MEMCG_LEVEL, size_of::<wire::MemcgLevel>());
    put(&mut bytes, offset_of!(wire::MemcgLevel, failcnt), &12u64.to_le_bytes());
    put(&mut bytes, offset_of!(wire::MemcgLevel, min), &NO_LIMIT.to_le_bytes());
    put(&mut bytes, offset_of!(wire::MemcgLevel, kmem_usage), &UNKNOWN_U64.to_le_bytes());
    put(&mut bytes, offset_of!(wire::MemcgLevel, oom_group), &1u32.to_le_bytes());
    let Ok(Observation::MemcgLevel(level)) = decode(&bytes, NO_LIMIT) else { panic!("not a level") };
    assert_eq!((level.failcnt, level.swap_failcnt, level.oom_kills), (Some(12), Some(0), Some(0)));
    assert_eq!(level.min_pages, Some(NO_LIMIT), "a protection of everything is no missing one");
    assert_eq!((level.kmem_usage_pages, level.oom_group), (None, Some(true)));
    put(&mut bytes, offset_of!(wire::MemcgLevel, oom_group), &UNKNOWN_U32.to_le_bytes());
    put(&mut bytes, offset_of!(wire::MemcgLevel, read_failed), &1u32.to_le_bytes());
    let Ok(Observation::MemcgLevel(level)) = decode(&bytes, NO_LIMIT) else { panic!("not a level") };
    assert_eq!((level.failcnt, level.oom_kills, level.oom_group), (None, None, None));
}

#[test]
fn the_reapers_end_tells_what_could_be_read() {
    let mut bytes = record(kind::REAPED, size_of::<wire::Reaped>());
    put(&mut bytes, offset_of!(wire::Reaped, tid), &4711i32.to_le_bytes());
    let before = offset_of!(wire::Reaped, before);
    put(&mut bytes, before + offset_of!(wire::Memory, rss_anon), &9000u64.to_le_bytes());
    put(&mut bytes, before + offset_of!(wire::Memory, swapents), &UNKNOWN_U64.to_le_bytes());
    put(&mut bytes, offset_of!(wire::Reaped, known), &wire::reaped::BEFORE.to_le_bytes());
    let Ok(Observation::Reaper(reaper)) = decode(&bytes, NO_LIMIT) else { panic!("not the reaper") };
    assert_eq!((reaper.stage, reaper.tid, reaper.after), (ReaperStage::Finish, 4711, None));
    let memory = reaper.before.unwrap();
    assert_eq!(
        (memory.rss_anon_pages, memory.swap_entries, memory.rss_file_pages),
        (Some(9000), None, Some(0))
    );
}

#[test]
fn an_adjustment_names_both_sides() {
    let mut bytes = record(kind::ADJ_UPDATED, size_of::<wire::AdjUpdated>());
    put(&mut bytes, offset_of!(wire::AdjUpdated, tid), &31i32.to_le_bytes());
    put(&mut bytes, offset_of!(wire::AdjUpdated, oom_score_adj), &(-900i16).to_le_bytes());
    put(&mut bytes, offset_of!(wire::AdjUpdated, comm), b"database\0 old");
    let Ok(Observation::AdjUpdated(update)) = decode(&bytes, NO_LIMIT) else { panic!("not an adjustment") };
    assert_eq!((update.tid, update.oom_score_adj, update.comm), (31, -900, Name::from("database")));
    assert_eq!((update.by_pid, update.by_comm), (None, None));
    put(&mut bytes, offset_of!(wire::AdjUpdated, by_pid), &1i32.to_le_bytes());
    put(&mut bytes, offset_of!(wire::AdjUpdated, by_comm), b"systemd\0");
    let Ok(Observation::AdjUpdated(update)) = decode(&bytes, NO_LIMIT) else { panic!("not an adjustment") };
    assert_eq!((update.by_pid, update.by_comm), (Some(1), Some(Name::from("systemd"))));
    put(&mut bytes, offset_of!(wire::AdjUpdated, oom_score_adj), &UNKNOWN_I16.to_le_bytes());
    assert!(matches!(decode(&bytes, NO_LIMIT), Err(DecodeError::Value { field: "oom_score_adj", .. })));
}

#[test]
fn a_group_that_could_not_be_read_has_the_id_of_nobody() {
    let mut bytes = record(kind::OOM_GROUP, size_of::<wire::OomGroup>());
    put(&mut bytes, offset_of!(wire::OomGroup, cgroup), &UNKNOWN_U64.to_le_bytes());
    let Ok(Observation::OomGroup(group)) = decode(&bytes, NO_LIMIT) else { panic!("not a group") };
    assert_eq!((group.cgroup, group.at.episode), (0, 5));
}

/// A record of names with these ids.
fn names(ids: &[u64], names: &[u8]) -> Vec<u8> {
    let fixed = size_of::<wire::CgroupNames>();
    let mut bytes = record(kind::CGROUP, fixed + names.len());
    for (i, id) in ids.iter().enumerate() {
        put(&mut bytes, offset_of!(wire::CgroupNames, ids) + i * 8, &id.to_le_bytes());
    }
    put(&mut bytes, offset_of!(wire::CgroupNames, count), &u32::try_from(ids.len()).unwrap().to_le_bytes());
    put(&mut bytes, offset_of!(wire::CgroupNames, len), &u32::try_from(names.len()).unwrap().to_le_bytes());
    put(&mut bytes, fixed, names);
    bytes
}

#[test]
fn names_come_with_their_parents() {
    let mut out = Vec::new();
    decode_into(&names(&[7, 3, 1], b"b c\0a\0\0"), &Context::default(), &mut out).unwrap();
    let nodes: Vec<_> = out
        .iter()
        .map(|observation| match observation {
            Observation::Cgroup(node) => (node.id, node.parent, node.name.to_string()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(nodes, [(7, Some(3), "b c".into()), (3, Some(1), "a".into()), (1, None, String::new())]);
}

#[test]
fn a_cgroup_deeper_than_what_is_captured_does_not_pass_for_a_root() {
    let ids: Vec<u64> = (1..=u64::from(wire::MAX_LEVELS)).rev().collect();
    let mut out = Vec::new();
    decode_into(&names(&ids, &b"x\0".repeat(ids.len())), &Context::default(), &mut out).unwrap();
    assert_eq!(out.len(), ids.len() - 1);
    assert!(out.iter().all(|o| matches!(o, Observation::Cgroup(node) if node.parent.is_some())));
}

#[test]
fn too_few_names_are_rejected() {
    let result = decode_into(&names(&[7, 3], b"b\0"), &Context::default(), &mut Vec::new());
    assert!(matches!(result, Err(DecodeError::Value { field: "len", .. })));
}

#[test]
fn zero_is_unknown_where_a_read_failed() {
    let mut bytes = record(kind::KILL, size_of::<wire::Subject>());
    let victim = offset_of!(wire::Subject, task);
    put(&mut bytes, victim + offset_of!(wire::Task, rss_anon), &7u64.to_le_bytes());
    put(&mut bytes, victim + offset_of!(wire::Task, flags), &flag::READ_FAILED.to_le_bytes());
    let Ok(Observation::Kill(kill)) = decode(&bytes, NO_LIMIT) else { panic!("not a kill") };
    let memory = kill.victim.memory.unwrap();
    assert_eq!((memory.rss_anon_pages, memory.rss_file_pages), (Some(7), None));
    assert_eq!((kill.victim.task.uid, kill.victim.task.oom_score_adj), (None, None));
}

#[test]
fn a_scan_that_never_began_has_no_constraint() {
    let mut bytes = record(kind::CLOSED, size_of::<wire::Closed>());
    let Ok(Observation::Closed(closed)) = decode(&bytes, NO_LIMIT) else { panic!("not a closing record") };
    assert_eq!((closed.totalpages, closed.constraint), (None, None));
    put(&mut bytes, offset_of!(wire::Closed, totalpages), &1u64.to_le_bytes());
    put(&mut bytes, offset_of!(wire::Closed, constraint), &7u32.to_le_bytes());
    let Ok(Observation::Closed(closed)) = decode(&bytes, NO_LIMIT) else { panic!("not a closing record") };
    assert_eq!(closed.constraint, None, "a kernel of the future");
    put(&mut bytes, offset_of!(wire::Closed, constraint), &3u32.to_le_bytes());
    let Ok(Observation::Closed(closed)) = decode(&bytes, NO_LIMIT) else { panic!("not a closing record") };
    assert!(closed.totalpages == Some(1) && closed.constraint.is_some());
}

#[test]
fn unknown_kinds_and_wrong_lengths_are_told_apart() {
    assert_eq!(decode(&record(999, 24), NO_LIMIT), Err(DecodeError::Kind(999)));
    assert!(matches!(decode(&[], NO_LIMIT), Err(DecodeError::Short { .. })));
    let mut bytes = record(kind::SIGNAL, size_of::<wire::Signal>());
    bytes.truncate(40);
    assert!(matches!(decode(&bytes, NO_LIMIT), Err(DecodeError::Length { .. })));
    bytes[4..8].copy_from_slice(&40u32.to_le_bytes());
    assert!(matches!(decode(&bytes, NO_LIMIT), Err(DecodeError::Short { kind: kind::SIGNAL, len: 40 })));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(kind in 0u16..40, mut body in prop::collection::vec(any::<u8>(), 0..4096), whole: bool) {
        if whole && body.len() >= 24 {
            let len = u32::try_from(body.len()).unwrap();
            body[..2].copy_from_slice(&kind.to_le_bytes());
            body[4..8].copy_from_slice(&len.to_le_bytes());
        }
        let _result = decode_into(&body, &Context::default(), &mut Vec::new());
    }
}
