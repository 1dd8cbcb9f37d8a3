//! A made-up machine in a temporary folder.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::model::Name;
use crate::rank::Process;

const PAGE: u32 = 4096;

struct Made {
    folder: TempDir,
}

impl Made {
    fn new() -> Self {
        let made = Self { folder: TempDir::new().expect("there is room for a folder") };
        made.write("proc/meminfo", "MemTotal:       524288 kB\nMemFree: 1 kB\nSwapTotal:      262144 kB\n");
        made.write("proc/sys/kernel/osrelease", "6.12.117+deb13-cloud-amd64\n");
        made.write("proc/sys/vm/swappiness", "60\n");
        made.write("proc/stat", "cpu  1 2\ncpu0 1\ncpu1 1\nctxt 5\n");
        made.write("proc/loadavg", "0.00 0.00 0.00 1/7 99\n");
        made.write("proc/self/ns/pid", "");
        made.mounts(&format!("{} cgroup2 rw", made.path("cgroup").display()), "rw");
        made.write("cgroup/cgroup.controllers", "cpu memory\n");
        made.write("cgroup/cgroup.procs", "");
        made
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it can be made");
        fs::write(path, text).expect("it can be written");
    }

    /// `cgroup` is `POINT KIND OPTIONS`.
    fn mounts(&self, cgroup: &str, proc_options: &str) {
        let words: Vec<&str> = cgroup.split(' ').collect();
        let proc = self.path("proc");
        let text = format!(
            "20 1 0:4 / {} rw - proc proc {proc_options}\n21 1 0:5 / {} rw - {} none {}\n",
            proc.display(),
            words[0],
            words[1],
            words[2]
        );
        self.write("proc/self/mountinfo", text);
    }

    fn process(&self, pid: i32, name: &[u8], flags: u32, started: u64, status: &str) {
        let mut stat = format!("{pid} (").into_bytes();
        stat.extend_from_slice(name);
        stat.extend_from_slice(
            format!(") S 1 1 1 0 -1 {flags} 0 0 0 0 0 0 0 0 20 0 1 0 {started} 0 111\n").as_bytes(),
        );
        self.write(&format!("proc/{pid}/stat"), stat);
        self.write(&format!("proc/{pid}/status"), status);
        self.write(&format!("proc/{pid}/oom_score_adj"), "-17\n");
        self.write(&format!("proc/{pid}/oom_score"), "650\n");
        self.write(&format!("proc/{pid}/cgroup"), "5:cpu,memory:/one\n0::/two\n");
    }

    fn root(&self) -> Root {
        Root::at(self.path("proc"))
    }

    fn machine(&self) -> Machine {
        self.root().machine(PAGE).expect("it is there")
    }

    fn hierarchy(&self) -> Hierarchy {
        self.root().hierarchy().expect("it is mounted")
    }

    fn memcg(&self, name: &str, files: &[(&str, &str)]) -> Memcg {
        self.write(&format!("cgroup{name}/memory.current"), "1\n");
        self.write(&format!("cgroup{name}/memory.usage_in_bytes"), "1\n");
        for (file, text) in files {
            self.write(&format!("cgroup{name}/{file}"), text);
        }
        self.hierarchy().memcg(Path::new(name)).expect("it was made")
    }
}

const STATUS: &str = "Name:\tx\nUid:\t1000\t0\t0\t0\nThreads:\t3\nVmSize:\t 4000 kB\nRssAnon:\t 400 kB\nRssFile:\t 40 kB\n\
    RssShmem:\t 4 kB\nVmPTE:\t 64 kB\nVmSwap:\t 8 kB\nCapEff:\t0000000000200000\n";

fn pids(reading: &Reading) -> Vec<i32> {
    reading.processes.iter().map(|it| it.pid).collect()
}

