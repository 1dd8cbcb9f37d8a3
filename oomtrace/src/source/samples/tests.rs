use std::fs;

use super::*;
use crate::model::sample::{Item, Psi};

const MEMINFO: &str = "MemTotal:       24684092 kB\nMemFree:         7338440 kB\nMemAvailable:   23797552 kB\n\
    Cached:         16172584 kB\nHugePages_Total:       3\nSwapTotal:             0 kB\nShmem:  8856 kB\nDirty:  16";
const PRESSURE: &str = "some avg10=61.20 avg60=0.00 avg300=0.13 total=40960614\n\
    full avg10=0.07 avg60=0.00 avg300=0.04 total=12010970\n";

/// A machine in a directory: memcgs of version 2 with usage and limit, by path.
fn machine(cgroups: &[(&str, u64, &str)]) -> (tempfile::TempDir, Hierarchy) {
    let root = tempfile::tempdir().expect("a directory");
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a directory");
        fs::write(path, text).expect("it can be written");
    };
    write("proc/meminfo", MEMINFO);
    write("proc/pressure/memory", PRESSURE);
    fs::create_dir(root.path().join("cgroup")).expect("a directory");
    for (path, usage, limit) in cgroups {
        write(&format!("cgroup/{path}/memory.current"), &format!("{usage}\n"));
        write(&format!("cgroup/{path}/memory.max"), &format!("{limit}\n"));
    }
    let hierarchy = Hierarchy { version: 2, mount: root.path().join("cgroup") };
    (root, hierarchy)
}

fn beat(root: &tempfile::TempDir, hierarchy: Option<&Hierarchy>) -> Heartbeat {
    Heartbeat::new(&root.path().join("proc"), hierarchy, Duration::from_secs(5), 0)
}

const SECOND: u64 = 1_000_000_000;

fn top(sample: &Sample) -> Vec<(String, u64, Option<u64>)> {
    let look = sample.cgroups.as_ref().expect("it looked");
    look.top.iter().map(|usage| (usage.path.to_string(), usage.usage_bytes, usage.limit_bytes)).collect()
}

#[test]
fn a_sample_is_what_the_files_say() {
    let (root, hierarchy) = machine(&[("a", 70, "100"), ("a/b", 60, "max"), ("c", 30, "max")]);
    let mut beat = beat(&root, Some(&hierarchy));
    beat.look(7);
    let taken = beat.take().expect("there is one").0;
    let [sample] = &taken[..] else { panic!("{taken:?}") };
    assert_eq!(sample.bytes(Item::MemTotal), Some(24_684_092 * 1024));
    assert_eq!(sample.bytes(Item::SwapTotal), Some(0));
    // Not there, and cut off.
    assert_eq!((sample.bytes(Item::SwapFree), sample.bytes(Item::Dirty)), (None, None));
    assert_eq!(sample.some, Some(Psi { avg10: 6120, avg60: 0, avg300: 13, total_us: 40_960_614 }));
    assert_eq!(sample.full, Some(Psi { avg10: 7, avg60: 0, avg300: 4, total_us: 12_010_970 }));
    // By what is theirs alone: 60, 30, 10.
    assert_eq!(
        top(sample),
        [("/a/b".to_owned(), 60, None), ("/c".to_owned(), 30, None), ("/a".to_owned(), 70, Some(100))]
    );
}

#[test]
fn what_is_not_there_is_unknown() {
    let root = tempfile::tempdir().expect("a directory");
    let mut beat = Heartbeat::new(root.path(), None, Duration::from_secs(5), 0);
    beat.look(7);
    assert_eq!(beat.take(), Some(Samples(vec![Arc::new(Sample { boot_ns: 7, ..Sample::default() })])));
    assert_eq!(beat.take(), None);
    for bad in
        ["", "some avg10=1.00 avg60=1.00 avg300=1.00\n", "some avg10=x avg60=1.00 avg300=1.00 total=4\n"]
    {
        assert_eq!(pressure::parse(bad.as_bytes()), (None, None), "{bad}");
    }
}

