//! From a seed to a case. The same seed is the same case everywhere; nothing here looks at the machine.

use fastrand::Rng;

use crate::scenarios::play::spec::{Habit, Member, Node, Spec, SwapUse, Trigger};

/// A limit that no case meets, KiB.
const ROOMY_KB: std::ops::Range<u64> = 400 * 1024..800 * 1024;

/// At least so much more than there is room for is asked for, KiB: what CPUs have taken from a limit in advance and not used, up to 64
/// pages each, is given back before anybody is killed.
const BEYOND_KB: u64 = 1024;

/// How many seeds there are to a case that takes the whole machine's memory, which takes its time.
const MACHINE_ONE_IN: u64 = 17;

/// The case of a seed.
pub(super) fn generate(seed: u64) -> Spec {
    let mut rng = Rng::with_seed(seed);
    let trigger = match rng.u8(0..100) {
        _ if seed.is_multiple_of(MACHINE_ONE_IN) => Trigger::Machine,
        0..36 => Trigger::Lower { node: 0, excess_kb: 0 },
        36..68 => Trigger::Grow { node: 0, room_kb: 0 },
        _ => Trigger::Sysrq,
    };
    let mut spec = Spec {
        seed,
        nodes: nodes(&mut rng),
        members: Vec::new(),
        trigger,
        swap: (rng.u8(0..4) == 0 && trigger != Trigger::Machine).then(|| SwapUse { kb: rng.u64(512..4096) }),
        huge_pages: rng.bool(),
    };
    aim(&mut spec, &mut rng);
    let count = match rng.u8(0..3) {
        _ if trigger == Trigger::Machine => rng.usize(1..7),
        0 => rng.usize(1..5),
        1 => rng.usize(3..13),
        _ => rng.usize(10..41),
    };
    let leaves = spec.leaves();
    for _ in 0..count {
        let node = one_of(&mut rng, &leaves);
        spec.members.push(member(&mut rng, node));
    }
    twins(&mut spec, &mut rng);
    if spec.firing().is_some() && rng.u8(0..8) == 0 {
        tiny(&mut spec);
    }
    someone_to_kill(&mut spec, &mut rng);
    spec
}

/// A tree of one to five cgroups.
fn nodes(rng: &mut Rng) -> Vec<Node> {
    let count = rng.usize(1..6);
    let mut nodes = Vec::new();
    for at in 0..count {
        // Mostly below the newest one, so that deep trees are not rare.
        let parent = match at.checked_sub(1) {
            Some(newest) if rng.bool() => Some(newest),
            Some(_) => Some(rng.usize(0..at)),
            None => None,
        };
        let roomy_limit_kb = rng.bool().then(|| rng.u64(ROOMY_KB));
        nodes.push(Node { parent, roomy_limit_kb });
    }
    nodes
}

/// Chooses the cgroup whose limit is met, and by how much.
fn aim(spec: &mut Spec, rng: &mut Rng) {
    let at = rng.usize(0..spec.nodes.len());
    match &mut spec.trigger {
        Trigger::Lower { node, excess_kb } => (*node, *excess_kb) = (at, rng.u64(BEYOND_KB..2 * BEYOND_KB)),
        Trigger::Grow { node, room_kb } => (*node, *room_kb) = (at, rng.u64(256..4096)),
        Trigger::Sysrq | Trigger::Machine | Trigger::Meet { .. } => (),
    }
}

fn member(rng: &mut Rng, node: usize) -> Member {
    let seldom = |rng: &mut Rng, one_in: u8, range: std::ops::Range<u64>| {
        if rng.u8(0..one_in) == 0 { rng.u64(range) } else { 0 }
    };
    let scale = rng.u32(6..12);
    Member {
        node,
        adj: adj(rng),
        anon_kb: rng.u64(1 << scale..2 << scale),
        shmem_kb: seldom(rng, 3, 16..2048),
        file_kb: seldom(rng, 3, 4..1024),
        tables: seldom(rng, 6, 8..600),
        threads: seldom(rng, 6, 1..8),
        habit: match rng.u8(0..20) {
            0 | 1 => Habit::Leaderless,
            2 => Habit::Shared,
            3 => Habit::Vfork,
            _ => Habit::Plain,
        },
        grow_kb: None,
        absent: false,
    }
}