#[test]
fn the_machine_is_read() {
    let made = Made::new();
    let machine = made.machine();
    assert_eq!((machine.ram_pages, machine.swap_pages, machine.totalpages()), (131_072, 65_536, 196_608));
    assert_eq!(machine.kernel.and_then(|kernel| kernel.cpus), Some(2));
    assert_eq!((machine.hidepid, machine.all_pids), (None, Some(false)));
    made.mounts("/none cgroup2 rw", "rw,gid=5,hidepid=invisible");
    assert_eq!(made.machine().hidepid.as_deref(), Some("invisible"));
    made.write("proc/sys/kernel/osrelease", "rolling\n");
    assert_eq!(made.machine().kernel, None);
}

#[test]
fn what_every_machine_has_is_missed() {
    let made = Made::new();
    made.write("proc/meminfo", "MemTotal: 5 kB\n");
    assert!(matches!(made.root().machine(PAGE), Err(Error::Unexpected { what: "SwapTotal", .. })));
    fs::remove_file(made.path("proc/meminfo")).expect("it is there");
    assert!(matches!(made.root().machine(PAGE), Err(Error::Unreadable { .. })));
    made.mounts("/none tmpfs rw", "rw");
    assert!(made.root().hierarchy().is_err());
}

#[test]
fn a_process_is_read_as_the_scorer_would() {
    let made = Made::new();
    made.process(7, b"a) \xff", 0x4, 5, STATUS);
    let reading = made.root().all(PAGE, Some(&made.hierarchy()), true).expect("it can be listed");
    let memory = crate::model::observation::Memory {
        rss_anon_pages: Some(100),
        rss_file_pages: Some(10),
        rss_shmem_pages: Some(1),
        swap_entries: Some(2),
        pgtables_bytes: Some(65_536),
        total_vm_pages: Some(1000),
        rss_pages: None,
    };
    let process = Process {
        pid: 7,
        tid: 7,
        comm: Name::from(&b"a) \xff"[..]),
        uid: Some(1000),
        oom_score_adj: Some(-17),
        cgroup: Some(Name::from("/two")),
        memory: Some(memory),
        rss_pages: Some(111),
        init: false,
        kthread: false,
        exiting: true,
        sys_admin: Some(true),
        oom_score: Some(650),
    };
    assert_eq!(reading.processes, [process]);
    // 7 threads on the machine, 3 of them here.
    assert_eq!(reading.unseen.threads, Some(4));
}

#[test]
fn scores_are_not_read_unless_asked_for() {
    let made = Made::new();
    made.process(7, b"a", 0, 5, STATUS);
    fs::remove_file(made.path("proc/7/oom_score")).expect("it is there");
    let all = |scores| made.root().all(PAGE, None, scores).expect("it can be listed");
    assert_eq!(pids(&all(false)), [7]);
    assert_eq!((pids(&all(true)), all(true).unseen.gone), (vec![], 1));
}

#[test]
fn processes_come_in_the_order_in_which_they_were_made() {
    let made = Made::new();
    for (pid, started) in [(300, 10), (5, 900), (40, 10), (1, 0)] {
        made.process(pid, b"a", 0, started, STATUS);
    }
    made.process(2, b"kthreadd", 0x0020_0040, 0, "Name:\tkthreadd\nThreads:\t1\n");
    // Made up of whatever: no process, one without files, one that says nothing.
    made.write("proc/42/other", "");
    made.write("proc/43/stat", "43 (a) S\n");
    let reading = made.root().all(PAGE, None, false).expect("it can be listed");
    assert_eq!(pids(&reading), [1, 2, 40, 300, 5]);
    assert!(!reading.processes[0].init, "the first one of a container");
    fs::remove_file(made.path("proc/self/ns/pid")).expect("it is there");
    let reading = made.root().all(PAGE, None, false).expect("it can be listed");
    assert!(reading.processes[0].init && reading.processes[1].kthread);
    assert_eq!(reading.processes[1].memory, None);
    assert_eq!((reading.unseen.gone, reading.unseen.unexpected, reading.unseen.forbidden), (1, 1, 0));
}

