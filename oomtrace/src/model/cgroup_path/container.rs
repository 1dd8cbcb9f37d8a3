//! Containers, by the names that runtimes give to their cgroups.

use super::ids;

/// A container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Container<'a> {
    /// `docker`, `containerd`, `cri-o`, `podman`, `nerdctl` or `lxc`; `None` where the path does not tell: with the kubelet's
    /// cgroupfs driver a container's cgroup is just its id.
    pub runtime: Option<&'static str>,
    /// 64 hex digits; of LXC the container's name.
    pub id: &'a str,
}

impl<'a> Container<'a> {
    /// What people call it: the first 12 digits of an id, the whole of a name.
    #[must_use]
    pub fn short_id(&self) -> &'a str {
        ids::short(self.id)
    }
}

/// `PREFIX<id>.scope`, with systemd as the driver. Without the suffix where a runtime names a plain cgroup so. The scopes of
/// monitors (`crio-conmon-<id>.scope`, `libpod-conmon-<id>.scope`, `lxc.monitor.NAME`) are not those of their containers: the
/// `conmon-` in front of the id makes it none.
const PREFIXES: [(&str, &str, bool); 6] = [
    ("docker-", "docker", false),
    ("cri-containerd-", "containerd", false),
    ("nerdctl-", "nerdctl", false),
    ("crio-", "cri-o", true),
    ("libpod-payload-", "podman", true),
    ("libpod-", "podman", true),
];

/// Parents in which a runtime with the cgroupfs driver makes a cgroup named by the whole id.
const PARENTS: [(&str, &str); 3] =
    [("docker", "docker"), ("k8s.io", "containerd"), ("libpod_parent", "podman")];

/// The container of a cgroup's name below `parent`, which is the cgroup of a pod or not.
pub(super) fn read<'a>(name: &'a str, parent: &str, in_pod: bool) -> Option<Container<'a>> {
    let of = |runtime, id| Some(Container { runtime: Some(runtime), id });
    for (prefix, runtime, plain) in PREFIXES {
        let Some(rest) = name.strip_prefix(prefix) else { continue };
        let id = match rest.strip_suffix(".scope") {
            Some(id) => id,
            None if plain => rest,
            None => continue,
        };
        if let Some(id) = ids::container(id) {
            return of(runtime, id);
        }
    }
    if let Some(id) = ids::container(name) {
        let known = PARENTS.iter().find(|(directory, _)| *directory == parent);
        return match known {
            Some((_, runtime)) => of(runtime, id),
            None => in_pod.then_some(Container { runtime: None, id }),
        };
    }
    // containerd with the cgroupfs driver under a kubelet with the systemd driver takes the OCI form of a systemd path for
    // a name: `SLICE:cri-containerd:<id>`.
    if let Some((_, id)) = name.split_once(".slice:cri-containerd:") {
        return of("containerd", ids::container(id)?);
    }
    let lxc = match name.strip_prefix("lxc.payload.") {
        Some(lxc) => lxc,
        None if parent == "lxc" => name,
        None => return None,
    };
    (!lxc.is_empty()).then_some(Container { runtime: Some("lxc"), id: lxc })
}
