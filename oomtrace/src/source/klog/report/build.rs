//! From a collected report to observations. Sizes become pages here; what the log does not say stays unknown.

use crate::model::Name;
use crate::model::evidence::{Counter, MemcgStat, NodeMemory, OomGroup, Situation, Stack, ZoneMemory};
use crate::model::observation::{
    Candidate, Candidates, CgroupNode, Choice, Constraint, Kill, MemcgLevel, Memory, Observation, Opened,
    Score, Signal, Stamp, Task, TaskFlags,
};
use crate::model::report::{Report, Table};

use super::super::grammar::{Column, Machine, Of, Rss, nodes};
use super::boot::Boot;
use super::draft::{Draft, TaskRow, ZoneDraft};
use super::names;

/// A limit of this many kB and more is none: `PAGE_COUNTER_MAX` in kB, on 64-bit and, from 3.19 on, 32-bit machines; and what 3.x
/// printed for `RES_COUNTER_MAX`.
const NO_LIMIT_KB: u64 = 9_007_199_254_740_000;
/// Candidates of one observation.
const RUN: usize = 512;

/// What is made of a report.
pub(super) struct Build<'a> {
    draft: &'a Draft,
    boot: &'a Boot,
    page_kb: u64,
    cgroups: &'a mut names::Cgroups,
    out: &'a mut Vec<Observation>,
}

/// Appends the observations of a report.
pub(super) fn observations(
    draft: &Draft,
    boot: &Boot,
    cgroups: &mut names::Cgroups,
    out: &mut Vec<Observation>,
) {
    let page_kb = boot.page_kb.unwrap_or(4).max(1);
    Build { draft, boot, page_kb, cgroups, out }.run();
}

/// kB in a page of the machine that printed the report; `None` when it does not tell.
pub(super) fn page_kb(draft: &Draft) -> Option<u64> {
    let buddy = draft.zones.iter().find_map(|zone| zone.page_kb);
    let usual = |kb: &u64| matches!(kb, 4 | 8 | 16 | 64);
    buddy.filter(usual).or_else(|| {
        // The address space of a victim, in kB there and in pages here.
        draft.kills.iter().find_map(|kill| {
            let pages = draft.row(kill.tid)?.total_vm.filter(|&pages| pages > 0)?;
            let kb = kill.total_vm_kb?;
            (kb % pages == 0).then_some(kb / pages).filter(usual)
        })
    })
}

