//! What the containers and pods of a node are called, by what the kubelet and the runtimes leave in folders.
//!
//! Everything is listed at the start, and followed by inotify: a name is known a moment after the container is there. The kubelet's names are those of
//! folder entries, so that following them takes no file and no right to open any. A runtime's file is read between episodes only
//! ([`Watcher::look`]). What is told are the names of those that a cgroup was named of ([`Watcher::see`]), as observations. By file:
//!
//! - here: folders, listing, inotify;
//! - [`table`]: who is known, for how long, and who is to be told;
//! - [`kubelet`]: names of entries of `/var/log/containers` and `/var/log/pods`;
//! - [`runtime`]: files of Docker, containerd and CRI-O.

mod kubelet;
mod runtime;
mod table;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{CWD, Mode, OFlags, RawDir, openat};
use rustix::io::Errno;

use crate::model::Name;
use crate::model::cgroup_path::is_container_id;
use crate::model::names::Named;
use crate::model::observation::CgroupNode;
use table::Table;

/// Folders, from the root of the node, and what is in them.
const PLACES: [(&str, Kind); 6] = [
    ("var/log/containers", Kind::Containers),
    ("var/log/pods", Kind::Pods),
    ("var/lib/docker/containers", Kind::Docker),
    ("run/containerd/io.containerd.runtime.v2.task/k8s.io", Kind::Bundle),
    ("run/containerd/io.containerd.runtime.v2.task/default", Kind::Bundle),
    ("var/lib/containers/storage/overlay-containers", Kind::Userdata),
];
/// How long after a container's folder has come its file is read, ns; it is tried again after twice that, and so on.
const SETTLES_NS: u64 = 20_000_000;
/// How often a file is tried: for some 2.5 s.
const TRIES: u32 = 7;
/// Files read in one look after the start.
const AT_ONCE: usize = 8;
/// Files that wait to be read.
const MOST_UNREAD: usize = 4096;
/// Without inotify, how often the folders are listed, ns.
const LIST_EVERY_NS: u64 = 10_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The kubelet's links.
    Containers,
    /// The kubelet's folders.
    Pods,
    /// Docker's folders.
    Docker,
    /// containerd's bundles.
    Bundle,
    /// CRI-O's.
    Userdata,
}

#[derive(Debug)]
struct Folder {
    kind: Kind,
    path: PathBuf,
    watch: Option<i32>,
}

/// A container whose file has not been read yet.
#[derive(Debug)]
struct Unread {
    folder: usize,
    id: String,
    tries: u32,
}

/// Follows the names of a node's containers.
#[derive(Debug)]
pub struct Watcher {
    folders: Vec<Folder>,
    inotify: Option<OwnedFd>,
    table: Table,
    unread: VecDeque<Unread>,
    /// When there is something to read, ns since boot; `None` when there is not.
    due_ns: Option<u64>,
    /// Something came that inotify did not tell.
    stale: bool,
    buffer: Box<[MaybeUninit<u8>]>,
    /// What users should know.
    notes: Vec<String>,
    /// Some file could not be read, and that was said.
    unreadable: bool,
    /// There was no room for somebody, and that was said.
    full: bool,
}

impl Watcher {
    /// Looks at the node whose root is `root`; `None` when there is no such folder. To be called while there are privileges.
    #[must_use]
    pub fn start(root: &Path, now_ns: u64) -> Option<Self> {
        let flags = CreateFlags::NONBLOCK | CreateFlags::CLOEXEC;
        let mut inotify = None;
        let mut notes = Vec::new();
        let mut folders = Vec::new();
        for (place, kind) in PLACES {
            let path = root.join(place);
            match open(&path) {
                Ok(_) => {}
                Err(Errno::NOENT | Errno::NOTDIR) => continue,
                Err(error) => {
                    notes.push(format!("{}: {error}; no names from there", path.display()));
                    continue;
                }
            }
            // Followed before it is listed: what comes between the two is seen twice.
            if inotify.is_none() {
                inotify = Some(inotify::init(flags));
            }
            let watch = match &inotify {
                Some(Ok(inotify)) => inotify::add_watch(inotify, &path, events()),
                Some(Err(error)) => Err(*error),
                None => Err(Errno::BADF),
            };
            if let Err(error) = watch {
                let every = LIST_EVERY_NS / 1_000_000_000;
                notes.push(format!(
                    "{}: inotify: {error}; new names are looked for every {every} s",
                    path.display()
                ));
            }
            folders.push(Folder { kind, path, watch: watch.ok() });
        }
        if folders.is_empty() && notes.is_empty() {
            return None;
        }
        let mut watcher = Self {
            folders,
            inotify: inotify.and_then(Result::ok),
            table: Table::default(),
            unread: VecDeque::new(),
            due_ns: None,
            stale: false,
            buffer: vec![MaybeUninit::uninit(); 16 << 10].into(),
            notes,
            unreadable: false,
            full: false,
        };
        watcher.list();
        // What is not there now is being made or never was: it is not waited for.
        for unread in std::mem::take(&mut watcher.unread) {
            watcher.read(unread);
        }
        watcher.plan(now_ns);
        Some(watcher)
    }

