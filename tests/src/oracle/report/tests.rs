//! The reader on reports of real kernels, as the scenarios captured them in guests (Debian's cloud kernels of the version in
//! the file's name), and on lines that it must refuse.

use super::{Parts, Report, Reports};

/// Parses a captured log: each line a time in brackets and the message, escaped as `escape_ascii` does.
fn parse(log: &str) -> Reports {
    let messages: Vec<Vec<u8>> =
        log.lines().map(|line| unescape(line.split_once("] ").expect("a line has a time").1)).collect();
    Reports::parse(messages.iter().map(Vec::as_slice)).expect("a captured report is readable")
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next().expect("an escape has a letter") {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'x' => {
                let hex = [rest.next().unwrap(), rest.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    bytes
}

fn only(log: &str) -> Report {
    let mut all = parse(log);
    assert!(all.bare_kills.is_empty());
    assert_eq!(all.reports.len(), 1);
    all.reports.pop().unwrap()
}

#[test]
fn a_group_kill_names_its_first_victim_twice() {
    let report = only(include_str!("group-kill-5.10.log"));
    assert_eq!(report.trigger_comm, b"guest");
    assert_eq!((report.trigger_tid, report.gfp_mask, report.order), (Some(504), 0xcc0, 0));
    assert_eq!(report.trigger_adj, 1000);
    assert_eq!(report.rows.len(), 7);
    let hog = report.row(504).unwrap();
    assert_eq!((hog.total_vm, hog.rss, hog.parts, hog.pgtables_bytes), (1989, 1747, None, 49152));
    assert_eq!(report.group.as_deref(), Some("/group_kill/doomed"));
    assert_eq!(report.kills.len(), 6);
    assert_eq!(report.killed(), [504, 498, 499, 500, 501]);
    assert!(report.is_of("/group_kill"));
    assert!(!report.is_of("/group_kill/doomed"));
}

#[test]
fn names_of_any_bytes_are_read() {
    let report = only(include_str!("names-6.12.log"));
    let names: Vec<_> = report.rows.iter().map(|row| row.name.as_slice()).collect();
    assert_eq!(names[0], b"two words");
    assert_eq!(names[1], b" leads with one");
    assert_eq!(names[2], b"trails ");
    assert_eq!(names[5], b"new\nline");
    assert_eq!(names[9], b"back\\slash\\x41");
    assert_eq!(names[10], b"\xff\xfe\x80latin\xe9");
    assert_eq!(names[17], b"");
    assert_eq!(report.kills[0].comm, b"b\xe4d \"h)o\ng");
    assert_eq!(report.killed(), [654]);
    assert_eq!(report.rows[18].parts, Some(Parts { anon: 1152, file: 0, shmem: 684 }));
}

#[test]
fn the_log_names_the_thread_of_a_leaderless_process() {
    let report = only(include_str!("exited-leader-7.3.log"));
    assert_eq!(report.kills[0].tid, 539);
    assert_eq!(report.summary.as_ref().unwrap().pid, 538);
    assert_eq!(report.killed(), [538]);
}

#[test]
fn each_fruitless_search_is_a_report() {
    let all = parse(include_str!("none-killable-6.1.log"));
    assert_eq!(all.reports.len(), 2);
    for report in &all.reports {
        assert!(report.none_killable);
        assert!(report.summary.is_none() && report.kills.is_empty());
        assert_eq!(report.rows.len(), 7);
        assert!(report.rows.iter().all(|row| row.oom_score_adj == -1000));
    }
}

#[test]
fn sysrq_has_order_minus_one() {
    let report = only(include_str!("sysrq-7.3.log"));
    assert_eq!((report.order, report.trigger_tid), (-1, Some(9)));
    assert_eq!(report.trigger_comm, b"kworker/0:0");
    let summary = report.summary.unwrap();
    assert_eq!((summary.constraint.as_str(), summary.oom_memcg), ("CONSTRAINT_NONE", None));
}

#[test]
fn a_kill_beyond_the_rate_limit_belongs_to_no_report() {
    let report = b"a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0".as_slice();
    let kill =
        b"Memory cgroup out of memory: Killed process 7 (a) total-vm:8kB, anon-rss:4kB, file-rss:0kB, \
                 shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0"
            .as_slice();
    let all = Reports::parse([report, kill, kill]).unwrap();
    assert_eq!(all.reports[0].kills.len(), 1);
    assert_eq!(all.bare_kills.len(), 1);
}

#[test]
fn a_table_that_is_not_known_is_refused() {
    let report = b"a invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0".as_slice();
    let header = b"[  pid  ]   uid  tgid total_vm      rss oom_score_adj name".as_slice();
    assert!(Reports::parse([report, header]).is_err());
    let known =
        b"[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name".as_slice();
    assert!(Reports::parse([report, known, b"[      1]     0     1"]).is_err());
    assert!(Reports::parse([b"a invoked oom-killer: nonsense".as_slice()]).is_err());
}
