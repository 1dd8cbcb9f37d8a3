//! The kubelet's folders, by the names of what is in them:
//!
//! - `/var/log/pods/NAMESPACE_POD_UID/`: a folder for each pod, made before its first container;
//! - `/var/log/containers/POD_NAMESPACE_CONTAINER-ID.log`: a link for each container, made when it has been started.
//!
//! Nothing is opened and no link is followed. A name is told when all of it is what Kubernetes allows; one that the kubelet had to cut off at
//! 255 bytes has lost its id and is passed over.

use crate::model::cgroup_path::{is_container_id, is_pod_uid};
use crate::model::names::Named;

/// Of an entry of `containers`.
pub(super) fn container(entry: &str) -> Option<Named> {
    let (names, id) = entry.strip_suffix(".log")?.rsplit_once('-')?;
    let [pod, namespace, container] = three(names)?;
    let valid = is_container_id(id) && is_pod(pod) && is_label(namespace) && is_label(container);
    valid.then(|| Named {
        container_id: Some(id.into()),
        pod_uid: None,
        namespace: Some(namespace.into()),
        pod: Some(pod.into()),
        container: Some(container.into()),
    })
}

/// Of an entry of `pods`.
pub(super) fn pod(entry: &str) -> Option<Named> {
    let [namespace, pod, uid] = three(entry)?;
    let valid = is_label(namespace) && is_pod(pod) && is_pod_uid(uid);
    valid.then(|| Named {
        container_id: None,
        pod_uid: Some(uid.into()),
        namespace: Some(namespace.into()),
        pod: Some(pod.into()),
        container: None,
    })
}

/// No name that Kubernetes allows has a `_`.
fn three(text: &str) -> Option<[&str; 3]> {
    let mut parts = text.split('_');
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(three)
}

/// A label of RFC 1123: namespaces, containers.
pub(super) fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_plain(text, |byte| byte == b'-')
}

/// A subdomain of RFC 1123: pods.
pub(super) fn is_pod(text: &str) -> bool {
    text.len() <= 253 && is_plain(text, |byte| matches!(byte, b'-' | b'.'))
}

fn is_plain(text: &str, within: fn(u8) -> bool) -> bool {
    let alphanumeric = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9');
    let ends = [text.bytes().next(), text.bytes().next_back()];
    ends.into_iter().all(|end| end.is_some_and(alphanumeric))
        && text.bytes().all(|byte| alphanumeric(byte) || within(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "9a1c55e0b7d3f4a2c6e8091b3d5f7a9c0e2d4b6f8a1c3e5d7f9b0a2c4e6d8f01";

    fn told(named: Option<Named>) -> String {
        let Some(Named { container_id, pod_uid, namespace, pod, container }) = named else {
            return "-".to_owned();
        };
        [container_id, pod_uid, namespace, pod, container]
            .into_iter()
            .map(|it| it.map_or_else(|| "-".to_owned(), |name| name.to_string()))
            .collect::<Vec<_>>()
            .join(" ")
            .replace(ID, "ID")
    }

    #[test]
    fn containers() {
        for (entry, expected) in [
            ("checkout-7d9c_shop_app-ID.log", "ID - shop checkout-7d9c app"),
            ("db-0.x_team-a_pg-main-ID.log", "ID - team-a db-0.x pg-main"),
            ("checkout_shop_app-ID", "-"),
            ("checkout_shop_app-ID.log.1", "-"),
            ("checkout_shop_app-IDff.log", "-"),
            ("checkout_shop_app-9a1c.log", "-"),
            ("checkout_shop_ID.log", "-"),
            ("checkout_app-ID.log", "-"),
            ("a_checkout_shop_app-ID.log", "-"),
            ("Checkout_shop_app-ID.log", "-"),
            ("-checkout_shop_app-ID.log", "-"),
            ("checkout._shop_app-ID.log", "-"),
            ("checkout_sh.op_app-ID.log", "-"),
            ("checkout__app-ID.log", "-"),
            ("check\x1bout_shop_app-ID.log", "-"),
            (".log", "-"),
            ("", "-"),
        ] {
            assert_eq!(told(container(&entry.replace("ID", ID))), expected, "{entry}");
        }
        let long = "n".repeat(64);
        assert_eq!(container(&format!("p_{long}_app-{ID}.log")), None);
    }

    #[test]
    fn pods() {
        for (entry, expected) in [
            (
                "shop_checkout-7d9c_3f0e1c7a-5d8b-4f6e-9a43-1f2e8d9b7c60",
                "- 3f0e1c7a-5d8b-4f6e-9a43-1f2e8d9b7c60 shop checkout-7d9c -",
            ),
            (
                "kube-system_etcd-node1_6d1e55e0b7d3f4a2c6e8091b3d5f7a9c",
                "- 6d1e55e0b7d3f4a2c6e8091b3d5f7a9c kube-system etcd-node1 -",
            ),
            ("shop_checkout_3f0e1c7a_5d8b_4f6e_9a43_1f2e8d9b7c60", "-"),
            ("shop_checkout_3f0e1c7a", "-"),
            ("shop_checkout", "-"),
            ("lost+found", "-"),
        ] {
            assert_eq!(told(pod(entry)), expected, "{entry}");
        }
    }

    proptest! {
        #[test]
        fn any_entry_is_read_or_passed_over(entry in "[a-z0-9_.\u{e9}-]{0,40}(-[0-9a-f]{64})?(.log)?") {
            if let Some(named) = container(&entry) {
                let Named { container_id, namespace, pod, container, .. } = named;
                let [id, namespace, pod, container] =
                    [container_id, namespace, pod, container].map(|it| it.expect("it is known").to_string());
                prop_assert_eq!(format!("{pod}_{namespace}_{container}-{id}.log"), entry);
            }
        }
    }
}
