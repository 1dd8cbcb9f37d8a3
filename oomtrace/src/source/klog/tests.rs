//! Logs in all their forms: what is read must not depend on what stands before the kernel's text.

use super::*;
use crate::model::observation::Score;
use crate::model::report::{Report, Table};

const MEMCG: &str = include_str!("../../../tests/corpus/logs/linux-6.1-memcg.log");
const FIRST: &str = include_str!("../../../tests/corpus/logs/linux-2.6.27-child.log");
const ASSUMED: Assumed = Assumed { utc_offset_seconds: 0, latest_unix_seconds: 1_795_000_000 };

fn read(log: &[u8]) -> (Vec<Observation>, Lost) {
    let mut klog = Klog::new(SourceKind::Import, ASSUMED);
    let mut found = Vec::new();
    for line in log.split(|&byte| byte == b'\n') {
        klog.line(line, &mut found);
    }
    klog.finish(&mut found);
    (found, klog.end(Lost::default()).lost)
}

/// The kernel's lines of a log with `<6>[    1.234567] ` before each: stamp in µs, text.
fn lines(log: &str) -> Vec<(u64, &str)> {
    log.lines()
        .map(|line| {
            let (head, text) = line.split_once("] ").expect("every line has a stamp");
            let (_, stamp) = head.split_once('[').expect("every line has a stamp");
            let (seconds, fraction) = stamp.trim().split_once('.').expect("it is a number");
            let number = |digits: &str| digits.parse::<u64>().expect("it is a number");
            (number(seconds) * 1_000_000 + number(fraction), text)
        })
        .collect()
}

/// Observations without what depends on the clock.
fn timeless(found: &[Observation]) -> Vec<Observation> {
    let mut out = Vec::new();
    for observation in found {
        let mut observation = observation.clone();
        match &mut observation {
            Observation::Origin(_) => continue,
            Observation::Opened(o) => o.at.boot_ns = 0,
            Observation::MemcgLevel(o) => o.at.boot_ns = 0,
            Observation::Candidates(o) => o.at.boot_ns = 0,
            Observation::Choice(o) => o.at.boot_ns = 0,
            Observation::Kill(o) => o.at.boot_ns = 0,
            Observation::Signal(o) => o.at.boot_ns = 0,
            Observation::Stack(o) => o.at.boot_ns = 0,
            Observation::Situation(o) => o.at.boot_ns = 0,
            Observation::MemcgStat(o) => o.at.boot_ns = 0,
            Observation::Report(o) => o.at.boot_ns = 0,
            _ => {}
        }
        out.push(observation);
    }
    out
}

fn head(found: &[Observation]) -> &SessionInfo {
    match found.first() {
        Some(Observation::Origin(info)) => info,
        other => panic!("a head comes first, not {other:?}"),
    }
}

fn opened_ns(found: &[Observation]) -> u64 {
    let opened =
        found.iter().find_map(|o| if let Observation::Opened(o) = o { Some(o.at.boot_ns) } else { None });
    opened.expect("the report has its first line")
}

