//! The files that runtimes keep of a container, each in a folder that has its id for a name:
//!
//! - Docker: `config.v2.json` has the name, and, where the kubelet uses Docker, labels;
//! - containerd and CRI-O: `config.json`, the bundle's, has annotations.
//!
//! Only these are looked for in them. What is no name that the runtime or Kubernetes allows is not told.

use std::borrow::Cow;
use std::collections::HashMap;

use rustix::fd::AsFd;
use rustix::fs::{FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use serde::Deserialize;

use crate::model::Name;
use crate::model::cgroup_path::is_pod_uid;
use crate::model::names::Named;

use super::kubelet::{is_label, is_pod};

/// Longest file that is read, bytes.
const LONGEST: usize = 1 << 20;

/// Keys of annotations and labels: containerd's, CRI-O's and the kubelet's, nerdctl's.
const POD: [&str; 2] = ["io.kubernetes.cri.sandbox-name", "io.kubernetes.pod.name"];
const NAMESPACE: [&str; 2] = ["io.kubernetes.cri.sandbox-namespace", "io.kubernetes.pod.namespace"];
const UID: [&str; 2] = ["io.kubernetes.cri.sandbox-uid", "io.kubernetes.pod.uid"];
const CONTAINER: [&str; 3] =
    ["io.kubernetes.cri.container-name", "io.kubernetes.container.name", "nerdctl/name"];

type Texts<'a> = HashMap<Cow<'a, str>, Cow<'a, str>>;

#[derive(Deserialize)]
struct Docker<'a> {
    #[serde(rename = "Name", borrow)]
    name: Cow<'a, str>,
    #[serde(rename = "Config", borrow, default)]
    config: Option<DockerConfig<'a>>,
}

#[derive(Deserialize)]
struct DockerConfig<'a> {
    #[serde(rename = "Labels", borrow, default)]
    labels: Option<Texts<'a>>,
}

#[derive(Deserialize)]
struct Bundle<'a> {
    #[serde(borrow, default)]
    annotations: Option<Texts<'a>>,
}

/// Of Docker's file; `None` when it is damaged.
pub(super) fn docker(id: &str, json: &[u8]) -> Option<Named> {
    let Docker { name, config } = serde_json::from_slice(json).ok()?;
    let labels = config.and_then(|config| config.labels).unwrap_or_default();
    let mut named = by_keys(id, &labels);
    if named.container.is_none() {
        let name = name.strip_prefix('/').unwrap_or(&name);
        named.container = is_docker_name(name).then(|| name.into());
    }
    Some(named)
}

/// Of a bundle's file; `None` when it is damaged.
pub(super) fn bundle(id: &str, json: &[u8]) -> Option<Named> {
    let Bundle { annotations } = serde_json::from_slice(json).ok()?;
    Some(by_keys(id, &annotations.unwrap_or_default()))
}

fn by_keys(id: &str, texts: &Texts<'_>) -> Named {
    let text = |keys: &[&str], is_one: fn(&str) -> bool| {
        let found = keys.iter().find_map(|&key| texts.get(key));
        found.filter(|text| is_one(text)).map(|text| Name::from(&**text))
    };
    Named {
        container_id: Some(id.into()),
        pod_uid: text(&UID, is_pod_uid),
        namespace: text(&NAMESPACE, is_label),
        pod: text(&POD, is_pod),
        container: text(&CONTAINER, is_docker_name),
    }
}

/// What Docker allows, which is more than Kubernetes does.
fn is_docker_name(name: &str) -> bool {
    name.len() <= 255
        && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// Reads `file` in the folder `id` of an open folder; no link is followed.
///
/// # Errors
///
/// It is not there (`NOENT`), not to be had, no plain file, or too long.
pub(super) fn read(folder: impl AsFd, id: &str, file: &[&str]) -> rustix::io::Result<Vec<u8>> {
    let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let (&file, folders) = file.split_last().ok_or(Errno::INVAL)?;
    let mut inner = openat(folder, id, flags | OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
    for &folder in folders {
        inner = openat(&inner, folder, flags | OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
    }
    // Who makes a pipe of it is not waited for.
    let file = openat(&inner, file, flags | OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty())?;
    let stat = fstat(&file)?;
    let length = usize::try_from(stat.st_size).ok().filter(|&length| length <= LONGEST).ok_or(Errno::FBIG)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match rustix::io::pread(&file, &mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(named: Option<Named>) -> Option<[String; 4]> {
        let Named { pod_uid, namespace, pod, container, .. } = named?;
        Some([pod_uid, namespace, pod, container].map(|it| it.map_or(String::new(), |it| it.to_string())))
    }

    fn strings(all: [&str; 4]) -> Option<[String; 4]> {
        Some(all.map(str::to_owned))
    }

    #[test]
    fn docker_has_a_name_or_labels() {
        let plain = br#"{"StreamConfig":{},"State":{"Running":true},"ID":"9a","Name":"/web-1","Config":{"Labels":{}}}"#;
        assert_eq!(told(docker("x", plain)), strings(["", "", "", "web-1"]));
        assert_eq!(told(docker("x", br#"{"Name":"/we\u0062","Config":null}"#)), strings(["", "", "", "web"]));
        let pod =
            br#"{"Name":"/k8s_app_checkout_shop_0","Config":{"Labels":{"io.kubernetes.container.name":"app",
            "io.kubernetes.pod.name":"checkout","io.kubernetes.pod.namespace":"shop",
            "io.kubernetes.pod.uid":"3f0e1c7a-5d8b-4f6e-9a43-1f2e8d9b7c60"}}}"#;
        let uid = "3f0e1c7a-5d8b-4f6e-9a43-1f2e8d9b7c60";
        assert_eq!(told(docker("x", pod)), strings([uid, "shop", "checkout", "app"]));
        // A name that nobody could give.
        assert_eq!(told(docker("x", br#"{"Name":"/a\u001b[2Jb"}"#)), strings(["", "", "", ""]));
        for damaged in [&b""[..], b"{}", b"{\"Name\":", b"[]", b"{\"Name\":7}", b"\xff\xfe"] {
            assert_eq!(docker("x", damaged), None, "{}", damaged.escape_ascii());
        }
    }

    #[test]
    fn bundles_have_annotations() {
        let containerd = br#"{"ociVersion":"1.1.0","annotations":{"io.kubernetes.cri.container-name":"app",
            "io.kubernetes.cri.container-type":"container","io.kubernetes.cri.sandbox-name":"checkout",
            "io.kubernetes.cri.sandbox-namespace":"shop"},"linux":{"resources":{}}}"#;
        assert_eq!(told(bundle("x", containerd)), strings(["", "shop", "checkout", "app"]));
        let crio =
            br#"{"annotations":{"io.kubernetes.container.name":"app","io.kubernetes.pod.name":"checkout",
            "io.kubernetes.pod.namespace":"Shop!","io.kubernetes.pod.uid":"x"}}"#;
        assert_eq!(told(bundle("x", crio)), strings(["", "", "checkout", "app"]));
        assert_eq!(told(bundle("x", b"{}")), strings(["", "", "", ""]));
        assert_eq!(bundle("x", br#"{"annotations":[]}"#), None);
    }

    proptest! {
        #[test]
        fn no_json_is_too_strange(json in "[\\[\\]{}\":,a-zN/0-9\\\\]{0,60}") {
            let _read_or_not = (docker("x", json.as_bytes()), bundle("x", json.as_bytes()));
        }
    }
}