#[test]
fn files_are_read_anew() {
    let (root, _) = machine(&[]);
    let mut beat = beat(&root, None);
    beat.look(0);
    fs::write(root.path().join("proc/meminfo"), "MemFree: 5 kB\n").expect("it can be written");
    beat.look(5 * SECOND);
    let taken = beat.take().expect("there are two").0;
    let free: Vec<_> = taken.iter().map(|sample| sample.bytes(Item::MemFree)).collect();
    assert_eq!(free, [Some(7_338_440 * 1024), Some(5 * 1024)]);
}

#[test]
fn they_come_at_their_time() {
    let (root, hierarchy) = machine(&[("a", 1, "max")]);
    let mut beat = beat(&root, Some(&hierarchy));
    let mut looked = Vec::new();
    // Timers are a little late.
    for n in 0..40 {
        beat.look(beat.due_ns() + n * 1000);
        beat.look(beat.due_ns() - 1);
    }
    let taken = beat.take().expect("there are some").0;
    assert_eq!(taken.len(), 40);
    looked.extend(taken.iter().zip(0..).filter(|(sample, _)| sample.cgroups.is_some()).map(|(_, n)| n));
    assert_eq!(looked, [0, 6, 12, 18, 24, 30, 36]);
}

#[test]
fn they_are_held_back_longer_while_there_is_memory() {
    let (root, _) = machine(&[]);
    let mut beat = beat(&root, None);
    let mut handed_on = |from: u64, until: u64| {
        let mut when = Vec::new();
        for second in (from..until).step_by(5) {
            beat.look(second * SECOND);
            if beat.is_due() {
                when.push((second, beat.take().expect("it is due").0.len()));
            }
        }
        when
    };
    assert_eq!(handed_on(0, 1300), [(600, 121), (1205, 121)]);
    fs::write(root.path().join("proc/meminfo"), "MemTotal: 1000 kB\nMemAvailable: 20 kB\n").expect("written");
    assert_eq!(handed_on(1300, 1400), [(1300, 19), (1335, 7), (1370, 7)]);
}

#[test]
fn a_look_costs_no_more_than_its_budget() {
    let names: Vec<String> = (0..600).map(|n| format!("slice/job{n}")).collect();
    let mut cgroups: Vec<(&str, u64, &str)> = vec![("slice", 1_000_000, "max"), ("big", 500_000, "max")];
    cgroups.extend(names.iter().map(|name| (name.as_str(), 1, "max")));
    let (root, hierarchy) = machine(&cgroups);
    let mut beat = beat(&root, Some(&hierarchy));
    beat.look(0);
    let taken = beat.take().expect("there is one").0;
    assert!(taken[0].cgroups.as_ref().is_some_and(|look| look.cut && look.top.len() == 8));
    assert_eq!(top(&taken[0])[1], ("/big".to_owned(), 500_000, None));
}

#[test]
fn the_heaviest_are_found_though_the_tree_is_too_large() {
    // A hundred slices of a hundred each; one has nearly everything.
    let mut cgroups = Vec::new();
    for slice in 0..100 {
        let heavy = slice == 77;
        cgroups.push((format!("s{slice}"), if heavy { 9_000 } else { 100 }));
        cgroups.extend((0..20).map(|n| (format!("s{slice}/j{n}"), if heavy && n == 9 { 8_000 } else { 1 })));
    }
    let cgroups: Vec<_> = cgroups.iter().map(|(path, usage)| (path.as_str(), *usage, "max")).collect();
    let (root, hierarchy) = machine(&cgroups);
    let mut beat = beat(&root, Some(&hierarchy));
    beat.look(0);
    let taken = beat.take().expect("there is one").0;
    assert!(taken[0].cgroups.as_ref().is_some_and(|look| look.cut));
    assert_eq!(top(&taken[0])[0], ("/s77/j9".to_owned(), 8_000, None));
}

#[test]
fn this_machine_has_memory() {
    let mut beat = Heartbeat::new(Path::new("/proc"), None, Duration::from_secs(5), 0);
    beat.look(0);
    let taken = beat.take().expect("there is one").0;
    let total = taken[0].bytes(Item::MemTotal);
    let sysinfo = rustix::system::sysinfo();
    assert_eq!(total, Some(sysinfo.totalram * u64::from(sysinfo.mem_unit)));
}
