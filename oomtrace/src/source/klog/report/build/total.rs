//! What points are scaled by: what the constraint allows, from the numbers that the log has.

use crate::model::observation::Constraint;

use super::super::super::grammar::{Machine, Of, nodes};
use super::Build;

impl Build<'_> {
    /// What the constraint allows, and the same without swap when that is not known.
    pub(super) fn totalpages(&self, constraint: Option<Constraint>) -> (Option<u64>, Option<u64>) {
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
