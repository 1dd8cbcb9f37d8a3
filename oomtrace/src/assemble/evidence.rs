//! What is kept of the situation around the choice of one unfinished episode.

use crate::model::Observation;
use crate::model::evidence::{MemcgStat, NodeMemory, OomGroup, Situation, Stack, ZoneMemory};

/// Nodes and zones kept at most: `MAX_NUMNODES` and a few zones each; a damaged recording may have more.
const MOST: usize = 8192;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    pub(super) stack: Option<Stack>,
    pub(super) situation: Option<Situation>,
    pub(super) nodes: Vec<NodeMemory>,
    pub(super) zones: Vec<ZoneMemory>,
    pub(super) memcg_stat: Option<MemcgStat>,
    pub(super) oom_group: Option<OomGroup>,
}

impl Evidence {
    /// Takes an observation; of those that come once, the first counts.
    pub(super) fn see(&mut self, observation: &Observation) {
        match observation {
            Observation::Stack(stack) => {
                self.stack.get_or_insert_with(|| stack.clone());
            }
            Observation::Situation(situation) => {
                self.situation.get_or_insert_with(|| situation.clone());
            }
            Observation::MemcgStat(stat) => {
                self.memcg_stat.get_or_insert_with(|| stat.clone());
            }
            Observation::OomGroup(group) => {
                self.oom_group.get_or_insert(*group);
            }
            Observation::NodeMemory(node)
                if self.nodes.len() < MOST && self.nodes.iter().all(|seen| seen.node != node.node) =>
            {
                self.nodes.push(node.clone());
            }
            Observation::ZoneMemory(zone)
                if self.zones.len() < MOST
                    && self.zones.iter().all(|seen| (seen.node, seen.index) != (zone.node, zone.index)) =>
            {
                self.zones.push(zone.clone());
            }
            _ => {}
        }
    }

    /// In the order that a person expects.
    pub(super) fn sort(&mut self) {
        self.nodes.sort_by_key(|node| node.node);
        self.zones.sort_by_key(|zone| (zone.node, zone.index));
    }
}