#[test]
fn the_memory_of_an_exited_leader_is_that_of_its_threads() {
    let made = Made::new();
    made.process(7, b"a", 0x4, 5, "Name:\ta\nState:\tZ (zombie)\nThreads:\t2\n");
    made.write("proc/7/task/7/status", "Name:\ta\n");
    made.write("proc/7/task/9/status", STATUS);
    let reading = made.root().all(PAGE, None, false).expect("it can be listed");
    let process = &reading.processes[0];
    assert_eq!((process.pid, process.tid, process.rss_pages), (7, 9, None));
    assert_eq!(process.memory.and_then(|memory| memory.rss_anon_pages), Some(100));
    fs::remove_dir_all(made.path("proc/7/task/9")).expect("it is there");
    let reading = made.root().all(PAGE, None, false).expect("it can be listed");
    assert_eq!((reading.processes[0].tid, reading.processes[0].memory), (7, None));
}

#[test]
fn memcgs_are_found_by_either_path() {
    let made = Made::new();
    let memcg = made.memcg("/a/b", &[]);
    assert_eq!(memcg.path, "/a/b");
    let hierarchy = made.hierarchy();
    for path in ["a/b", "/a/b/", "//a/./b", made.path("cgroup/a/b").to_str().expect("it is UTF-8")] {
        assert_eq!(hierarchy.memcg(Path::new(path)).ok().as_ref(), Some(&memcg), "{path}");
    }
    assert_eq!(hierarchy.memcg(Path::new("/")).expect("the root is there").path, "/");
}

#[test]
fn what_is_no_memcg_is_told_with_what_there_is() {
    let made = Made::new();
    for name in ["z", "x", "y"] {
        made.memcg(&format!("/a/{name}"), &[]);
    }
    made.write("cgroup/bare/cgroup.procs", "");
    let message =
        |path: &str| made.hierarchy().memcg(Path::new(path)).expect_err("it is not there").to_string();
    assert!(message("/a/b/c").ends_with("in /a there are: x, y, z"), "{}", message("/a/b/c"));
    assert!(message("/a/x/c").ends_with("/a/x has none in it"), "{}", message("/a/x/c"));
    assert!(message("/c").ends_with("in / there are: a, bare"), "{}", message("/c"));
    assert!(message("/bare").contains("without the memory controller"), "{}", message("/bare"));
    assert!(message("/a/../etc").contains(".."), "{}", message("/a/../etc"));
    for number in 0..10 {
        made.memcg(&format!("/m/{number}"), &[]);
    }
    assert!(message("/m/none").ends_with("6, 7 and 2 more"), "{}", message("/m/none"));
}

#[test]
fn limits_of_version_2_take_the_swap_that_may_be_used() {
    let made = Made::new();
    let limit = |max: &str, swap: Option<&str>| {
        let memcg = made.memcg("/a", &[("memory.max", max)]);
        match swap {
            Some(swap) => made.write("cgroup/a/memory.swap.max", swap),
            None => drop(fs::remove_file(made.path("cgroup/a/memory.swap.max"))),
        }
        made.hierarchy().limit(&memcg, &made.machine(), PAGE).expect("the files are there")
    };
    assert_eq!(limit("4194304\n", Some("max\n")), Limit { max_pages: Some(1024), swap_pages: 65_536 });
    assert_eq!(limit("4194304\n", Some("8192\n")), Limit { max_pages: Some(1024), swap_pages: 2 });
    assert_eq!(limit("4194304\n", None), Limit { max_pages: Some(1024), swap_pages: 65_536 });
    assert_eq!(limit("max\n", Some("0\n")), Limit { max_pages: None, swap_pages: 0 });
    assert_eq!(limit("0\n", Some("0\n")).totalpages(), Some(1));
    assert_eq!(limit("max\n", Some("0\n")).totalpages(), None);
    made.write("proc/sys/vm/swappiness", "0\n");
    assert_eq!(limit("4194304\n", Some("max\n")), Limit { max_pages: Some(1024), swap_pages: 0 });
    let memcg = made.memcg("/a", &[("memory.max", "much\n")]);
    assert!(made.hierarchy().limit(&memcg, &made.machine(), PAGE).is_err());
}