impl Build<'_> {
    fn run(mut self) {
        let draft = self.draft;
        let limiting = self.limiting();
        let limiting_id = limiting.as_ref().map(|path| self.cgroup(path));
        let first = self.stamp(draft.first);
        if draft.trigger.is_some() || draft.context.is_some() {
            let trigger = self.trigger();
            let asked = draft.trigger.as_ref();
            let memcg = self.memcg();
            self.out.push(Observation::Opened(Opened {
                at: first,
                trigger,
                gfp_mask: asked.and_then(|asked| asked.gfp_mask),
                order: asked.and_then(|asked| asked.order),
                memcg: limiting_id.or((memcg == Some(true)).then_some(0)),
                gfp_names: asked.and_then(|asked| asked.gfp_names.clone()),
            }));
        }
        self.level(first, limiting_id);
        self.situation(first);
        self.zones(first);
        if let Some(frames) = &draft.frames {
            let frames = outwards(frames);
            self.out.push(Observation::Stack(Stack {
                at: first,
                frames: frames.to_vec(),
                cut: draft.frames_cut,
            }));
        }
        if let Some((path, counters)) = &draft.stats {
            let cgroup = self.cgroup(path);
            let counters = counters.clone();
            self.out.push(Observation::MemcgStat(MemcgStat {
                at: first,
                cgroup,
                stats: Vec::new(),
                counters,
            }));
        }
        let chosen = self.chosen();
        self.candidates(first, chosen.as_ref());
        let constraint = self.constraint();
        if let Some(chosen) = chosen.clone() {
            self.out.push(Observation::Choice(Choice {
                at: first,
                chosen,
                chosen_points: None,
                totalpages: None,
                constraint,
                message: self.message(),
            }));
        }
        self.kills(chosen.as_ref());
        let report = self.report(constraint);
        self.out.push(Observation::Report(report));
    }

    fn stamp(&self, at: u64) -> Stamp {
        Stamp { boot_ns: at, episode: self.draft.id }
    }

    /// The id that stands for a path, which is told when it is new.
    fn cgroup(&mut self, path: &Name) -> u64 {
        let (id, new) = self.cgroups.id(path);
        if new {
            let path = Some(path.clone());
            self.out.push(Observation::Cgroup(CgroupNode { id, parent: None, name: Name::default(), path }));
        }
        id
    }

    fn limiting(&self) -> Option<Name> {
        let draft = self.draft;
        let summary = draft.summary.as_ref().and_then(|summary| summary.oom_memcg.clone());
        let summary = summary.or_else(|| draft.task_in.as_ref().map(|(_, limit)| limit.clone()));
        summary.or_else(|| draft.stats.as_ref().map(|(path, _)| path.clone())).filter(|path| !path.is_empty())
    }

    /// Whether it is a memcg's.
    fn memcg(&self) -> Option<bool> {
        let draft = self.draft;
        if let Some(summary) = &draft.summary {
            return Some(summary.oom_memcg.is_some());
        }
        if draft.task_in.is_some() || !draft.usages.is_empty() || draft.stats.is_some() {
            return Some(true);
        }
        let by_message = self.message().and_then(|message| match &*message {
            message if message.starts_with(b"Memory cgroup") => Some(true),
            b"" => None,
            _ => Some(false),
        });
        by_message.or(draft.mem_info.then_some(false))
    }

    fn constraint(&self) -> Option<Constraint> {
        match &self.draft.summary {
            Some(summary) => Some(summary.constraint),
            None => (self.memcg() == Some(true)).then_some(Constraint::Memcg),
        }
    }

    fn message(&self) -> Option<Name> {
        let draft = self.draft;
        let chosen = draft.chosen.as_ref().map(|chosen| &chosen.prefix);
        let message = chosen.or_else(|| draft.kills.first().map(|kill| &kill.prefix));
        message.filter(|message| !message.is_empty()).cloned()
    }

    /// The task that asked. A log tells its thread; the table may tell the process.
    fn trigger(&self) -> Task {
        let draft = self.draft;
        let context = draft.context.as_ref();
        let tid = context.map_or(0, |context| context.tid);
        let row = draft.rows.iter().find(|row| row.tid == tid || row.pid == tid).filter(|_| tid > 0);
        let asked = draft.trigger.as_ref();
        let comm = asked.and_then(|asked| asked.comm.clone()).or_else(|| context.map(|c| c.comm.clone()));
        Task {
            pid: row.map_or(tid, |row| row.pid),
            tid,
            comm: comm.unwrap_or_default(),
            uid: context.and_then(|context| context.uid).or_else(|| row.map(|row| row.uid)),
            oom_score_adj: asked.and_then(|asked| asked.oom_score_adj),
            cgroup: None,
        }
    }

    fn pages(&self, kb: u64) -> u64 {
        kb / self.page_kb
    }

    fn level(&mut self, at: Stamp, cgroup: Option<u64>) {
        let draft = self.draft;
        let Some(memory) = draft.usage(Of::Memory) else { return };
        let swap = draft.usage(Of::Swap).or_else(|| draft.usage(Of::MemorySwap));
        let limit = |kb: u64| (kb < NO_LIMIT_KB).then(|| self.pages(kb));
        let level = MemcgLevel {
            at,
            level: 0,
            cgroup: cgroup.unwrap_or(0),
            usage_pages: Some(self.pages(memory.usage_kb)),
            max_pages: limit(memory.limit_kb),
            swap_usage_pages: swap.map(|swap| self.pages(swap.usage_kb)),
            swap_max_pages: swap.and_then(|swap| limit(swap.limit_kb)),
            failcnt: Some(memory.failcnt),
            swap_failcnt: swap.map(|swap| swap.failcnt),
            kmem_usage_pages: draft.usage(Of::Kernel).map(|kernel| self.pages(kernel.usage_kb)),
            ..MemcgLevel::default()
        };
        self.out.push(Observation::MemcgLevel(level));
    }

    fn situation(&mut self, at: Stamp) {
        let draft = self.draft;
        let context = draft.context.as_ref();
        let of = |number: fn(&Machine) -> Option<u64>| draft.machine.iter().find_map(number);
        let summary = draft.summary.as_ref();
        let nodemask = summary.map(|summary| &summary.nodemask);
        let nodemask = nodemask.or_else(|| draft.trigger.as_ref().and_then(|asked| asked.nodemask.as_ref()));
        let mems_allowed = summary.map(|summary| &summary.mems_allowed);
        let mems_allowed = mems_allowed.or_else(|| draft.cpuset.as_ref().map(|(_, mems)| mems));
        let cpuset = summary.map(|summary| &summary.cpuset);
        let cpuset = cpuset.or_else(|| draft.cpuset.as_ref().map(|(cpuset, _)| cpuset));
        let swap = |kb: Option<u64>| kb.map(|kb| self.pages(kb));
        let mut totals: Vec<Counter> = draft.totals.iter().map(names::of_machine).collect();
        for (name, value) in [
            ("NR_FILE_PAGES", of(|it| if let Machine::PageCache(n) = it { Some(*n) } else { None })),
            ("NR_SWAPCACHE", of(|it| if let Machine::SwapCache(n) = it { Some(*n) } else { None })),
        ] {
            totals.extend(value.map(|value| Counter { name: Name::from(name), value }));
        }
        let list = nodemask.map(|mask| &**mask);
        let unset = list == Some(b"(null)");
        let situation = Situation {
            at,
            cpu: context.and_then(|context| context.cpu),
            tainted: context.filter(|context| context.not_tainted).map(|_| 0),
            nodemask_set: list.map(|_| !unset),
            nodemask: list.filter(|_| !unset).and_then(nodes).unwrap_or_default(),
            mems_allowed: mems_allowed.and_then(|list| nodes(list)),
            cpuset: cpuset.cloned(),
            swap_free_pages: swap(of(|it| if let Machine::FreeSwapKb(n) = it { Some(*n) } else { None })),
            swap_total_pages: swap(of(|it| if let Machine::TotalSwapKb(n) = it { Some(*n) } else { None })),
            cma_pages: of(|it| if let Machine::Cma(n) = it { Some(*n) } else { None }),
            hwpoisoned_pages: of(|it| if let Machine::HwPoisoned(n) = it { Some(*n) } else { None }),
            totals,
            ram_pages: of(|it| if let Machine::Ram(n) = it { Some(*n) } else { None }),
            reserved_pages: of(|it| if let Machine::Reserved(n) = it { Some(*n) } else { None }),
            highmem_pages: of(|it| if let Machine::HighMem(n) = it { Some(*n) } else { None }),
            ..Situation::default()
        };
        if situation != (Situation { at, ..Situation::default() }) {
            self.out.push(Observation::Situation(situation));
        }
    }

    fn zones(&mut self, at: Stamp) {
        for (node, counters) in &self.draft.nodes {
            let counters = counters.iter().map(|counter| names::of_node(counter, self.page_kb)).collect();
            let node = NodeMemory { at, node: *node, counters, ..NodeMemory::default() };
            self.out.push(Observation::NodeMemory(node));
        }
        let highmem = self.draft.zones.iter().any(|zone| &*zone.name == b"HighMem");
        for zone in &self.draft.zones {
            let zone = self.zone(at, zone, highmem);
            self.out.push(Observation::ZoneMemory(zone));
        }
    }

    fn zone(&self, at: Stamp, zone: &ZoneDraft, highmem: bool) -> ZoneMemory {
        let pages = |wanted: &str| {
            let told = zone.counters_kb.iter().find(|(name, _)| &**name == wanted.as_bytes());
            told.map(|(_, kb)| self.pages(*kb))
        };
        let boost = pages("boost");
        // The kernel adds the boost before it prints.
        let mark = |name: &str| pages(name).map(|pages| pages.saturating_sub(boost.unwrap_or(0)));
        let own = ["min", "low", "high", "boost", "present", "managed", "reserved_highatomic"];
        let counters = zone
            .counters_kb
            .iter()
            .filter(|(name, _)| !own.iter().any(|own| own.as_bytes() == &**name))
            .map(|(name, kb)| names::of_node(&Counter { name: name.clone(), value: *kb }, self.page_kb));
        ZoneMemory {
            at,
            node: zone.node,
            index: names::zone_index(&zone.name, highmem),
            name: zone.name.clone(),
            min_pages: mark("min"),
            low_pages: mark("low"),
            high_pages: mark("high"),
            boost_pages: boost,
            managed_pages: pages("managed"),
            present_pages: pages("present"),
            reserved_highatomic_pages: pages("reserved_highatomic"),
            lowmem_reserve_pages: zone.reserve.clone(),
            free_blocks: zone.blocks.clone(),
            counters: counters.collect(),
            ..ZoneMemory::default()
        }
    }

    /// Whom the kernel chose, as far as the log tells.
    fn chosen(&mut self) -> Option<Candidate> {
        let draft = self.draft;
        if let Some(summary) = &draft.summary {
            let cgroup = summary.task_memcg.as_ref().map(|path| self.cgroup(path));
            let mut chosen = self.known(summary.pid, &summary.comm);
            chosen.task.cgroup = cgroup;
            chosen.task.uid = Some(summary.uid);
            if chosen.task.tid != chosen.task.pid {
                // The row has the name of the thread that has the memory.
                chosen.task.comm = summary.comm.clone();
            }
            return Some(chosen);
        }
        let cgroup = draft.task_in.as_ref().map(|(task, _)| task.clone());
        let cgroup = cgroup.map(|path| self.cgroup(&path));
        if let Some(scored) = &draft.chosen {
            let mut chosen = self.known(scored.pid, &scored.comm);
            chosen.task.cgroup = cgroup;
            return Some(chosen);
        }
        if let Some((pid, comm)) = &draft.already_exiting {
            return Some(self.known(*pid, comm));
        }
        // Without a prefix, the chosen one may have been its parent.
        let kill = draft.kills.first().filter(|kill| !kill.prefix.is_empty())?;
        let mut chosen = self.known(kill.tid, &kill.comm);
        if draft.row(kill.tid).is_none() {
            chosen.memory = self.killed_memory(kill);
            chosen.task.uid = kill.uid;
            chosen.task.oom_score_adj = kill.oom_score_adj;
        }
        Some(chosen)
    }

    /// The row of a process, or its name alone.
    fn known(&self, pid: i32, comm: &Name) -> Candidate {
        match self.draft.row(pid) {
            Some(row) => self.candidate(row),
            None => Candidate {
                task: Task { pid, tid: pid, comm: comm.clone(), ..Task::default() },
                score: Score::Unknown,
                memory: None,
                flags: TaskFlags::default(),
            },
        }
    }

    fn candidate(&self, row: &TaskRow) -> Candidate {
        let tables = row.table_pages.and_then(|pages| pages.checked_mul(self.page_kb.checked_mul(1024)?));
        let kinds = row.anon.or(row.file).or(row.shmem).is_some();
        let memory = Memory {
            rss_anon_pages: row.anon,
            rss_file_pages: row.file,
            rss_shmem_pages: row.shmem,
            swap_entries: row.swap,
            pgtables_bytes: row.pgtables_bytes.or(tables),
            total_vm_pages: row.total_vm,
            rss_pages: row.rss.filter(|_| !kinds),
        };
        let task = Task {
            pid: row.pid,
            tid: row.tid,
            comm: row.comm.clone(),
            uid: Some(row.uid),
            oom_score_adj: row.oom_score_adj,
            cgroup: None,
        };
        Candidate { task, score: Score::Unknown, memory: Some(memory), flags: TaskFlags::default() }
    }

    fn candidates(&mut self, at: Stamp, chosen: Option<&Candidate>) {
        let draft = self.draft;
        for (run, rows) in draft.rows.chunks(RUN).enumerate() {
            let tasks = rows.iter().map(|row| {
                let candidate = self.candidate(row);
                match chosen.filter(|chosen| chosen.task.pid == candidate.task.pid) {
                    Some(chosen) => chosen.clone(),
                    None => candidate,
                }
            });
            let tasks: Vec<_> = tasks.collect();
            let first = u32::try_from(run.saturating_mul(RUN)).unwrap_or(u32::MAX);
            self.out.push(Observation::Candidates(Candidates { at, first, tasks }));
        }
    }

    fn killed_memory(&self, kill: &super::draft::Kill) -> Option<Memory> {
        let pages = |kb: Option<u64>| kb.map(|kb| self.pages(kb));
        let Rss { anon_kb, file_kb, shmem_kb } = kill.rss;
        anon_kb?;
        // The first 5.4 called bytes kB.
        let doubtful = self.boot.release.as_deref().is_none_or(|release| release.starts_with("5.4"));
        let pgtables_kb = kill.pgtables_kb.filter(|_| !doubtful);
        // Before 4.5 shared memory was counted as file.
        Some(Memory {
            rss_anon_pages: pages(anon_kb),
            rss_file_pages: pages(file_kb),
            rss_shmem_pages: pages(shmem_kb),
            swap_entries: None,
            pgtables_bytes: pgtables_kb.and_then(|kb| kb.checked_mul(1024)),
            total_vm_pages: pages(kill.total_vm_kb),
            rss_pages: None,
        })
    }

    fn kills(&mut self, chosen: Option<&Candidate>) {
        let draft = self.draft;
        for (position, kill) in draft.kills.iter().enumerate() {
            let at = self.stamp(kill.at);
            let row = draft.row(kill.tid);
            // The first one killed is the chosen one, unless kernels that sacrifice children say otherwise.
            let is_chosen = position == 0 && draft.chosen.is_none();
            let pid = match (row, chosen) {
                (Some(row), _) => row.pid,
                (None, Some(chosen)) if is_chosen => chosen.task.pid,
                (None, _) => kill.tid,
            };
            let chosen = chosen.filter(|chosen| chosen.task.pid == pid);
            let task = Task {
                pid,
                tid: kill.tid,
                comm: kill.comm.clone(),
                uid: kill.uid.or_else(|| row.map(|row| row.uid)),
                oom_score_adj: kill.oom_score_adj.or_else(|| row.and_then(|row| row.oom_score_adj)),
                cgroup: chosen.and_then(|chosen| chosen.task.cgroup),
            };
            let message = Some(kill.prefix.clone()).filter(|prefix| !prefix.is_empty());
            let memory = self.killed_memory(kill);
            let victim = Candidate { task, score: Score::Unknown, memory, flags: TaskFlags::default() };
            self.out.push(Observation::Kill(Kill { at, victim, message }));
            self.out.push(Observation::Signal(Signal {
                at,
                tid: kill.tid,
                comm: kill.comm.clone(),
                result: None,
            }));
            if position == 0
                && let Some(path) = &draft.group
            {
                let cgroup = self.cgroup(path);
                self.out.push(Observation::OomGroup(OomGroup { at, cgroup }));
            }
        }
    }

    fn report(&self, constraint: Option<Constraint>) -> Report {
        let draft = self.draft;
        let (totalpages, totalpages_without_swap) = self.totalpages(constraint);
        let kill_only = draft.is_kill_only();
        let table = draft.columns.as_ref().map(|_| {
            let chosen = draft.summary.as_ref().map(|summary| summary.pid);
            let chosen = chosen.or_else(|| draft.chosen.as_ref().map(|chosen| chosen.pid));
            let has_chosen = chosen.is_none_or(|pid| draft.row(pid).is_some());
            let whole = has_chosen && draft.unread_rows == 0 && !draft.rows_left_out && draft.ended;
            if whole { Table::Whole } else { Table::Part }
        });
        Report {
            at: self.stamp(draft.last),
            memcg: self.memcg(),
            constraint,
            totalpages,
            totalpages_without_swap,
            table,
            none_killable: draft.none_killable,
            unread: draft.unread,
            cut: !kill_only && (draft.trigger.is_none() || draft.context.is_none() || !draft.ended),
            kill_only,
            score: draft.chosen.as_ref().and_then(|chosen| chosen.score),
            already_exiting: draft.already_exiting.is_some() && draft.kills.is_empty(),
        }
    }

    /// What the constraint allows, and the same without swap when that is not known.
    fn totalpages(&self, constraint: Option<Constraint>) -> (Option<u64>, Option<u64>) {
        let draft = self.draft;
        let of = |number: fn(&Machine) -> Option<u64>| draft.machine.iter().find_map(number);
        let swap_kb = of(|it| if let Machine::TotalSwapKb(n) = it { Some(*n) } else { None });
        let swap = swap_kb.or(self.boot.total_swap_kb).map(|kb| self.pages(kb));
        let (memory, swap) = match (self.memcg(), constraint) {
            (Some(true), _) => {
                let Some(limit) = draft.usage(Of::Memory).map(|usage| usage.limit_kb) else {
                    return (None, None);
                };
                let beyond = match (draft.usage(Of::Swap), draft.usage(Of::MemorySwap)) {
                    (Some(swap), _) => Some(swap.limit_kb),
                    (None, Some(both)) => Some(both.limit_kb.saturating_sub(limit)),
                    (None, None) => None,
                };
                let swap = match (beyond, swap) {
                    (Some(0), _) => Some(0),
                    (Some(beyond), Some(swap)) => Some(swap.min(self.pages(beyond))),
                    (None, Some(0)) => Some(0),
                    _ => None,
                };
                (self.pages(limit).max(1), swap)
            }
            (Some(false), Some(Constraint::Cpuset | Constraint::MemoryPolicy)) => {
                let Some(present) = self.present_on_nodes() else { return (None, None) };
                (present, swap)
            }
            (Some(false), _) => {
                let ram = of(|it| if let Machine::Ram(n) = it { Some(*n) } else { None });
                let reserved = of(|it| if let Machine::Reserved(n) = it { Some(*n) } else { None });
                let Some(ram) = ram.zip(reserved).and_then(|(ram, reserved)| ram.checked_sub(reserved))
                else {
                    return (None, None);
                };
                (ram, swap)
            }
            (None, _) => return (None, None),
        };
        match swap {
            Some(swap) => (memory.checked_add(swap), None),
            None => (None, Some(memory)),
        }
    }

    /// Pages present on the nodes that the request was bound to.
    fn present_on_nodes(&self) -> Option<u64> {
        let summary = self.draft.summary.as_ref()?;
        let list = match summary.constraint {
            Constraint::MemoryPolicy => &summary.nodemask,
            _ => &summary.mems_allowed,
        };
        let nodes = nodes(list)?;
        let zones = self.draft.zones.iter().filter(|zone| nodes.contains(&zone.node));
        let present = zones.map(|zone| zone.counters_kb.iter().find(|(name, _)| &**name == b"present"));
        let sum = present.map(|present| present.map(|(_, kb)| *kb)).sum::<Option<u64>>()?;
        (sum > 0).then(|| self.pages(sum))
    }
}

