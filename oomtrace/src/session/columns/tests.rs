//! What is written is read; what is damaged is no other run.

use proptest::prelude::*;

use crate::model::Name;
use crate::model::observation::{Candidate, Candidates, Memory, Score, Stamp, Task, TaskFlags};

use super::{Points, Writer, read, unzigzag, zigzag};

fn part() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(prop_oneof![0..5000u64, (0..u64::MAX)])
}

fn memory() -> impl Strategy<Value = Memory> {
    let pgtables =
        prop::option::of(prop_oneof![(0..5000u64).prop_map(|pages| pages * 4096), 0..u64::MAX / 2]);
    (part(), part(), part(), part(), pgtables, part()).prop_map(
        |(anon, file, shmem, swap, pgtables, total)| Memory {
            rss_anon_pages: anon,
            rss_file_pages: file,
            rss_shmem_pages: shmem,
            swap_entries: swap,
            pgtables_bytes: pgtables,
            total_vm_pages: total,
            rss_pages: total.filter(|_| anon.or(file).or(shmem).is_none()),
        },
    )
}

fn score() -> impl Strategy<Value = Score> {
    prop_oneof![
        Just(Score::NotScored),
        Just(Score::Unkillable),
        Just(Score::Unknown),
        any::<i64>().prop_map(Score::Points)
    ]
}

prop_compose! {
    fn candidate()(
        pid in any::<i32>(), thread in prop::option::of(any::<i32>()), comm in prop::sample::select(vec!["a", "bash", "", "é\n"]),
        long in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)), uid in prop::option::of(any::<u32>()),
        oom_score_adj in prop::option::of(any::<i16>()), cgroup in prop::option::of(0..1000u64), score in score(),
        memory in prop::option::of(memory()), flags in any::<u32>(),
    ) -> Candidate {
        let comm = long.map_or(Name::from(comm), Name::from);
        let task = Task { pid, tid: thread.unwrap_or(pid), comm, uid, oom_score_adj, cgroup };
        Candidate { task, score, memory, flags: TaskFlags(flags) }
    }
}

prop_compose! {
    fn run()(
        boot_ns in any::<u64>(), episode in any::<u64>(), first in any::<u32>(),
        tasks in prop::collection::vec(candidate(), 0..20),
    ) -> Candidates {
        Candidates { at: Stamp { boot_ns, episode }, first, tasks }
    }
}

fn written(run: &Candidates) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut writer = Writer::default();
    writer.gather(run)?;
    writer.write(&mut out, run);
    Some(out)
}

proptest! {
    #[test]
    fn what_is_written_is_read(first in run(), second in run()) {
        let mut writer = Writer::default();
        // Nothing of one run is left for the next.
        for run in [first, second] {
            let mut out = Vec::new();
            prop_assert_eq!(writer.gather(&run), Some(()));
            writer.write(&mut out, &run);
            prop_assert_eq!(read(&out).map_err(|error| error.to_string()), Ok(run));
        }
    }

    #[test]
    fn damage_is_read_without_panic(run in run(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut out = written(&run).expect("it fits");
        let place = at.index(out.len());
        out[place] = byte;
        let _ = read(&out);
        out.truncate(place);
        prop_assert!(read(&out).is_err());
    }

    #[test]
    fn signs(value in any::<i64>()) {
        prop_assert_eq!(unzigzag(zigzag(value)), value);
    }

    #[test]
    fn points_of_any_size(all in prop::collection::vec((any::<i64>(), memory(), prop::option::of(any::<i16>())), 0..9)) {
        let (mut there, mut back) = (Points::default(), Points::default());
        for (points, memory, adj) in all {
            let surprise = there.surprise(points, &memory, adj);
            prop_assert_eq!(back.points(surprise, &memory, adj), points);
        }
    }
}

#[test]
fn what_does_not_fit_is_not_written() {
    let memory = |memory| Candidate { memory: Some(memory), ..Candidate::default() };
    let fits = Memory { total_vm_pages: Some(u64::MAX - 1), ..Memory::default() };
    for (candidate, does) in [
        (memory(fits), true),
        (memory(Memory { total_vm_pages: Some(u64::MAX), ..fits }), false),
        (memory(Memory { pgtables_bytes: Some(u64::MAX / 2 + 2), ..fits }), false),
        (memory(Memory { pgtables_bytes: Some(u64::MAX - 4095), ..fits }), true),
    ] {
        let run = Candidates { at: Stamp::default(), first: 0, tasks: vec![candidate] };
        match written(&run) {
            Some(payload) => assert!(does && read(&payload).expect("it was written") == run, "{run:?}"),
            None => assert!(!does, "{run:?}"),
        }
    }
}

#[test]
fn points_by_the_formula_cost_a_byte() {
    let memory = |anon| Memory {
        rss_anon_pages: Some(anon),
        rss_file_pages: Some(7),
        rss_shmem_pages: Some(0),
        swap_entries: Some(3),
        pgtables_bytes: Some(5 * 4096),
        total_vm_pages: Some(9),
        rss_pages: None,
    };
    let mut points = Points::default();
    assert_eq!(points.surprise(1000 + 15 + 936_000, &memory(1000), Some(936)), 936_000);
    assert_eq!(points.surprise(77_000 + 15 + 936_000, &memory(77_000), Some(936)), 0);
    assert_eq!(points.surprise(50 + 15, &memory(50), Some(0)), 0);
}

#[test]
fn a_count_is_not_believed() {
    // 2^32 - 1 candidates, of which there is no state.
    assert!(read(b"\xa3\x00\xa2\x00\x05\x01\x06\x01\x00\x02\x1a\xff\xff\xff\xff").is_err());
}

#[test]
fn columns_of_a_newer_writer_are_passed_over() {
    let run = Candidates { at: Stamp::default(), first: 3, tasks: vec![Candidate::default()] };
    let mut payload = written(&run).expect("it fits");
    // One more entry in the map.
    payload[0] += 1;
    payload.extend(b"\x18\x63\x41x");
    assert_eq!(read(&payload).expect("it is read"), run);
}
