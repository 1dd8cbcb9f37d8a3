//! Names of containers beside a capture: when they are looked for, and when they are told.

use std::future::pending;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::path::Path;

use tokio::io::{Interest, unix::AsyncFd};

use crate::model::Observation;
use crate::model::observation::CgroupNode;
use crate::pipeline::Pipeline;
use crate::source::live::host;
use crate::source::names::Watcher;

use super::args::NamesArgs;
use super::say;

/// Follows them for one capture.
pub(super) struct Follower {
    watcher: Watcher,
    /// Registered with the runtime on first use, which is when there is one.
    changes: Option<AsyncFd<OwnedFd>>,
}

/// Lists what is there; `None` when nothing is, or it is not wanted. To be called while there are privileges.
pub(super) fn start(args: &NamesArgs) -> Option<Follower> {
    if args.no_names {
        return None;
    }
    let root = args.names_root.as_deref().unwrap_or(Path::new("/"));
    match Watcher::start(root, host::boot_ns()) {
        Some(watcher) => {
            let mut follower = Follower { watcher, changes: None };
            follower.say();
            Some(follower)
        }
        None => {
            if args.names_root.is_some() {
                say(&format!(
                    "{}: neither the kubelet nor a container runtime has a folder there; there will be no names",
                    root.display()
                ));
            }
            None
        }
    }
}

impl Follower {
    /// Notes who is named of a cgroup.
    pub(super) fn see(&mut self, cgroup: &CgroupNode) {
        self.watcher.see(cgroup);
    }

    /// When there is a file to read, ns since boot.
    pub(super) fn due_ns(&self) -> Option<u64> {
        self.watcher.due_ns()
    }

    /// Takes what has changed, without looking at any file.
    pub(super) fn catch_up(&mut self) {
        self.watcher.catch_up(host::boot_ns());
    }

    /// Tells what is to be told.
    pub(super) fn tell(&mut self, pipeline: &mut Pipeline) -> ControlFlow<()> {
        while let Some(named) = self.watcher.take() {
            pipeline.push(Observation::Named(named))?;
        }
        ControlFlow::Continue(())
    }

    /// Reads files, unless an episode is under way or there is `more` on the ring.
    pub(super) fn look(&mut self, pipeline: &mut Pipeline, more: bool) -> ControlFlow<()> {
        self.say();
        if self.watcher.due_ns().is_none() {
            return ControlFlow::Continue(());
        }
        let now = host::boot_ns();
        if more || pipeline.next_deadline_ns().is_some() {
            self.watcher.put_off(now);
        } else {
            self.watcher.look(now);
        }
        self.tell(pipeline)
    }

    fn say(&mut self) {
        self.watcher.take_notes().iter().for_each(|note| say(note));
    }

    async fn changed(&mut self) -> io::Result<()> {
        let changes = match &mut self.changes {
            Some(changes) => changes,
            slot => {
                let Some(inotify) = self.watcher.inotify() else { return pending().await };
                let fd = inotify.try_clone_to_owned()?;
                // SAFETY: the descriptor is owned by what is registered, and is not replaced while it is.
                let fd = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) };
                slot.insert(fd.map_err(io::Error::from)?)
            }
        };
        changes.readable().await?.clear_ready();
        Ok(())
    }
}

/// Comes when something has changed, which is to be taken all ([`Follower::catch_up`]).
pub(super) async fn changed(follower: &mut Option<Follower>) {
    match follower {
        // What cannot be waited for is taken with the next episode.
        Some(follower) => match follower.changed().await {
            Ok(()) => {}
            Err(_) => pending().await,
        },
        None => pending().await,
    }
}
