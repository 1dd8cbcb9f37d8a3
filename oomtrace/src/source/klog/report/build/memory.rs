//! How much: the memcg's limit, the machine, its nodes and zones.

use crate::model::Name;
use crate::model::evidence::{Counter, NodeMemory, Situation, ZoneMemory};
use crate::model::observation::{MemcgLevel, Observation, Stamp};

use super::super::super::grammar::{Machine, Of, nodes};
use super::super::draft::ZoneDraft;
use super::super::names;
use super::{Build, NO_LIMIT_KB};

impl Build<'_> {
    pub(super) fn level(&mut self, at: Stamp, cgroup: Option<u64>) {
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

    pub(super) fn situation(&mut self, at: Stamp) {
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

    pub(super) fn zones(&mut self, at: Stamp) {
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
}
