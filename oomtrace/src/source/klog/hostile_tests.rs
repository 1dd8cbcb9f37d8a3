//! Broken, cut and hostile logs: never a panic, never a wrong number.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::model::observation::Candidate;

const LOGS: [&[u8]; 10] = [
    include_bytes!("../../../tests/corpus/logs/linux-2.6.18-uid.log"),
    include_bytes!("../../../tests/corpus/logs/linux-2.6.27-child.log"),
    include_bytes!("../../../tests/corpus/logs/linux-2.6.32-vendor.log"),
    include_bytes!("../../../tests/corpus/logs/linux-3.10-memcg-v1.log"),
    include_bytes!("../../../tests/corpus/logs/linux-4.4-child.log"),
    include_bytes!("../../../tests/corpus/logs/linux-4.19-memcg-v1.log"),
    include_bytes!("../../../tests/corpus/logs/linux-6.1-global.log"),
    include_bytes!("../../../tests/corpus/logs/linux-6.1-group-kill.log"),
    include_bytes!("../../../tests/corpus/logs/linux-6.1-names.log"),
    include_bytes!("../../../tests/corpus/logs/linux-7.3-global.log"),
];

fn read(lines: &[&[u8]]) -> (Vec<Observation>, Lost) {
    let assumed = Assumed { utc_offset_seconds: 0, latest_unix_seconds: 1_795_000_000 };
    let mut klog = Klog::new(SourceKind::Import, assumed);
    let mut found = Vec::new();
    for line in lines {
        klog.line(line, &mut found);
    }
    klog.finish(&mut found);
    (found, klog.end(Lost::default()).lost)
}

fn lines(log: &[u8]) -> Vec<&[u8]> {
    log.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect()
}

/// What observations say, as facts that can be compared one by one: a part of a log must not say what the whole does not.
fn facts(found: &[Observation]) -> HashSet<String> {
    let mut facts = HashSet::new();
    let mut add = |what: &str, value: &dyn std::fmt::Debug| {
        facts.insert(format!("{what} {value:?}"));
    };
    let task = |add: &mut dyn FnMut(&str, &dyn std::fmt::Debug), what: &str, candidate: &Candidate| {
        let Candidate { task, memory, .. } = candidate;
        for (part, value) in [("uid", task.uid.map(i64::from)), ("adj", task.oom_score_adj.map(i64::from))] {
            if let Some(value) = value {
                add(&format!("{what} {} {part}", task.tid), &value);
            }
        }
        if let Some(memory) = memory {
            for (part, value) in [
                ("anon", memory.rss_anon_pages),
                ("file", memory.rss_file_pages),
                ("shmem", memory.rss_shmem_pages),
                ("rss", memory.rss_pages),
                ("swap", memory.swap_entries),
                ("pgtables", memory.pgtables_bytes),
                ("vm", memory.total_vm_pages),
            ] {
                if let Some(value) = value {
                    add(&format!("{what} {} {part}", task.tid), &value);
                }
            }
        }
    };
    for observation in found {
        match observation {
            Observation::Opened(o) => {
                add("gfp", &o.gfp_mask);
                add("order", &o.order);
                add("trigger adj", &o.trigger.oom_score_adj);
            }
            Observation::MemcgLevel(o) => {
                add("usage", &o.usage_pages);
                add("max", &o.max_pages);
            }
            Observation::Candidates(run) => {
                run.tasks.iter().for_each(|candidate| task(&mut add, "task", candidate));
            }
            Observation::Kill(o) => task(&mut add, "kill", &o.victim),
            Observation::Report(o) => {
                add("score", &o.score);
                add("total", &o.totalpages);
            }
            Observation::ZoneMemory(o) => {
                let name = format!("zone {} {}", o.node, o.name);
                for (part, value) in
                    [("min", o.min_pages), ("present", o.present_pages), ("high", o.high_pages)]
                {
                    if value.is_some() {
                        add(&format!("{name} {part}"), &value);
                    }
                }
                if !o.free_blocks.is_empty() {
                    add(&format!("{name} blocks"), &o.free_blocks);
                }
            }
            Observation::Situation(o) => {
                for (part, value) in [
                    ("ram", o.ram_pages),
                    ("reserved", o.reserved_pages),
                    ("free swap", o.swap_free_pages),
                    ("swap", o.swap_total_pages),
                ] {
                    if value.is_some() {
                        add(part, &value);
                    }
                }
                for counter in &o.totals {
                    add("sum", counter);
                }
            }
            _ => {}
        }
    }
    facts.insert("gfp None".into());
    facts.insert("order None".into());
    facts.insert("trigger adj None".into());
    facts.insert("score None".into());
    facts.insert("total None".into());
    facts
}

#[test]
fn a_log_that_is_cut_says_nothing_that_the_whole_does_not() {
    for log in LOGS {
        let lines = lines(log);
        let whole = facts(&read(&lines).0);
        for at in 0..=lines.len() {
            for part in [&lines[..at], &lines[at..]] {
                let (found, _) = read(part);
                let more: Vec<_> = facts(&found).difference(&whole).cloned().collect();
                assert!(more.is_empty(), "cut at line {at}: {more:?}");
            }
        }
    }
}

