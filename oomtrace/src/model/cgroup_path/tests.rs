//! Paths as they are met.

use proptest::prelude::*;

use super::*;

const ID: &str = "9a1c55e0b7d3f4a2c6e8091b3d5f7a9c0e2d4b6f8a1c3e5d7f9b0a2c4e6d8f01";
const OUTER: &str = "00ff55e0b7d3f4a2c6e8091b3d5f7a9c0e2d4b6f8a1c3e5d7f9b0a2c4e6d8f01";
const UID: &str = "3f0e1c7a-5d8b-4f6e-9a43-1f2e8d9b7c60";
const UID_: &str = "3f0e1c7a_5d8b_4f6e_9a43_1f2e8d9b7c60";
const STATIC: &str = "6d1e55e0b7d3f4a2c6e8091b3d5f7a9c";

/// What is read of a path in which `ID`, `OUTER`, `UID`, `UID_` and `STATIC` stand for those above:
/// `container, pod, unit`, each `-` when not told.
fn told(path: &str) -> String {
    let whole = path
        .replace("UID_", UID_)
        .replace("UID", UID)
        .replace("OUTER", OUTER)
        .replace("STATIC", STATIC)
        .replace("ID", ID);
    let name = Name::from(whole.as_str());
    let owner = owner(&name);
    let container = owner.container.map_or_else(
        || "-".to_owned(),
        |container| format!("{}:{}", container.runtime.unwrap_or("?"), container.id),
    );
    let pod =
        owner.pod.map_or_else(|| "-".to_owned(), |pod| format!("{}:{}", pod.uid(), pod.qos.unwrap_or("?")));
    let unit = owner.unit.unwrap_or("-");
    format!("{container}, {pod}, {unit}")
        .replace(UID_, "UID_")
        .replace(UID, "UID")
        .replace(OUTER, "OUTER")
        .replace(STATIC, "STATIC")
        .replace(ID, "ID")
}

#[test]
fn ids_are_found_wherever_they_stand() {
    for (name, expected) in [
        ("ID", vec![ID]),
        ("crio-ID.scope", vec![ID]),
        ("cri-containerd-ID.scope", vec![ID]),
        ("podUID", vec![UID]),
        ("podSTATIC", vec![STATIC]),
        ("kubepods-burstable-podUID_.slice", vec![UID]),
        ("kubepods-burstable-podUID_.slice:cri-containerd:ID", vec![ID, UID]),
        ("/docker/OUTER/kubelet/kubepods/podUID/ID", vec![OUTER, ID, UID]),
        ("IDff", vec![]),
        ("kubepods.slice", vec![]),
        ("pod\u{e9}", vec![]),
        ("", vec![]),
    ] {
        let name = name
            .replace("UID_", UID_)
            .replace("UID", UID)
            .replace("OUTER", OUTER)
            .replace("STATIC", STATIC)
            .replace("ID", ID);
        let found: Vec<String> = ids_in(&name.as_str().into()).collect();
        assert_eq!(found, expected, "{name}");
    }
}

proptest! {
    /// Whatever a path says, looking for ids finds at least those.
    #[test]
    fn what_a_path_says_is_found(path in "(/(kubepods|docker|burstable|k8s.io|crio-[0-9a-f]{64}.scope|pod[0-9a-f]{32}|[0-9a-f]{64})){0,6}") {
        let name = Name::from(path.as_str());
        let owner = owner(&name);
        let found: Vec<String> = ids_in(&name).collect();
        let told = [owner.container.map(|it| it.id.to_owned()), owner.pod.map(|pod| pod.uid())];
        for id in told.into_iter().flatten() {
            prop_assert!(found.contains(&id), "{} in {}", id, path);
        }
    }
}

