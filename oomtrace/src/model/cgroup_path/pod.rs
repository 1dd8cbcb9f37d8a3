//! Pods.

use super::ids;

/// A pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pod<'a> {
    uid: &'a str,
    /// `guaranteed`, `burstable` or `besteffort`: the kubelet's class of service; `None` for podman's pods, which have none.
    pub qos: Option<&'static str>,
}

impl Pod<'_> {
    /// The pod's uid as the API server knows it: the `_` that systemd's slices have for `-` turned back. Of podman's pods
    /// the id, 64 hex digits.
    #[must_use]
    pub fn uid(&self) -> String {
        self.uid.replace('_', "-")
    }

    /// What people call it: the first 12 digits of an id, a uid as it is.
    #[must_use]
    pub fn short_uid(&self) -> String {
        ids::short(self.uid).replace('_', "-")
    }
}

/// The pod of a cgroup's name below `parent`, which is below `above`.
pub(super) fn read<'a>(name: &'a str, parent: &str, above: &str) -> Option<Pod<'a>> {
    kubelet_systemd(name).or_else(|| kubelet_cgroupfs(name, parent, above)).or_else(|| podman(name))
}

/// `pod<uid>` in `/kubepods`, `/kubepods/burstable` or `/kubepods/besteffort`.
fn kubelet_cgroupfs<'a>(name: &'a str, parent: &str, above: &str) -> Option<Pod<'a>> {
    let uid = ids::pod(name.strip_prefix("pod")?, '-')?;
    let qos = match (above, parent) {
        (_, "kubepods") => "guaranteed",
        ("kubepods", "burstable") => "burstable",
        ("kubepods", "besteffort") => "besteffort",
        _ => return None,
    };
    Some(Pod { uid, qos: Some(qos) })
}

/// `kubepods-burstable-pod<uid>.slice`; with a root of its own (`--cgroup-root`) that one's name in front, as in
/// `kubelet-kubepods-pod<uid>.slice`; behind it perhaps `:cri-containerd:<id>`.
fn kubelet_systemd(name: &str) -> Option<Pod<'_>> {
    let (slice, after) = name.split_once(".slice")?;
    if !(after.is_empty() || after.starts_with(":cri-containerd:")) {
        return None;
    }
    let (class, uid) = slice.rsplit_once("-pod")?;
    let uid = ids::pod(uid, '_')?;
    let mut names = class.rsplit('-');
    let (qos, root) = match names.next()? {
        "kubepods" => ("guaranteed", "kubepods"),
        "burstable" => ("burstable", names.next()?),
        "besteffort" => ("besteffort", names.next()?),
        _ => return None,
    };
    (root == "kubepods").then_some(Pod { uid, qos: Some(qos) })
}

/// `libpod_pod_<id>.slice`, or without the suffix.
fn podman(name: &str) -> Option<Pod<'_>> {
    // A slice below others has their names in front: `user-libpod_pod_<id>.slice`, `machine-libpod_pod_<id>.slice`.
    let (before, id) = name.split_once("libpod_pod_")?;
    let id = ids::container(id.strip_suffix(".slice").unwrap_or(id))?;
    (before.is_empty() || before.ends_with('-')).then_some(Pod { uid: id, qos: None })
}
