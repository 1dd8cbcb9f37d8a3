//! Containers and pods whose names were told.

use oomtrace::model::names::Named;
use oomtrace::model::observation::*;
use oomtrace::model::{Name, Observation};

use super::evidence::{SCOPE, whole_pod};
use super::{GFP_KERNEL_ACCOUNT, HALF_GIB, Pass, ROOT, memory, scored, task};

pub const CONTAINER_ID: &str = "9a1c55e0b7d3f4a2c6e8091b3d5f7a9c0e2d4b6f8a1c3e5d7f9b0a2c4e6d8f01";
pub const POD_UID: &str = "3f0e1c7a-5d8b-4f6e-9a43-1f2e8d9b7c60";
const DOCKER_ID: &str = "77aa55e0b7d3f4a2c6e8091b3d5f7a9c0e2d4b6f8a1c3e5d7f9b0a2c4e6d8f77";
const DOCKER: u64 = 70;
const POD_SLICE: u64 = 63;

fn named(container_id: Option<&str>, pod_uid: Option<&str>, names: [Option<&str>; 3]) -> Observation {
    let name = |text: Option<&str>| text.map(Name::from);
    let [namespace, pod, container] = names.map(name);
    Observation::Named(Named {
        container_id: name(container_id),
        pod_uid: name(pod_uid),
        namespace,
        pod,
        container,
    })
}

/// As the kubelet's folders tell them.
fn names_of_the_pod() -> [Observation; 2] {
    let pod = [Some("shop"), Some("checkout-7d9c5b8f6d-x2k4p")];
    [
        named(None, Some(POD_UID), [pod[0], pod[1], None]),
        named(Some(CONTAINER_ID), None, [pod[0], pod[1], Some("app")]),
    ]
}

/// The container of `evidence::whole_pod`, by its names.
pub fn named_pod() -> Vec<Observation> {
    let mut all = whole_pod();
    let at = all.iter().position(|it| !matches!(it, Observation::Cgroup(_))).unwrap_or(0);
    all.splice(at..at, names_of_the_pod());
    all
}

/// A level of the chain: cgroup, usage, limit.
type Level = (u64, u64, Option<u64>);

fn pass(episode: u64, at_ms: u64, levels: &[Level], victim: &Candidate) -> Pass {
    let (limiting, _, max) = levels[0];
    let mut pass = Pass::enter(episode, at_ms, victim.task.clone(), GFP_KERNEL_ACCOUNT, 0, Some(limiting));
    pass.totalpages = max;
    pass.constraint = Some(Constraint::Memcg);
    for (&(cgroup, usage, max), level) in levels.iter().zip(0..) {
        let at = pass.stamp();
        pass.observations.push(Observation::MemcgLevel(MemcgLevel {
            at,
            level,
            cgroup,
            usage_pages: Some(usage),
            max_pages: max,
            ..MemcgLevel::default()
        }));
    }
    pass.scan(vec![victim.clone()]).choose(victim).kill(victim).close(Chosen::Task, true)
}

/// Three kills: in a container of a pod, by that pod's limit, and in a container of Docker's whose name came after the kill.
pub fn named_places() -> Vec<Observation> {
    let node = |id, parent, name: &str| {
        Observation::Cgroup(CgroupNode { id, parent, name: name.into(), path: None })
    };
    let in_pod = scored(task(48200, "gunicorn", 936, SCOPE), memory(200_000, 540), 2 * HALF_GIB);
    let in_docker = scored(task(48300, "nginx", 0, DOCKER), memory(120_000, 540), HALF_GIB);
    let by_pod = pass(2, 60_000, &[(POD_SLICE, 2 * HALF_GIB, Some(2 * HALF_GIB))], &in_pod);
    let by_docker = pass(3, 70_000, &[(DOCKER, HALF_GIB, Some(HALF_GIB))], &in_docker);
    let late = named(Some(DOCKER_ID), None, [None, None, Some("web-1")]);
    [
        named_pod(),
        by_pod.exit(48200, 9).observations,
        vec![node(DOCKER, Some(ROOT), &format!("docker-{DOCKER_ID}.scope"))],
        by_docker.exit(48300, 9).interleave(vec![late], 2).observations,
    ]
    .concat()
}
