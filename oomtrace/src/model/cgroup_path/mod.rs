//! Who a cgroup belongs to, read off its path: container, pod, systemd unit.
//!
//! - [`container`]: docker, containerd, CRI-O, podman, nerdctl, LXC;
//! - [`pod`]: the kubelet with both of its cgroup drivers, podman;
//! - [`systemd`]: slices, scopes, services and the other units that have cgroups;
//! - [`ids`]: what counts as an id.
//!
//! A path is all that a recording has, and anybody may make a cgroup of any name: what is told is what the path says. A
//! name that is only nearly one of those above says nothing, and nothing is told then.

mod container;
mod ids;
mod pod;
mod systemd;
#[cfg(test)]
mod tests;

pub use container::Container;
pub use pod::Pod;

use super::name::Name;

/// Whom a cgroup belongs to. Everything borrowed from the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner<'a> {
    /// The innermost container that the cgroup is of, or lies in. Where the path names a pod further in, a container
    /// around it (a node of kind) is left out: container and pod belong together.
    pub container: Option<Container<'a>>,
    /// The innermost pod.
    pub pod: Option<Pod<'a>>,
    /// Name of the innermost systemd unit, as `systemctl` takes it. In a container that runs its own systemd that one's.
    pub unit: Option<&'a str>,
}

/// Ids that stand in the name of one cgroup, or anywhere in a path: of a container, and the uid of a pod. Looser than [`owner`], which knows
/// what lies around: for whoever looks them up among those that there are.
pub fn ids_in(name: &Name) -> impl Iterator<Item = String> {
    let text = name.as_utf8().unwrap_or_default();
    let hex = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    let containers = text.split(move |c| !hex(c)).filter_map(ids::container).map(str::to_owned);
    let pods = text.match_indices("pod").filter_map(move |(at, pod)| {
        let rest = &text[at + pod.len()..];
        let uid = &rest[..rest.find(|c| !(hex(c) || matches!(c, '-' | '_'))).unwrap_or(rest.len())];
        ids::pod(uid, '-').or_else(|| ids::pod(uid, '_')).map(|uid| uid.replace('_', "-"))
    });
    containers.chain(pods)
}

/// Whether this is the id of a container: 64 hex digits.
#[must_use]
pub fn is_container_id(text: &str) -> bool {
    ids::container(text).is_some()
}

/// Whether this is the uid of a pod, as the API server or the kubelet gives them.
#[must_use]
pub fn is_pod_uid(text: &str) -> bool {
    ids::pod(text, '-').is_some()
}

/// Reads a path from the root of the hierarchy. One that is not UTF-8 tells nothing.
#[must_use]
pub fn owner(path: &Name) -> Owner<'_> {
    let Some(path) = path.as_utf8() else { return Owner::default() };
    let mut owner = Owner::default();
    let (mut above, mut parent, mut below_pod) = ("", "", false);
    for name in path.split('/').filter(|name| !name.is_empty()) {
        let pod = pod::read(name, parent, above);
        if pod.is_some() {
            (owner.pod, owner.container) = (pod, None);
        }
        if let Some(container) = container::read(name, parent, below_pod) {
            owner.container = Some(container);
        }
        if let Some(unit) = systemd::unit(name) {
            owner.unit = Some(unit);
        }
        (above, parent, below_pod) = (parent, name, pod.is_some());
    }
    owner
}
