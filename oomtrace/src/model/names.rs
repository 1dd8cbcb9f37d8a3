//! What containers and pods are called: a cgroup's path has only their ids.
//!
//! Sources tell [`Named`] as observations; an episode has those of its own cgroups ([`Names`]).

use minicbor::{Decode, Encode};

use super::cgroup_path::{Container, Owner, Pod};
use super::name::Name;

/// The names that belong to an id: of a container, or of a pod when there is none of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Named {
    /// Id of a container: 64 hex digits.
    #[n(0)]
    pub container_id: Option<Name>,
    /// A pod's uid as the API server knows it; `None` where only the container's id is known with the names.
    #[n(1)]
    pub pod_uid: Option<Name>,
    /// The pod's namespace.
    #[n(2)]
    pub namespace: Option<Name>,
    /// The pod's name.
    #[n(3)]
    pub pod: Option<Name>,
    /// The container's name, in its pod or on its host.
    #[n(4)]
    pub container: Option<Name>,
}

/// The names that an episode has: by id of container, then by uid of pod, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Vec<Named>);

/// What somebody is called. What is not known is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Called<'a> {
    /// The pod's namespace.
    pub namespace: Option<&'a Name>,
    /// The pod's name.
    pub pod: Option<&'a Name>,
    /// The container's name.
    pub container: Option<&'a Name>,
}

impl Names {
    /// In order, and each once.
    #[must_use]
    pub fn new(mut all: Vec<Named>) -> Self {
        fn key(named: &Named) -> (Option<&[u8]>, Option<&[u8]>) {
            (named.container_id.as_deref(), named.pod_uid.as_deref())
        }
        all.sort_by(|a, b| key(a).cmp(&key(b)));
        all.dedup_by(|a, b| key(a) == key(b));
        Self(all)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Named] {
        &self.0
    }

    /// What the owner of a cgroup is called.
    #[must_use]
    pub fn of(&self, owner: &Owner<'_>) -> Called<'_> {
        let of_container = owner.container.and_then(|container| self.of_container(&container));
        let of_pod = owner.pod.and_then(|pod| self.of_pod(&pod));
        // Of one source each: no pod is put together of two.
        let pod = of_container.filter(|named| named.pod.is_some()).or(of_pod);
        Called {
            namespace: pod.and_then(|named| named.namespace.as_ref()),
            pod: pod.and_then(|named| named.pod.as_ref()),
            container: of_container.and_then(|named| named.container.as_ref()),
        }
    }

    fn of_container(&self, container: &Container<'_>) -> Option<&Named> {
        let id = container.id.as_bytes();
        self.0.iter().find(|named| named.container_id.as_deref() == Some(id))
    }

    fn of_pod(&self, pod: &Pod<'_>) -> Option<&Named> {
        if self.0.is_empty() {
            return None;
        }
        let uid = pod.uid();
        self.0.iter().find(|named| named.pod_uid.as_deref() == Some(uid.as_bytes()))
    }
}

impl<'a> Called<'a> {
    /// `shop/checkout-7d9c`, or without the namespace if that is not known.
    #[must_use]
    pub fn pod_in_namespace(&self) -> Option<String> {
        let pod = self.pod?;
        Some(match self.namespace {
            Some(namespace) => format!("{namespace}/{pod}"),
            None => pod.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cgroup_path::owner;

    const ID: &str = "9a1c55e0b7d3f4a2c6e8091b3d5f7a9c0e2d4b6f8a1c3e5d7f9b0a2c4e6d8f01";
    const UID: &str = "3f0e1c7a-5d8b-4f6e-9a43-1f2e8d9b7c60";

    fn container() -> Named {
        Named {
            container_id: Some(ID.into()),
            pod_uid: None,
            namespace: Some("shop".into()),
            pod: Some("checkout-7d9c".into()),
            container: Some("app".into()),
        }
    }

    fn pod() -> Named {
        Named { container_id: None, pod_uid: Some(UID.into()), container: None, ..container() }
    }

    fn told(names: &Names, path: &str) -> (Option<String>, Option<String>) {
        let path = Name::from(path);
        let called = names.of(&owner(&path));
        (called.pod_in_namespace(), called.container.map(ToString::to_string))
    }

    #[test]
    fn both_or_one_of_them() {
        let text = |text: &str| Some(text.to_owned());
        let both = Names::new(vec![container(), pod(), pod()]);
        assert_eq!(both.all().len(), 2);
        let whole = format!("/kubepods/burstable/pod{UID}/{ID}");
        assert_eq!(told(&both, &whole), (text("shop/checkout-7d9c"), text("app")));
        assert_eq!(told(&both, &format!("/kubepods/pod{UID}")), (text("shop/checkout-7d9c"), None));
        assert_eq!(told(&both, "/system.slice/ssh.service"), (None, None));
        let by_pod = Names::new(vec![pod()]);
        assert_eq!(told(&by_pod, &whole), (text("shop/checkout-7d9c"), None));
        let by_container = Names::new(vec![container()]);
        assert_eq!(told(&by_container, &format!("/k8s.io/{ID}")), (text("shop/checkout-7d9c"), text("app")));
        assert_eq!(told(&by_container, &format!("/kubepods/pod{UID}")), (None, None));
        // A container by itself.
        let plain = Named { namespace: None, pod: None, ..container() };
        assert_eq!(told(&Names::new(vec![plain]), &format!("/docker/{ID}")), (None, text("app")));
        assert_eq!(told(&Names::default(), &whole), (None, None));
    }
}
