use std::fs;
use std::os::unix::fs::symlink;

use super::*;
use crate::model::observation::CgroupNode;

const UID: &str = "3f0e1c7a-5d8b-4f6e-9a43-1f2e8d9b7c60";
const UID_: &str = "3f0e1c7a_5d8b_4f6e_9a43_1f2e8d9b7c60";
const SECOND: u64 = 1_000_000_000;

fn id(n: usize) -> String {
    format!("{n:064x}")
}

/// A node in a folder.
struct Node(tempfile::TempDir);

impl Node {
    fn new(folders: &[&str]) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        for folder in folders {
            fs::create_dir_all(root.path().join(folder)).expect("a folder");
        }
        Self(root)
    }

    fn kubelet() -> Self {
        Self::new(&["var/log/containers", "var/log/pods"])
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn pod(&self, pod: &str) {
        fs::create_dir(self.path(&format!("var/log/pods/shop_{pod}_{UID}"))).expect("a folder");
    }

    fn container(&self, name: &str, n: usize) -> PathBuf {
        let link = self.path(&format!("var/log/containers/checkout_shop_{name}-{}.log", id(n)));
        // To nowhere: links are not followed.
        symlink("/nowhere/0.log", &link).expect("a link");
        link
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        fs::write(path, text).expect("it can be written");
    }

    fn start(&self) -> Watcher {
        Watcher::start(self.0.path(), 0).expect("there is something to follow")
    }
}

/// Names told when these cgroups are named.
fn told(watcher: &mut Watcher, cgroups: &[String]) -> Vec<String> {
    for (name, id) in cgroups.iter().zip(1..) {
        let name = Name::from(name.as_str());
        watcher.see(&CgroupNode { id, parent: None, name, path: None });
    }
    let text = |name: Option<Name>| name.map_or_else(|| "-".to_owned(), |name| name.to_string());
    std::iter::from_fn(|| watcher.take())
        .map(|it| format!("{}/{}/{}", text(it.namespace), text(it.pod), text(it.container)))
        .collect()
}

#[test]
fn those_that_were_there_and_those_that_come() {
    let node = Node::kubelet();
    node.pod("checkout");
    node.container("app", 1);
    let mut watcher = node.start();
    assert_eq!(watcher.known(), 2);
    let pod = format!("kubepods-burstable-pod{UID_}.slice");
    let scope = |n: usize| format!("cri-containerd-{}.scope", id(n));
    assert_eq!(
        told(&mut watcher, &["kubepods.slice".to_owned(), pod, scope(1)]),
        ["shop/checkout/-", "shop/checkout/app"]
    );
    // Asked for before it is there.
    assert!(told(&mut watcher, &[scope(2)]).is_empty());
    let link = node.container("sidecar", 2);
    watcher.catch_up(1);
    assert_eq!(told(&mut watcher, &[]), ["shop/checkout/sidecar"]);
    // Gone, and still known.
    node.container("batch", 3);
    watcher.catch_up(1);
    assert_eq!(watcher.known(), 4);
    fs::remove_file(link).expect("it is there");
    fs::remove_file(node.path(&format!("var/log/containers/checkout_shop_batch-{}.log", id(3))))
        .expect("there");
    watcher.catch_up(1);
    assert_eq!(watcher.known(), 2);
    assert_eq!(told(&mut watcher, &[scope(2), scope(3)]), ["shop/checkout/batch"]);
    assert_eq!((watcher.take_notes(), watcher.due_ns()), (vec![], None));
}

#[test]
fn what_the_kubelet_did_not_make_is_passed_over() {
    let node = Node::kubelet();
    for name in ["x.log", "a_b_c-1.log", "\u{1b}[2J", "..."] {
        fs::write(node.path(&format!("var/log/containers/{name}")), "").expect("it can be written");
        fs::write(node.path(&format!("var/log/pods/{name}")), "").expect("it can be written");
    }
    let mut watcher = node.start();
    assert_eq!((watcher.known(), watcher.take_notes()), (0, vec![]));
}

#[test]
fn a_machine_without_any_is_not_followed() {
    let node = Node::new(&["var/log"]);
    assert!(Watcher::start(node.0.path(), 0).is_none());
    fs::write(node.path("var/log/containers"), "").expect("it can be written");
    assert!(Watcher::start(node.0.path(), 0).is_none());
}

#[test]
fn a_folder_that_goes_is_told() {
    let node = Node::kubelet();
    let mut watcher = node.start();
    fs::remove_dir(node.path("var/log/containers")).expect("it is empty");
    watcher.catch_up(1);
    let notes = watcher.take_notes();
    assert!(notes.len() == 1 && notes[0].contains("var/log/containers was removed"), "{notes:?}");
    assert!(watcher.take_notes().is_empty());
}

