//! What a case is: an OOM, one thing about it that is changed, and whether anybody should die then.

use crate::scenarios::play::spec::Spec;

/// A case.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Case {
    /// The OOM as it is recorded.
    pub(super) spec: Spec,
    /// What is changed.
    pub(super) change: Change,
    /// How far the second run goes.
    pub(super) goes: Goes,
}

/// What is changed; members by their place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A member's `oom_score_adj`.
    Adj {
        /// Whose.
        member: usize,
        /// The new one.
        adj: i32,
    },
    /// The limit.
    Limit {
        /// The new one.
        kb: u64,
    },
    /// A member is not there.
    Kill {
        /// Who.
        member: usize,
    },
}

/// How far the growing member goes in the second run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goes {
    /// Until somebody is killed.
    On,
    /// As far as it had come in the first run.
    AsFar,
}

/// What a case is about; each seed has one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Another adjustment, in a memcg OOM.
    Adj,
    /// Another adjustment, by sysrq.
    SysrqAdj,
    /// One process less, by sysrq.
    SysrqKill,
    /// One process less; the trigger goes on.
    Kill,
    /// One process less; the trigger does not go on.
    KillAsFar,
    /// A higher limit; the trigger goes on.
    Raise,
    /// A higher limit; the trigger does not go on.
    RaiseAsFar,
    /// A lower limit.
    Lower,
}

/// The kinds of the cases on one kernel.
pub(super) const KINDS: [Kind; 13] = [
    Kind::Adj,
    Kind::Adj,
    Kind::SysrqAdj,
    Kind::SysrqAdj,
    Kind::Kill,
    Kind::KillAsFar,
    Kind::Raise,
    Kind::Raise,
    Kind::Lower,
    Kind::RaiseAsFar,
    Kind::Adj,
    Kind::SysrqKill,
    Kind::Adj,
];

impl Case {
    /// The OOM with the change made. `as_far_kb` is what the growing member had grown by in the first run.
    pub(super) fn changed(&self, as_far_kb: u64) -> Spec {
        let mut spec = self.spec.clone();
        match self.change {
            Change::Adj { member, adj } => {
                if let Some(member) = spec.members.get_mut(member) {
                    member.adj = adj;
                }
            }
            Change::Limit { kb } => {
                spec.trigger = crate::scenarios::play::spec::Trigger::Meet { limit_kb: kb };
            }
            Change::Kill { member } => {
                if let Some(member) = spec.members.get_mut(member) {
                    member.absent = true;
                }
            }
        }
        if self.goes == Goes::AsFar {
            for member in spec.members.iter_mut().filter(|member| member.grow_kb.is_some()) {
                member.grow_kb = Some(as_far_kb);
            }
        }
        spec
    }
}