#[test]
fn paths_as_they_are_met() {
    for (path, expected) in [
        // docker: cgroupfs and systemd drivers, rootless, with a systemd of its own inside.
        ("/docker/ID", "docker:ID, -, -"),
        ("/system.slice/docker-ID.scope", "docker:ID, -, docker-ID.scope"),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-ID.scope",
            "docker:ID, -, docker-ID.scope",
        ),
        ("/docker/ID/system.slice/nginx.service", "docker:ID, -, nginx.service"),
        ("/system.slice/docker-ID.scope/init.scope", "docker:ID, -, init.scope"),
        ("/docker/OUTER/docker/ID", "docker:ID, -, -"),
        // containerd.
        ("/k8s.io/ID", "containerd:ID, -, -"),
        ("/system.slice/nerdctl-ID.scope", "nerdctl:ID, -, nerdctl-ID.scope"),
        // The kubelet, systemd driver, every class; a static pod.
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID_.slice/cri-containerd-ID.scope",
            "containerd:ID, UID:burstable, cri-containerd-ID.scope",
        ),
        (
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podUID_.slice/crio-ID.scope",
            "cri-o:ID, UID:besteffort, crio-ID.scope",
        ),
        (
            "/kubepods.slice/kubepods-podUID_.slice/docker-ID.scope",
            "docker:ID, UID:guaranteed, docker-ID.scope",
        ),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podSTATIC.slice",
            "-, STATIC:burstable, kubepods-burstable-podSTATIC.slice",
        ),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podUID_.slice/crio-ID.scope/container",
            "cri-o:ID, UID:burstable, crio-ID.scope",
        ),
        // The monitor of a container is not in it.
        (
            "/kubepods.slice/kubepods-podUID_.slice/crio-conmon-ID.scope",
            "-, UID:guaranteed, crio-conmon-ID.scope",
        ),
        ("/machine.slice/libpod-conmon-ID.scope", "-, -, libpod-conmon-ID.scope"),
        ("/lxc.monitor.web", "-, -, -"),
        // The kubelet, cgroupfs driver.
        ("/kubepods/burstable/podUID/ID", "?:ID, UID:burstable, -"),
        ("/kubepods/besteffort/podUID/ID", "?:ID, UID:besteffort, -"),
        ("/kubepods/podUID/ID", "?:ID, UID:guaranteed, -"),
        ("/kubepods/burstable/podUID", "-, UID:burstable, -"),
        ("/kubepods/burstable/podUID/crio-ID", "cri-o:ID, UID:burstable, -"),
        ("/kubepods/burstable/podSTATIC/ID", "?:ID, STATIC:burstable, -"),
        ("/kubepods/burstable", "-, -, -"),
        // Drivers that do not agree.
        (
            "/system.slice/containerd.service/kubepods-burstable-podUID_.slice:cri-containerd:ID",
            "containerd:ID, UID:burstable, containerd.service",
        ),
        // kind: a node is a docker container, its pods are below.
        (
            "/docker/OUTER/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/\
             kubelet-kubepods-burstable-podUID_.slice/cri-containerd-ID.scope",
            "containerd:ID, UID:burstable, cri-containerd-ID.scope",
        ),
        (
            "/docker/OUTER/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-podUID_.slice",
            "-, UID:guaranteed, kubelet-kubepods-podUID_.slice",
        ),
        ("/docker/OUTER/kubelet/kubepods/podUID/ID", "?:ID, UID:guaranteed, -"),
        (
            "/system.slice/docker-OUTER.scope/system.slice/containerd.service",
            "docker:OUTER, -, containerd.service",
        ),
        // docker inside a pod.
        ("/kubepods/burstable/podUID/OUTER/docker/ID", "docker:ID, UID:burstable, -"),
        // podman.
        ("/machine.slice/libpod-ID.scope", "podman:ID, -, libpod-ID.scope"),
        ("/machine.slice/libpod-ID.scope/container", "podman:ID, -, libpod-ID.scope"),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
            "podman:ID, -, libpod-ID.scope",
        ),
        ("/system.slice/web.service/libpod-payload-ID", "podman:ID, -, web.service"),
        ("/libpod_parent/libpod-ID", "podman:ID, -, -"),
        ("/libpod_parent/ID", "podman:ID, -, -"),
        (
            "/machine.slice/machine-libpod_pod_OUTER.slice/libpod-ID.scope",
            "podman:ID, OUTER:?, libpod-ID.scope",
        ),
        ("/libpod_pod_OUTER.slice/libpod-ID.scope", "podman:ID, OUTER:?, libpod-ID.scope"),
        // LXC.
        ("/lxc.payload.web", "lxc:web, -, -"),
        ("/lxc.payload.web/system.slice/nginx.service", "lxc:web, -, nginx.service"),
        ("/lxc/web/init.scope", "lxc:web, -, init.scope"),
        // systemd.
        ("/system.slice/sshd.service", "-, -, sshd.service"),
        ("/system.slice/postgresql.service/sub/group", "-, -, postgresql.service"),
        (
            r"/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal\x2d1.scope",
            r"-, -, app-org.gnome.Terminal\x2d1.scope",
        ),
        ("/user.slice/user-1000.slice/user@1000.service/app.slice/app-foo.service", "-, -, app-foo.service"),
        ("/user.slice/user-1000.slice/session-3.scope", "-, -, session-3.scope"),
        ("/user.slice", "-, -, user.slice"),
        ("/init.scope", "-, -, init.scope"),
        ("/machine.slice/systemd-nspawn@web.service/payload/system.slice", "-, -, system.slice"),
        ("/system.slice/_cgroup.service", "-, -, cgroup.service"),
        (r"/system.slice/dev-disk-by\x2duuid-1.swap", r"-, -, dev-disk-by\x2duuid-1.swap"),
        ("/", "-, -, -"),
        ("", "-, -, -"),
        ("/a/b", "-, -, -"),
    ] {
        assert_eq!(told(path), expected, "{path}");
    }
}