#[test]
fn every_form_of_a_log_says_the_same() {
    let (reference, _) = read(MEMCG.as_bytes());
    assert!(reference.len() > 8);
    let whole = timeless(&reference);
    let lines = lines(MEMCG);
    // 2026-11-03T14:03:15Z is the boot.
    const BOOT: u64 = 1_793_714_595;
    let unix = |us: u64| (BOOT + us / 1_000_000, us % 1_000_000);
    let clock = |us: u64| {
        let second = unix(us).0 - 1_793_664_000;
        format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
    };
    type Form<'a> = Box<dyn Fn(u64, &str) -> String + 'a>;
    let forms: Vec<(&str, bool, bool, Form<'_>)> = vec![
        // Name, whether it tells the time since boot, and the time of day.
        ("text alone", false, false, Box::new(|_, text| text.to_owned())),
        (
            "dmesg",
            true,
            false,
            Box::new(|us, text| format!("[{:5}.{:06}] {text}", us / 1_000_000, us % 1_000_000)),
        ),
        (
            "serial",
            true,
            false,
            Box::new(|us, text| format!("[{:5}.{:06}] {text}\r", us / 1_000_000, us % 1_000_000)),
        ),
        (
            "caller",
            true,
            false,
            Box::new(|us, text| format!("<6>[{:5}.{:06}][  T108] {text}", us / 1_000_000, us % 1_000_000)),
        ),
        (
            "kmsg",
            true,
            false,
            Box::new(|us, text| {
                let escaped = text.replace('\\', "\\x5c");
                format!("6,{us},{us},-,caller=T108;{escaped}")
            }),
        ),
        ("dmesg -T", false, true, Box::new(|us, text| format!("[Tue Nov  3 {} 2026] {text}", clock(us)))),
        (
            "dmesg --time-format iso",
            false,
            true,
            Box::new(|us, text| format!("2026-11-03T{},{:06}+00:00 {text}", clock(us), us % 1_000_000)),
        ),
        (
            "journalctl -k",
            false,
            true,
            Box::new(|us, text| format!("Nov 03 {} node1 kernel: {text}", clock(us))),
        ),
        (
            "short-precise",
            false,
            true,
            Box::new(|us, text| format!("Nov 03 {}.{:06} node1 kernel: {text}", clock(us), us % 1_000_000)),
        ),
        (
            "short-iso",
            false,
            true,
            Box::new(|us, text| format!("2026-11-03T{}+0000 node1 kernel: {text}", clock(us))),
        ),
        (
            "syslog",
            true,
            true,
            Box::new(|us, text| {
                format!(
                    "Nov  3 {} node1 kernel: [{:5}.{:06}] {text}",
                    clock(us),
                    us / 1_000_000,
                    us % 1_000_000
                )
            }),
        ),
        (
            "RFC 5424",
            false,
            true,
            Box::new(|us, text| {
                format!("<6>1 2026-11-03T{}.{:06}Z node1 kernel - - - {text}", clock(us), us % 1_000_000)
            }),
        ),
        (
            "journalctl -o json",
            true,
            true,
            Box::new(|us, text| {
                let (seconds, fraction) = unix(us);
                serde_json::json!({
                "MESSAGE": text, "_TRANSPORT": "kernel", "_HOSTNAME": "node1", "_BOOT_ID": "0123456789abcdef",
                "__REALTIME_TIMESTAMP": format!("{seconds}{fraction:06}"), "_SOURCE_MONOTONIC_TIMESTAMP": us.to_string(),
            })
            .to_string()
            }),
        ),
        (
            "json with bytes",
            true,
            true,
            Box::new(|us, text| {
                let (seconds, fraction) = unix(us);
                serde_json::json!({
                "MESSAGE": text.as_bytes(), "_TRANSPORT": "kernel",
                "__REALTIME_TIMESTAMP": format!("{seconds}{fraction:06}"), "_SOURCE_MONOTONIC_TIMESTAMP": us.to_string(),
            })
            .to_string()
            }),
        ),
    ];
    for (name, boot, wall, form) in forms {
        let log: Vec<String> = lines.iter().map(|(us, text)| form(*us, text)).collect();
        let (found, lost) = read(log.join("\n").as_bytes());
        assert!(timeless(&found) == whole, "{name}");
        assert_eq!(lost, Lost::default(), "{name}");
        let info = head(&found);
        let at = opened_ns(&found);
        let us = lines[0].0;
        assert_eq!(info.boot_ns(at), boot.then_some(us * 1000), "{name}");
        let seconds = info.unix_ns(at).map(|ns| ns.div_euclid(1_000_000_000));
        assert_eq!(seconds, wall.then_some(i128::from(unix(us).0)), "{name}");
        assert_eq!(info.kernel_release.as_deref(), Some("6.1.0-56-cloud-amd64"), "{name}");
    }
}

#[test]
fn a_report_of_2008_is_read_completely() {
    let (found, lost) = read(FIRST.as_bytes());
    assert_eq!(lost, Lost::default());
    let info = head(&found);
    assert_eq!(info.kernel_release.as_deref(), Some("2.6.27-gentoo-r8cluster-e1000"));
    let opened = found.iter().find_map(|o| if let Observation::Opened(o) = o { Some(o) } else { None });
    let opened = opened.expect("it has its first line");
    assert_eq!((&opened.trigger.comm[..], opened.trigger.tid), (&b"python"[..], 13996));
    assert_eq!((opened.gfp_mask, opened.order), (Some(0x12_00d2), Some(0)));
    let choice = found.iter().find_map(|o| if let Observation::Choice(o) = o { Some(o) } else { None });
    let chosen = &choice.expect("it names the chosen one").chosen;
    assert_eq!((&chosen.task.comm[..], chosen.task.pid, chosen.score), (&b"bash"[..], 12965, Score::Unknown));
    let kill = found.iter().find_map(|o| if let Observation::Kill(o) = o { Some(o) } else { None });
    let killed = &kill.expect("it names the killed one").victim;
    assert_eq!((&killed.task.comm[..], killed.task.pid, killed.memory), (&b"python"[..], 13996, None));
    let stack = found.iter().find_map(|o| if let Observation::Stack(o) = o { Some(o) } else { None });
    assert_eq!(stack.expect("it has a call trace").frames.len(), 6);
    let zones: Vec<_> = found
        .iter()
        .filter_map(|o| if let Observation::ZoneMemory(o) = o { Some(o) } else { None })
        .collect();
    assert_eq!(zones.len(), 2);
    assert_eq!((zones[0].present_pages, zones[0].min_pages), (Some(2091), Some(5)));
    assert_eq!(zones[1].free_blocks, [42, 6, 1, 0, 2, 1, 0, 0, 1, 0, 1]);
    let Some(Observation::Report(report)) = found.last() else { panic!("a report comes last") };
    let &Report { score, table, cut, unread, memcg, .. } = report;
    assert_eq!((score, table, cut, unread, memcg), (Some(2_236_480), None, false, 0, Some(false)));
}