/// From the caller of `out_of_memory()` outwards: what lies within is how the kernel prints.
fn outwards(frames: &[crate::model::evidence::Frame]) -> &[crate::model::evidence::Frame] {
    let inner =
        [&b"out_of_memory"[..], b"__out_of_memory", b"pagefault_out_of_memory", b"mem_cgroup_out_of_memory"];
    let is = |frame: &crate::model::evidence::Frame, names: &[&[u8]]| {
        frame.function.as_ref().is_some_and(|function| names.contains(&&**function))
    };
    // The last one within: a trampoline of a tracer puts the function there twice.
    let last = frames.iter().rposition(|frame| is(frame, &inner[..2]));
    let last = last.or_else(|| {
        let printing = [
            &b"dump_header"[..],
            b"oom_kill_process",
            b"dump_stack",
            b"dump_stack_lvl",
            b"show_stack",
            b"moom_callback",
        ];
        frames.iter().rposition(|frame| is(frame, &printing[..5]))
    });
    let mut outer = last.map_or(frames, |last| &frames[last + 1..]);
    // A tracer's, between the function and its caller.
    while let Some((first, rest)) = outer.split_first()
        && first.function.as_ref().is_some_and(|function| function.starts_with(b"bpf_trampoline"))
    {
        outer = rest;
    }
    outer
}

/// The formula that the shape of the lines speaks for, as a release that has it; `None` when several could be meant.
pub(super) fn by_shape(draft: &Draft) -> Option<&'static str> {
    if draft.has_column(Column::Anon) {
        return Some("6.8");
    }
    let described = draft.kills.iter().any(|kill| kill.uid.is_some());
    if draft.summary.is_some() && (described || draft.has_column(Column::PgtablesBytes)) {
        // 5.9 cuts nothing off, 5.0 to 5.8 cut off at 1: the same for all that matter.
        return Some("5.9");
    }
    let old = draft.trigger.as_ref().is_some_and(|asked| asked.old_adj);
    let or_a_child = draft.chosen.is_some() && draft.kills.iter().any(|kill| kill.total_vm_kb.is_none());
    (old || or_a_child).then_some("2.6.18")
}