#[test]
fn half_ids_and_strange_places_tell_nothing() {
    for path in [
        "/docker/9a1c55e0b7d3",
        "/docker/IDx",
        "/docker/9A1C55E0B7D3F4A2C6E8091B3D5F7A9C0E2D4B6F8A1C3E5D7F9B0A2C4E6D8F01",
        "/elsewhere/ID",
        "/docker/buildkit/ID",
        "/docker-ID",
        "/cri-containerd-ID",
        "/kubepods/burstable/pod/x",
        "/kubepods/burstable/pod3f0e1c7a-5d8b",
        "/elsewhere/burstable/podUID/ID",
        "/burstable/podUID",
        "/kubepods-burstable-podUID_",
        "/lxc.payload.",
        "/lxc",
        "/a.service.d/x",
        "/.service",
        "/@.service/x",
        "/a b.service",
        "/libpod_pod_9a1c",
        "/xlibpod_pod_ID",
        "/cri-containerd:ID",
    ] {
        assert_eq!(told(path), "-, -, -", "{path}");
    }
    // Slices, but of no pod.
    for path in ["/kubepods-gold-podUID_.slice", "/x-burstable-podUID_.slice", "/kubepods-podUID.slice"] {
        assert!(told(path).starts_with("-, -, "), "{}", told(path));
    }
    let half = Name::from(format!("/docker/{ID}/\u{fffd}").replace('\u{fffd}', "x").into_bytes());
    assert!(owner(&half).container.is_some());
    let not_text = Name::from([format!("/docker/{ID}/").as_bytes(), b"\xff"].concat());
    assert_eq!(owner(&not_text), Owner::default());
    let long = Name::from(format!("/{}.service", "a".repeat(300)).into_bytes());
    assert_eq!(owner(&long).unit, None);
}

#[test]
fn short_ids() {
    let name = Name::from(format!("/machine-libpod_pod_{OUTER}.slice/libpod-{ID}.scope").as_str());
    let owner = owner(&name);
    assert_eq!(owner.container.map(|container| container.short_id()), Some("9a1c55e0b7d3"));
    assert_eq!(owner.pod.map(|pod| pod.short_uid()).as_deref(), Some("00ff55e0b7d3"));
}

proptest! {
    /// Whatever is told stands in the path.
    #[test]
    fn nothing_is_made_up(path in "(/(docker|kubepods|burstable|pod|lxc|crio-|libpod_pod_|[a-f0-9]{64}|[a-z.:@_-]{0,9}|\\PC{0,5}|x\\.(slice|scope))){0,6}") {
        let name = Name::from(path.as_str());
        let owner = owner(&name);
        if let Some(container) = owner.container {
            prop_assert!(path.contains(container.id));
            prop_assert!(container.short_id().len() <= container.id.len());
        }
        if let Some(pod) = owner.pod {
            prop_assert!(path.replace('_', "-").contains(&pod.uid()));
        }
        if let Some(unit) = owner.unit {
            prop_assert!(path.contains(unit));
        }
    }
}