/// The whole range, often near its middle or at its edges.
fn adj(rng: &mut Rng) -> i32 {
    match rng.u8(0..10) {
        0..4 => rng.i32(-1000..=1000),
        4..7 => rng.i32(-30..=30),
        7 => one_of(rng, &[-1000, -999, -1, 0, 1, 999, 1000]),
        8 => rng.i32(0..=1000),
        _ => 0,
    }
}

/// Now and then several members are the same, which makes equal points likely.
fn twins(spec: &mut Spec, rng: &mut Rng) {
    if rng.u8(0..4) == 0 && spec.trigger != Trigger::Machine {
        let at = rng.usize(0..spec.members.len());
        for _ in 0..rng.usize(1..4) {
            spec.members.extend(spec.members.get(at).cloned());
        }
    }
}

/// So little of everything that the limit is below 1000 pages, where adjustments have no effect.
fn tiny(spec: &mut Spec) {
    spec.members.truncate(4);
    for member in &mut spec.members {
        member.anon_kb = member.anon_kb % 192 + 64;
        member.shmem_kb %= 64;
        member.file_kb %= 64;
        member.tables %= 16;
        member.threads %= 2;
    }
    spec.swap = None;
    match &mut spec.trigger {
        Trigger::Lower { excess_kb, .. } => *excess_kb = BEYOND_KB,
        Trigger::Grow { room_kb, .. } => *room_kb = *room_kb % 192 + 64,
        Trigger::Sysrq | Trigger::Machine | Trigger::Meet { .. } => (),
    }
}

/// Makes sure that somebody who may be killed is where the kernel will look, and that someone grows where growth is the trigger.
fn someone_to_kill(spec: &mut Spec, rng: &mut Rng) {
    let eligible: Vec<usize> = spec
        .leaves()
        .into_iter()
        .filter(|&leaf| spec.firing().is_none_or(|at| spec.is_within(leaf, at)))
        .collect();
    let node = one_of(rng, &eligible);
    let mut adjustment = adj(rng).max(-999);
    let grow_kb = match spec.trigger {
        Trigger::Grow { room_kb, .. } => {
            Some(room_kb + spec.swap.map_or(0, |swap| swap.kb) + rng.u64(BEYOND_KB..2 * BEYOND_KB))
        }
        Trigger::Machine => {
            adjustment = rng.i32(0..=1000);
            Some(8 * 1024 * 1024)
        }
        Trigger::Lower { .. } | Trigger::Sysrq | Trigger::Meet { .. } => None,
    };
    let mut killable = member(rng, node);
    killable.adj = adjustment;
    killable.grow_kb = grow_kb;
    if matches!(killable.habit, Habit::Vfork | Habit::Shared) {
        killable.habit = Habit::Plain;
    }
    if spec.firing().is_some() && grow_kb.is_none() {
        // What is lowered away or swapped out has to be there.
        killable.anon_kb += 2 * BEYOND_KB + spec.swap.map_or(0, |swap| swap.kb);
    }
    let at = rng.usize(0..=spec.members.len());
    spec.members.insert(at, killable);
}

fn one_of<T: Copy>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(0..from.len())]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::generate;
    use crate::scenarios::play::spec::Trigger;

    #[test]
    fn a_seed_is_a_case_and_every_case_can_be_played() {
        let mut kinds = HashSet::new();
        for seed in 0..2000 {
            let spec = generate(seed);
            assert_eq!(spec, generate(seed));
            kinds.insert(std::mem::discriminant(&spec.trigger));
            let leaves = spec.leaves();
            assert!(spec.members.iter().all(|member| leaves.contains(&member.node)), "{spec:?}");
            let growing = spec.members.iter().filter(|member| member.grow_kb.is_some()).count();
            let grows = matches!(spec.trigger, Trigger::Grow { .. } | Trigger::Machine);
            assert_eq!(growing, usize::from(grows), "{spec:?}");
            let inside = |node| spec.firing().is_none_or(|at| spec.is_within(node, at));
            assert!(spec.members.iter().any(|member| inside(member.node) && member.adj > -1000), "{spec:?}");
            assert!(spec.members.len() <= 45, "{spec:?}");
        }
        assert_eq!(kinds.len(), 4);
    }
}