#[test]
fn limits_of_version_1_count_memory_and_swap_together() {
    let made = Made::new();
    made.mounts(&format!("{} cgroup rw,cpu,memory", made.path("cgroup").display()), "rw");
    assert_eq!(made.hierarchy().version, 1);
    let limit = |files: &[(&str, &str)]| {
        let memcg = made.memcg("/a", files);
        made.hierarchy().limit(&memcg, &made.machine(), PAGE).expect("the files are there")
    };
    let unlimited = "9223372036854771712\n";
    let max = ("memory.limit_in_bytes", "4194304\n");
    assert_eq!(limit(&[max]), Limit { max_pages: Some(1024), swap_pages: 65_536 });
    let both = |bytes| limit(&[max, ("memory.memsw.limit_in_bytes", bytes)]).swap_pages;
    assert_eq!((both("4194304\n"), both("4202496\n"), both(unlimited)), (0, 2, 65_536));
    let swappiness = |it| limit(&[max, ("memory.swappiness", it)]).swap_pages;
    assert_eq!((swappiness("0\n"), swappiness("10\n")), (0, 65_536));
    assert_eq!(limit(&[("memory.limit_in_bytes", unlimited)]).max_pages, None);
    let tried = |both: &str, bytes: u64| {
        let files = [
            ("memory.limit_in_bytes", unlimited),
            ("memory.memsw.limit_in_bytes", both),
            ("memory.swappiness", "10\n"),
        ];
        let memcg = made.memcg("/a", &files);
        made.hierarchy().limit_if(&memcg, &made.machine(), PAGE, Some(bytes)).expect("the files are there")
    };
    assert_eq!(tried(unlimited, 4_194_304), Limit { max_pages: Some(1024), swap_pages: 65_536 });
    assert_eq!(tried("4202496\n", 4_194_304), Limit { max_pages: Some(1024), swap_pages: 2 });
}

#[test]
fn the_nearest_limit_above_is_found() {
    let made = Made::new();
    made.memcg("/a", &[("memory.max", "4194304\n")]);
    made.memcg("/a/b", &[("memory.max", "max\n")]);
    let memcg = made.memcg("/a/b/c", &[("memory.max", "max\n")]);
    let other = made.memcg("/d", &[("memory.max", "max\n")]);
    let above =
        |memcg| made.hierarchy().limited_above(memcg, &made.machine(), PAGE).expect("all can be read");
    assert_eq!(above(&memcg).map(|it| it.path), Some("/a".to_owned()));
    assert_eq!(above(&other), None);
}

#[test]
fn members_are_those_below_too_and_each_once() {
    let made = Made::new();
    for pid in [10, 20, 30, 40, 50] {
        made.process(pid, b"a", 0, 5, STATUS);
    }
    // Children in the order in which they are made here, as the kernel would number them.
    made.write("cgroup/a/cgroup.procs", "30\n10\n");
    made.write("cgroup/a/second/cgroup.procs", "20\n0\n");
    made.write("cgroup/a/second/below/cgroup.procs", "40\n30\n");
    let memcg = made.memcg("/a", &[]);
    let reading = made.root().of_memcg(PAGE, &made.hierarchy(), &memcg, false).expect("all can be read");
    assert_eq!(pids(&reading), [30, 10, 20, 40]);
    assert_eq!((reading.unseen.foreign, reading.unseen.threads), (1, None));
    let ended = made.memcg("/a/second/below", &[("cgroup.procs", "77\n")]);
    let reading = made.root().of_memcg(PAGE, &made.hierarchy(), &ended, false).expect("all can be read");
    assert_eq!((pids(&reading), reading.unseen.gone), (vec![], 1));
}

#[test]
fn paths_are_those_of_the_memory_controller() {
    let at = |version| Hierarchy { version, mount: PathBuf::new() };
    let file = b"5:cpu,memory:/one:with:colons\n4:memory_other:/x\n0::/two\n";
    assert_eq!(at(1).path_in(file), Some(&b"/one:with:colons"[..]));
    assert_eq!(at(2).path_in(file), Some(&b"/two"[..]));
    assert_eq!(at(1).path_in(b"0::/two\nbroken\n"), None);
}