    /// Readable when the folders have changed.
    #[must_use]
    pub fn inotify(&self) -> Option<BorrowedFd<'_>> {
        self.inotify.as_ref().map(AsFd::as_fd)
    }

    /// How many containers and pods are known.
    #[must_use]
    pub fn known(&self) -> usize {
        self.table.present()
    }

    /// When there is something to look at, ns since boot.
    #[must_use]
    pub fn due_ns(&self) -> Option<u64> {
        self.due_ns
    }

    /// Notes whom a cgroup belongs to: they are to be told.
    pub fn see(&mut self, cgroup: &CgroupNode) {
        self.table.ask(&cgroup.name);
        if let Some(path) = &cgroup.path {
            self.table.ask(path);
        }
    }

    /// The next names to tell.
    pub fn take(&mut self) -> Option<Named> {
        self.table.take()
    }

    /// What users should know and have not been told.
    pub fn take_notes(&mut self) -> Vec<String> {
        if !self.full && self.table.is_full() {
            self.full = true;
            let most = table::MOST;
            self.notes.push(format!(
                "there are more containers and pods than the {most} whose names are kept: others will have none"
            ));
        }
        std::mem::take(&mut self.notes)
    }

    /// Takes what inotify has told. Opens and lists nothing, so that it may be called at any time.
    pub fn catch_up(&mut self, now_ns: u64) {
        let Some(inotify) = &self.inotify else { return };
        let mut reader = inotify::Reader::new(inotify, &mut self.buffer);
        // A burst that does not end is taken in parts.
        for _ in 0..4096 {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(_) => break,
            };
            let flags = event.events();
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                self.stale = true;
                continue;
            }
            let Some(folder) = self.folders.iter().position(|folder| folder.watch == Some(event.wd())) else {
                continue;
            };
            if flags.contains(ReadFlags::IGNORED) {
                self.folders[folder].watch = None;
                let path = self.folders[folder].path.display();
                self.notes.push(format!("{path} was removed; new names from there will not be known"));
                continue;
            }
            let Some(Ok(entry)) = event.file_name().map(|name| name.to_str()) else { continue };
            let came = flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
            match named(self.folders[folder].kind, entry) {
                Some(Entry::Named(named)) if came => self.table.learn(named),
                Some(Entry::Named(named)) => self.table.remove(&named),
                Some(Entry::File) if came => {
                    add(&mut self.unread, Unread { folder, id: entry.to_owned(), tries: 0 });
                }
                Some(Entry::File) => self.table.remove(&by_id(entry)),
                None => {}
            }
        }
        self.plan(now_ns);
    }

    /// Reads what is due. Not to be called while an episode is under way.
    pub fn look(&mut self, now_ns: u64) {
        if self.due_ns.is_none_or(|due_ns| now_ns < due_ns) {
            return;
        }
        self.due_ns = None;
        if self.stale || self.inotify.is_none() {
            self.stale = false;
            self.list();
        }
        let now = self.unread.len().min(AT_ONCE);
        for unread in self.unread.drain(..now).collect::<Vec<_>>() {
            self.read(unread);
        }
        self.plan(now_ns);
    }

    /// Puts it off: an episode is under way.
    pub fn put_off(&mut self, now_ns: u64) {
        self.due_ns = self.due_ns.map(|due_ns| due_ns.max(now_ns.saturating_add(SETTLES_NS)));
    }

    fn plan(&mut self, now_ns: u64) {
        if self.due_ns.is_some() {
            return;
        }
        let tries = self.unread.iter().map(|unread| unread.tries).min();
        let wait_ns = match tries.or(self.stale.then_some(0)) {
            Some(tries) => Some(SETTLES_NS << tries.min(TRIES)),
            None => self.inotify.is_none().then_some(LIST_EVERY_NS),
        };
        self.due_ns = wait_ns.map(|wait_ns| now_ns.saturating_add(wait_ns));
    }

    /// Lists all folders anew.
    fn list(&mut self) {
        self.table.list_anew();
        for (at, folder) in self.folders.iter().enumerate() {
            // Kept open, it would not be told that it was removed.
            let Ok(opened) = open(&folder.path) else { continue };
            let mut entries = RawDir::new(&opened, &mut self.buffer);
            while let Some(Ok(entry)) = entries.next() {
                let Ok(entry) = entry.file_name().to_str() else { continue };
                match named(folder.kind, entry) {
                    Some(Entry::Named(named)) => self.table.learn(named),
                    Some(Entry::File) if !self.table.find(&entry.into()) => {
                        add(&mut self.unread, Unread { folder: at, id: entry.to_owned(), tries: TRIES - 1 });
                    }
                    Some(Entry::File) | None => {}
                }
            }
        }
        self.table.listed();
    }

    /// Reads a container's file; one that is not there yet, or not whole, is tried again.
    fn read(&mut self, unread: Unread) {
        let Unread { folder, id, tries } = unread;
        let Some(Folder { kind, path, .. }) = self.folders.get(folder) else { return };
        let (file, is_docker): (&[&str], bool) = match kind {
            Kind::Docker => (&["config.v2.json"], true),
            Kind::Bundle => (&["config.json"], false),
            Kind::Userdata => (&["userdata", "config.json"], false),
            Kind::Containers | Kind::Pods => return,
        };
        let parse = if is_docker { runtime::docker } else { runtime::bundle };
        let why = match open(path).and_then(|folder| runtime::read(folder, &id, file)) {
            Ok(bytes) => match parse(&id, &bytes) {
                Some(named) => {
                    if named.pod_uid.is_some() && named.pod.is_some() {
                        self.table.learn(Named { container_id: None, container: None, ..named.clone() });
                    }
                    self.table.learn(named);
                    return;
                }
                None => Some("it is damaged".to_owned()),
            },
            // It never ran, or it has gone.
            Err(Errno::NOENT | Errno::NOTDIR) => None,
            Err(error) => Some(error.to_string()),
        };
        if tries + 1 < TRIES {
            add(&mut self.unread, Unread { folder, id, tries: tries + 1 });
        } else if let Some(why) = why.filter(|_| !self.unreadable) {
            self.unreadable = true;
            let file = path.join(&id).join(file.join("/"));
            self.notes.push(format!("{}: {why}; containers of such files have no names", file.display()));
        }
    }
}

enum Entry {
    /// The entry's name says it.
    Named(Named),
    /// A file in it says it.
    File,
}

fn named(kind: Kind, entry: &str) -> Option<Entry> {
    match kind {
        Kind::Containers => kubelet::container(entry).map(Entry::Named),
        Kind::Pods => kubelet::pod(entry).map(Entry::Named),
        Kind::Docker | Kind::Bundle | Kind::Userdata => is_container_id(entry).then_some(Entry::File),
    }
}

fn open(folder: &Path) -> rustix::io::Result<OwnedFd> {
    openat(CWD, folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn by_id(id: &str) -> Named {
    Named { container_id: Some(Name::from(id)), ..Named::default() }
}

fn add(unread: &mut VecDeque<Unread>, one: Unread) {
    if unread.len() < MOST_UNREAD {
        unread.push_back(one);
    }
}

fn events() -> WatchFlags {
    WatchFlags::CREATE
        | WatchFlags::MOVED_TO
        | WatchFlags::DELETE
        | WatchFlags::MOVED_FROM
        | WatchFlags::ONLYDIR
}
