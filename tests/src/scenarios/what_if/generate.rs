//! From a seed to a case whose choice is clear before and after the change.
//!
//! Two runs of the same case differ by some pages. Cases are drawn again until those with the most points are further apart than
//! that, by sizes and adjustments alone; whether the change makes a difference is not looked at.

use std::ops::RangeInclusive;

use fastrand::Rng;

use super::case::{Case, Change, Goes, KINDS, Kind};
use crate::scenarios::play::spec::{Habit, Member, Node, Spec, Trigger};

/// What a process has beside what it is told to have, pages: about as much in each.
const BASE_PAGES: i64 = 64;
/// Kernel memory and page tables that a process has charged to its cgroup, KiB, at most.
const CHARGED_KB: u64 = 1024;
/// `totalpages` of the guest, which has 1 GiB, nearly.
const MACHINE_PAGES: u64 = 245_000;
/// Between the first two, pages, where sizes are what they were told to be.
const GAP: i64 = 768;
/// The same for the growing member, which ends as large as the limit and everything else leave room for, and for adjustments on the
/// scale of the machine.
const WIDE_GAP: i64 = 4096;

/// The case of a seed; `number` says of which kind.
pub(super) fn generate(seed: u64, number: usize) -> Case {
    let kind = KINDS[number % KINDS.len()];
    let mut rng = Rng::with_seed(seed);
    loop {
        let case = draw(seed, kind, &mut rng);
        if is_clear(&case.spec) && is_clear(&case.changed(0)) {
            return case;
        }
    }
}

fn draw(seed: u64, kind: Kind, rng: &mut Rng) -> Case {
    let sysrq = matches!(kind, Kind::SysrqAdj | Kind::SysrqKill);
    let outer = Node { parent: None, roomy_limit_kb: Some(700 * 1024) };
    let inner = Node { parent: Some(0), roomy_limit_kb: None };
    // Where sizes are what changes, adjustments must not decide everything.
    let about_sizes = matches!(kind, Kind::Raise | Kind::RaiseAsFar | Kind::Lower);
    let adjs = if about_sizes { -150..=150 } else { -1000..=1000 };
    let mut members: Vec<Member> = (0..rng.usize(3..9)).map(|_| member(rng, adjs.clone())).collect();
    let needed: u64 = members.iter().map(|member| used_kb(member) + CHARGED_KB).sum();
    let limit_kb = needed + rng.u64(16..48) * 1024;
    let growing = rng.usize(0..members.len());
    members[growing].adj = members[growing].adj.max(-999);
    if !sysrq {
        members[growing].grow_kb = Some(4 * limit_kb);
    }
    let trigger = if sysrq { Trigger::Sysrq } else { Trigger::Meet { limit_kb } };
    let spec = Spec { seed, nodes: vec![outer, inner], members, trigger, swap: None, huge_pages: false };
    // Mostly the one with the most points is changed: a change of others makes no difference more often than not.
    let first = points(&spec).last().map_or(growing, |first| first.1);
    let anyone = rng.usize(0..spec.members.len());
    let member = if rng.u8(0..4) > 0 { first } else { anyone };
    // Without the growing one there would be no second run.
    let other = if member == growing { (growing + 1) % spec.members.len() } else { member };
    let change = match kind {
        Kind::Adj | Kind::SysrqAdj => {
            let least = if member == growing { -999 } else { -1000 };
            Change::Adj { member, adj: rng.i32(least..=1000) }
        }
        Kind::Kill | Kind::KillAsFar => Change::Kill { member: other },
        Kind::SysrqKill => Change::Kill { member },
        Kind::Raise | Kind::RaiseAsFar => Change::Limit { kb: limit_kb + rng.u64(8..64) * 1024 },
        Kind::Lower => Change::Limit { kb: limit_kb - rng.u64(4..12) * 1024 },
    };
    let goes = if matches!(kind, Kind::KillAsFar | Kind::RaiseAsFar) { Goes::AsFar } else { Goes::On };
    Case { spec, change, goes }
}

fn member(rng: &mut Rng, adjs: RangeInclusive<i32>) -> Member {
    Member {
        node: 1,
        adj: match rng.u8(0..8) {
            0 => -1000,
            1..4 => rng.i32(-100..=100),
            _ => rng.i32(adjs),
        },
        anon_kb: rng.u64(1..9) * 1024,
        shmem_kb: if rng.u8(0..4) == 0 { rng.u64(1..3) * 1024 } else { 0 },
        file_kb: 0,
        tables: if rng.u8(0..4) == 0 { rng.u64(100..500) } else { 0 },
        threads: if rng.u8(0..4) == 0 { rng.u64(1..5) } else { 0 },
        habit: Habit::Plain,
        grow_kb: None,
        absent: false,
    }
}

/// What a member is told to use.
fn used_kb(member: &Member) -> u64 {
    member.anon_kb + member.shmem_kb + member.tables * 4
}

/// Whether the first two are far enough apart to be the first two in every run.
fn is_clear(spec: &Spec) -> bool {
    let wide = spec.trigger == Trigger::Sysrq;
    let points = points(spec);
    let grows = |at: usize| spec.members.get(at).is_some_and(|member| member.grow_kb.is_some());
    match points.as_slice() {
        [.., second, first] => {
            let gap = if wide || grows(first.1) || grows(second.1) { WIDE_GAP } else { GAP };
            first.0 - second.0 > gap
        }
        // Alone, or nobody at all: the latter is no case.
        points => !points.is_empty(),
    }
}

/// About how many points each has who may be killed, with its place; the most last.
fn points(spec: &Spec) -> Vec<(i64, usize)> {
    let totalpages = match spec.trigger {
        Trigger::Meet { limit_kb } => limit_kb / 4,
        _ => MACHINE_PAGES,
    };
    let scale = i64::try_from(totalpages / 1000).unwrap_or(i64::MAX);
    let present = || spec.members.iter().enumerate().filter(|(_, member)| !member.absent);
    let pages = |member: &Member| i64::try_from(used_kb(member) / 4).unwrap_or(i64::MAX) + BASE_PAGES;
    let others: i64 =
        present().filter(|(_, member)| member.grow_kb.is_none()).map(|(_, member)| pages(member)).sum();
    let mut points: Vec<(i64, usize)> = present()
        .filter(|(_, member)| member.adj > -1000)
        .map(|(at, member)| {
            let grown = i64::try_from(totalpages).unwrap_or(i64::MAX) - others;
            let memory = if member.grow_kb.is_some() { grown } else { pages(member) };
            (memory + i64::from(member.adj) * scale, at)
        })
        .collect();
    points.sort_unstable();
    points
}

#[cfg(test)]
mod tests {
    use super::generate;
    use crate::scenarios::play::spec::Trigger;
    use crate::scenarios::what_if::case::{Change, KINDS};

    #[test]
    fn a_seed_is_a_case_whose_limit_leaves_room_for_everybody() {
        for seed in 0..400 {
            for number in 0..KINDS.len() {
                let case = generate(seed, number);
                assert_eq!(case, generate(seed, number));
                let used: u64 = case.spec.members.iter().map(super::used_kb).sum();
                for spec in [&case.spec, &case.changed(1)] {
                    if let Trigger::Meet { limit_kb } = spec.trigger {
                        assert!(limit_kb > used + 4096, "{case:?}");
                        assert!(limit_kb < 400 * 1024, "{case:?}");
                    }
                }
                if let Change::Adj { member, adj } = case.change {
                    assert!(case.spec.members[member].grow_kb.is_none() || adj > -1000, "{case:?}");
                }
            }
        }
    }
}