#[test]
fn a_line_that_is_missing_takes_nothing_with_it_but_what_it_said() {
    for log in LOGS {
        let lines = lines(log);
        let whole = facts(&read(&lines).0);
        for at in 0..lines.len() {
            let part: Vec<&[u8]> = lines[..at].iter().chain(&lines[at + 1..]).copied().collect();
            let more: Vec<_> = facts(&read(&part).0).difference(&whole).cloned().collect();
            assert!(more.is_empty(), "without line {at}: {more:?}");
        }
    }
}

#[test]
fn a_line_that_is_cut_is_not_half_a_number() {
    for log in LOGS {
        let lines = lines(log);
        let whole = facts(&read(&lines).0);
        for at in 0..lines.len() {
            // Nobody can tell that a number at the end of a line had more digits.
            let within_number = |keep: usize| {
                lines[at]
                    .get(keep.wrapping_sub(1)..=keep)
                    .is_some_and(|two| two.iter().all(u8::is_ascii_digit))
            };
            let cuts = [lines[at].len() / 2, lines[at].len().saturating_sub(1)];
            for keep in cuts.into_iter().filter(|&keep| !within_number(keep)) {
                let mut part = lines.clone();
                part[at] = &lines[at][..keep];
                let (found, _) = read(&part);
                let more: Vec<_> = facts(&found).difference(&whole).cloned().collect();
                assert!(more.is_empty(), "line {at} cut at {keep}: {more:?}");
            }
        }
    }
}

const JUNK: &[u8] = b"9)(],:=\\x0aKk\n\r\0[<-";

/// Changes a log at random, a fixed number of times from fixed seeds; what comes out must be storable and explain itself.
#[test]
fn mutated_logs_do_no_harm() {
    for seed in 0..2000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut log = LOGS[random.usize(..LOGS.len())].to_vec();
        for _ in 0..random.usize(1..12) {
            let at = random.usize(..log.len());
            match random.u8(..6) {
                0 => log[at] = random.u8(..),
                1 => log.insert(at, JUNK[random.usize(..JUNK.len())]),
                2 => drop(log.drain(at..(at + random.usize(..40)).min(log.len()))),
                3 => {
                    let piece = log[at..(at + random.usize(..200)).min(log.len())].to_vec();
                    let to = random.usize(..log.len());
                    drop(log.splice(to..to, piece));
                }
                4 => {
                    let digits = log[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                    drop(log.splice(at..at + digits, *b"99999999999999999999"));
                }
                _ => log.truncate(at.max(1)),
            }
        }
        let (found, _) = read(&log.split(|&byte| byte == b'\n').collect::<Vec<_>>());
        let mut observations = found.into_iter();
        let Some(Observation::Origin(info)) = observations.next() else { continue };
        let mut assembler = crate::assemble::Assembler::new(&info);
        let mut episodes = Vec::new();
        let mut session = Vec::new();
        for observation in observations {
            let written = crate::session::format::append(
                &mut session,
                crate::session::format::FrameRef::Observation(&observation),
            );
            assert!(written.is_ok(), "seed {seed}");
            episodes.extend(assembler.push(observation));
        }
        episodes.extend(assembler.finish());
        for episode in &episodes {
            let explained = crate::explain::explain(episode, &info, &[]);
            assert!(explained.is_ok(), "seed {seed}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_harm(log in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = read(&log.split(|&byte| byte == b'\n').collect::<Vec<_>>());
    }

    #[test]
    fn lines_are_the_same_however_they_are_read(
        pieces in prop::collection::vec(("[a-z \\n]{0,40}|oom-killer: x\\n|.*Killed process 1\\n", 1..2000_usize), 0..20),
        step in 1..70_000_usize,
    ) {
        let mut log = Vec::new();
        for (piece, times) in &pieces {
            log.extend(piece.as_bytes().repeat(*times));
        }
        let mut lines = Lines::new(Steps { log: &log, step }).expect("words are constants");
        let mut found = Vec::new();
        while let Some(line) = lines.next_line(true).expect("memory does not fail") {
            found.push(line.to_vec());
        }
        let whole: Vec<&[u8]> = log.split(|&byte| byte == b'\n').collect();
        let whole = match whole.split_last() {
            Some((&[], rest)) => rest,
            _ => &whole[..],
        };
        // Long ones are cut.
        prop_assert_eq!(found.len(), whole.len());
        for (found, line) in found.iter().zip(whole) {
            prop_assert_eq!(&found[..], &line[..line.len().min(LONGEST)]);
        }
        // Those with words are found among all.
        let mut some = Lines::new(Steps { log: &log, step }).expect("words are constants");
        let mut worded = 0;
        while let Some(line) = some.next_line(false).expect("memory does not fail") {
            prop_assert!(bytes::find(line, b"oom-kill").is_some() || bytes::find(line, b"illed process").is_some());
            worded += 1;
        }
        let has_word = |line: &&&[u8]| {
            let line = &line[..line.len().min(LONGEST)];
            bytes::find(line, b"oom-kill").is_some() || bytes::find(line, b"illed process").is_some()
        };
        prop_assert_eq!(worded, whole.iter().filter(has_word).count());
    }
}

/// Reads a few bytes at a time.
struct Steps<'a> {
    log: &'a [u8],
    step: usize,
}

impl std::io::Read for Steps<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.step.min(buffer.len()).min(self.log.len());
        let (now, later) = self.log.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.log = later;
        Ok(count)
    }
}

