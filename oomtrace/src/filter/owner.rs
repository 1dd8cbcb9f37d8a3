//! Pods and containers, by name or by id.

use crate::model::Name;
use crate::model::episode::Episode;

use super::cgroups;

/// Digits of an id that are taken for the beginning of one.
const LEAST: usize = 4;

/// Whether the limiting cgroup or a victim's is of the pod `wanted`: `POD` or `NAMESPACE/POD`, perhaps with `*` or `?`, or the beginning
/// of a uid.
pub(super) fn in_pod(episode: &Episode, wanted: &str) -> bool {
    cgroups(episode).any(|cgroup| {
        let (owner, called) = episode.owner(cgroup);
        let name = match wanted.split_once('/') {
            Some((namespace, pod)) => called.namespace.is_some_and(|it| it.matches(namespace)).then_some(pod),
            None => Some(wanted),
        };
        name.zip(called.pod).is_some_and(|(wanted, pod)| pod.matches(wanted))
            || owner.pod.is_some_and(|pod| begins(&pod.uid(), wanted))
    })
}

/// The same of the container `wanted`: its name, perhaps with `*` or `?`, or the beginning of its id.
pub(super) fn in_container(episode: &Episode, wanted: &str) -> bool {
    cgroups(episode).any(|cgroup| {
        let (owner, called) = episode.owner(cgroup);
        called.container.is_some_and(|name: &Name| name.matches(wanted))
            || owner.container.is_some_and(|container| begins(container.id, wanted))
    })
}

fn begins(id: &str, wanted: &str) -> bool {
    wanted.len() >= LEAST && id.starts_with(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up;

    #[test]
    fn names_and_ids() {
        let info = made_up::info();
        let named = &made_up::assemble(&info, &made_up::named::named_pod())[0];
        let unnamed = &made_up::assemble(&info, &made_up::evidence::whole_pod())[0];
        for (wanted, by_name, by_id) in [
            ("checkout-7d9c5b8f6d-x2k4p", true, false),
            ("checkout-*", true, false),
            ("checkout", false, false),
            ("shop/checkout-*", true, false),
            ("*/checkout-7d9c5b8f6d-x2k?p", true, false),
            ("other/checkout-*", false, false),
            ("3f0e1c7a", true, true),
            ("3f0e1c7a-5d8b-4f6e-9a43-1f2e8d9b7c60", true, true),
            ("3f0", false, false),
            ("", false, false),
        ] {
            assert_eq!((in_pod(named, wanted), in_pod(unnamed, wanted)), (by_name, by_id), "{wanted}");
        }
        for (wanted, by_name, by_id) in [
            ("app", true, false),
            ("a*", true, false),
            ("ap", false, false),
            ("9a1c55e0b7d3", true, true),
            ("", false, false),
        ] {
            let found = (in_container(named, wanted), in_container(unnamed, wanted));
            assert_eq!(found, (by_name, by_id), "{wanted}");
        }
    }
}