#[test]
fn the_table_and_its_end_are_noticed() {
    let (found, _) = read(MEMCG.as_bytes());
    let Some(Observation::Report(report)) = found.last() else { panic!("a report comes last") };
    assert_eq!((report.table, report.totalpages, report.cut), (Some(Table::Whole), Some(7100), false));
    // A row whose numbers overflow is no row.
    let damaged = MEMCG.replace("     827      433", "     827      99999999999999999999999");
    let (found, lost) = read(damaged.as_bytes());
    let Some(Observation::Report(report)) = found.last() else { panic!("a report comes last") };
    assert_eq!((report.table, report.unread, lost.lines), (Some(Table::Part), 1, 1));
}

#[test]
fn a_kill_without_its_report_is_an_episode() {
    let log = "[    1.000000] Memory cgroup out of memory: Killed process 12 (a (b) c) total-vm:400kB, anon-rss:40kB, \
               file-rss:4kB, shmem-rss:0kB, UID:7 pgtables:44kB oom_score_adj:-5\n\
               [    9.000000] oom_reaper: reaped process 12 (a (b) c), now anon-rss:0kB, file-rss:4kB, shmem-rss:0kB\n\
               [   20.000000] oom_kill_process: 3 callbacks suppressed\n";
    let (found, lost) = read(log.as_bytes());
    let kill = found.iter().find_map(|o| if let Observation::Kill(o) = o { Some(o) } else { None });
    let victim = &kill.expect("it is told").victim;
    assert_eq!(
        (&victim.task.comm[..], victim.task.uid, victim.task.oom_score_adj),
        (&b"a (b) c"[..], Some(7), Some(-5))
    );
    assert!(found.iter().any(|o| matches!(o, Observation::Report(report) if report.kill_only)));
    assert!(
        found
            .iter()
            .any(|o| matches!(o, Observation::Reaper(reaper) if reaper.tid == 12 && reaper.at.episode == 1))
    );
    assert!(!found.iter().any(|o| matches!(o, Observation::Opened(_))));
    // One of the three was this one.
    assert_eq!(lost.reports, 3);
}

#[test]
fn logs_of_several_kernels_in_one_file_are_told_apart() {
    let other = include_str!("../../../tests/corpus/logs/linux-7.3-group-kill.log");
    // One without times, then one with, then another kernel at a later moment, and the first again: its clock went back.
    let (found, _) = read([FIRST, MEMCG, other, MEMCG].concat().as_bytes());
    let mut releases = Vec::new();
    for observation in &found {
        match observation {
            Observation::Origin(info) => releases.push((info.kernel_release.clone().unwrap_or_default(), 0)),
            Observation::Report(_) => releases.last_mut().expect("a head comes first").1 += 1,
            _ => {}
        }
    }
    let wanted = [
        ("2.6.27-gentoo-r8cluster-e1000", 1),
        ("6.1.0-56-cloud-amd64", 1),
        ("7.3.4+deb13-cloud-amd64", 1),
        ("6.1.0-56-cloud-amd64", 1),
    ];
    assert_eq!(releases, wanted.map(|(release, reports)| (release.to_owned(), reports)));
}

#[test]
fn swap_that_is_switched_on_counts() {
    let limited = MEMCG.replace("swap: usage 0kB, limit 0kB", "swap: usage 0kB, limit 2064kB");
    let total = |log: &str| {
        let (found, _) = read(log.as_bytes());
        let Some(Observation::Report(report)) = found.last() else { panic!("a report comes last") };
        (report.totalpages, report.totalpages_without_swap)
    };
    assert_eq!(total(&limited), (None, Some(7100)));
    let on = "<6>[    3.000000] Adding 1048572k swap on /dev/vda2.  Priority:-2 extents:1 across:1048572k\n";
    assert_eq!(total(&format!("{on}{limited}")), (Some(7100 + 516), None));
}

#[test]
fn other_programs_in_the_same_log_are_not_believed() {
    let log = "Nov  3 14:00:00 node1 sshd[1]: Out of memory: Killed process 12 (a)\n\
               {\"MESSAGE\":\"Out of memory: Killed process 12 (a)\",\"_TRANSPORT\":\"syslog\"}\n\
               Nov  3 14:00:00 node1 kernel: somebody says: Killed process 12 (a)\n";
    let (found, lost) = read(log.as_bytes());
    assert_eq!((found.as_slice(), lost), (&[][..], Lost::default()));
}