#[test]
fn reports_of_several_cpus_may_be_mixed_when_the_kernel_tells_who_prints() {
    let strip = |log: &[u8], caller: &str| -> Vec<String> {
        let log = String::from_utf8(log.to_vec()).expect("these are");
        let with = |line: &str| {
            let (head, text) = line.split_once("] ").expect("every line has a stamp");
            format!("{head}][{caller}] {text}")
        };
        log.lines().map(with).collect()
    };
    let one = strip(LOGS[7], "  T157");
    let other = strip(include_bytes!("../../../tests/corpus/logs/linux-6.1-memcg.log"), "  T108");
    let alone = |log: &[String]| facts(&read(&log.iter().map(|line| line.as_bytes()).collect::<Vec<_>>()).0);
    let (first, second) = (alone(&one), alone(&other));
    // Stamps of two moments of one boot would be close: those of the second follow the first's.
    let mut mixed = Vec::new();
    let (mut left, mut right) = (one.iter(), other.iter());
    loop {
        let (a, b) = (left.next(), right.next());
        if a.is_none() && b.is_none() {
            break;
        }
        for line in [a, b].into_iter().flatten() {
            let (_, text) = line.split_once('[').expect("every line has a stamp");
            let (_, text) = text.split_once(']').expect("every line has a stamp");
            mixed.push(format!("[    5.000000]{text}"));
        }
    }
    let together = alone(&mixed);
    let both: HashSet<String> = first.union(&second).cloned().collect();
    assert_eq!(together, both);
}

#[test]
fn lines_of_two_machines_in_one_file_are_told_apart() {
    let name = |log: &[u8], host: &str| -> Vec<String> {
        let log = String::from_utf8(log.to_vec()).expect("these are");
        log.lines()
            .map(|line| {
                let (_, text) = line.split_once("] ").expect("every line has a stamp");
                format!("Nov  3 14:03:22 {host} kernel: {text}")
            })
            .collect()
    };
    let one = name(LOGS[6], "db1");
    let other = name(LOGS[7], "web1");
    let alone = |log: &[String]| facts(&read(&log.iter().map(|line| line.as_bytes()).collect::<Vec<_>>()).0);
    let mut mixed: Vec<String> = Vec::new();
    for at in 0..one.len().max(other.len()) {
        mixed.extend([one.get(at), other.get(at)].into_iter().flatten().cloned());
    }
    let both: HashSet<String> = alone(&one).union(&alone(&other)).cloned().collect();
    assert_eq!(alone(&mixed), both);
}

#[test]
fn names_that_look_like_the_report_itself() {
    for comm in [
        "a) total-vm:1kB",
        "b, c=d",
        "x] [1] 2 3",
        ",pid=1,uid=2",
        "Killed process",
        ",task=e,pid=3",
        "a: b (c) d",
    ] {
        let log = format!(
            "[    1.000000] {comm} invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n\
             [    1.000001] CPU: 1 PID: 77 Comm: {comm} Not tainted 6.1.0 #1\n\
             [    1.000002] [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name\n\
             [    1.000003] [     77]     5    77      827      433    40960        0             0 {comm}\n\
             [    1.000004] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,\
             task_memcg=/a,task={comm},pid=77,uid=5\n\
             [    1.000005] Out of memory: Killed process 77 ({comm}) total-vm:3308kB, anon-rss:1732kB, file-rss:0kB, \
             shmem-rss:0kB, UID:5 pgtables:40kB oom_score_adj:0\n"
        );
        let (found, lost) = read(&lines(log.as_bytes()));
        assert_eq!(lost, Lost::default(), "{comm}");
        for observation in &found {
            match observation {
                Observation::Cgroup(o) => assert_eq!(o.path.as_deref(), Some(&b"/a"[..]), "{comm}"),
                Observation::Opened(o) => {
                    assert_eq!((&o.trigger.comm[..], o.trigger.tid), (comm.as_bytes(), 77));
                }
                Observation::Candidates(o) => assert_eq!(&o.tasks[0].task.comm[..], comm.as_bytes()),
                Observation::Choice(o) => {
                    let task = &o.chosen.task;
                    assert_eq!(
                        (&task.comm[..], task.pid, task.uid),
                        (comm.as_bytes(), 77, Some(5)),
                        "{comm}"
                    );
                }
                Observation::Kill(o) => {
                    let task = &o.victim.task;
                    assert_eq!(
                        (&task.comm[..], task.pid, task.uid),
                        (comm.as_bytes(), 77, Some(5)),
                        "{comm}"
                    );
                    assert_eq!(o.victim.memory.and_then(|memory| memory.rss_anon_pages), Some(433));
                }
                _ => {}
            }
        }
    }
}