#[test]
fn more_than_inotify_can_tell_is_listed() {
    let node = Node::kubelet();
    let mut watcher = node.start();
    node.container("app", 1);
    // As after an overflow.
    watcher.stale = true;
    watcher.plan(0);
    assert!(watcher.due_ns().is_some());
    watcher.look(SECOND);
    assert_eq!((watcher.known(), watcher.due_ns()), (1, None));
    node.pod("other");
    watcher.inotify = None;
    watcher.plan(0);
    watcher.put_off(2 * LIST_EVERY_NS);
    watcher.look(2 * LIST_EVERY_NS);
    assert_eq!(watcher.known(), 1);
    watcher.look(3 * LIST_EVERY_NS);
    assert_eq!(watcher.known(), 2);
    assert_eq!(watcher.due_ns(), Some(4 * LIST_EVERY_NS));
}

#[test]
fn runtimes_files_are_read() {
    let node = Node::new(&["var/lib/docker/containers"]);
    let docker = |n: usize| format!("var/lib/docker/containers/{}", id(n));
    let bundles = "run/containerd/io.containerd.runtime.v2.task/k8s.io";
    node.write(&format!("{}/config.v2.json", docker(1)), r#"{"Name":"/web-1"}"#);
    let annotations = format!(
        r#"{{"annotations":{{"io.kubernetes.pod.name":"checkout","io.kubernetes.pod.namespace":"shop",
            "io.kubernetes.container.name":"app","io.kubernetes.pod.uid":"{UID}"}}}}"#
    );
    node.write(&format!("{bundles}/{}/config.json", id(2)), &annotations);
    node.write(
        &format!("var/lib/containers/storage/overlay-containers/{}/userdata/config.json", id(3)),
        &annotations,
    );
    // Never run; no container at all.
    fs::create_dir(node.path(&docker(4))).expect("a folder");
    fs::create_dir(node.path("var/lib/docker/containers/tmp")).expect("a folder");
    let mut watcher = node.start();
    assert_eq!(watcher.take_notes(), Vec::<String>::new());
    let cgroups = [1, 2, 3, 4, 5].map(|n| format!("docker-{}.scope", id(n)));
    let pod = format!("pod{UID}");
    assert_eq!(
        told(&mut watcher, &[&cgroups[..], &[pod]].concat()),
        ["-/-/web-1", "shop/checkout/app", "shop/checkout/app", "shop/checkout/-"]
    );
    // A new one: the folder first, then the file, which is not whole at once.
    fs::create_dir(node.path(&docker(5))).expect("a folder");
    watcher.catch_up(0);
    let due = watcher.due_ns().expect("it is to be read");
    node.write(&format!("{}/config.v2.json", docker(5)), r#"{"Name":"/w"#);
    watcher.look(due - 1);
    watcher.look(due);
    assert!(told(&mut watcher, &[]).is_empty());
    node.write(&format!("{}/config.v2.json", docker(5)), r#"{"Name":"/web-5"}"#);
    let later = watcher.due_ns().expect("it is tried again");
    assert!(later > due);
    watcher.look(later);
    assert_eq!(told(&mut watcher, &[]), ["-/-/web-5"]);
    assert_eq!((watcher.take_notes(), watcher.due_ns()), (vec![], None));
}

#[test]
fn damaged_files_and_links_are_told_once() {
    let node = Node::new(&["var/lib/docker/containers"]);
    let docker = |n: usize| format!("var/lib/docker/containers/{}", id(n));
    node.write("elsewhere/config.v2.json", r#"{"Name":"/stolen"}"#);
    symlink(node.path("elsewhere"), node.path(&docker(1))).expect("a link");
    fs::create_dir(node.path(&docker(2))).expect("a folder");
    symlink(node.path("elsewhere/config.v2.json"), node.path(&format!("{}/config.v2.json", docker(2))))
        .expect("a link");
    node.write(&format!("{}/config.v2.json", docker(3)), "{");
    let mut watcher = node.start();
    let cgroups = [1, 2, 3].map(|n| format!("docker-{}.scope", id(n)));
    assert!(told(&mut watcher, &cgroups).is_empty());
    let notes = watcher.take_notes();
    assert!(notes.len() == 1 && notes[0].contains("config.v2.json"), "{notes:?}");
    // One that stays damaged is not tried for ever.
    fs::create_dir(node.path(&docker(4))).expect("a folder");
    node.write(&format!("{}/config.v2.json", docker(4)), "[]");
    watcher.catch_up(0);
    let mut tries = 0;
    while let Some(due) = watcher.due_ns() {
        watcher.look(due);
        tries += 1;
    }
    assert_eq!((tries, watcher.take_notes().len()), (TRIES, 0));
}
