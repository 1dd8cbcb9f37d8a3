//! What `/proc` and the cgroup files say of a machine right now: the inputs of `oomtrace rank`, without any privilege.
//!
//! Everything is read below a [`Root`], so that a made-up tree can stand for a machine. Only the few fields that the scorer looks at
//! are read, by small readers of our own; the `procfs` crate would parse every field of these files, and fail on any of
//! them. By file:
//!
//! - here: the root, and a machine as a whole;
//! - [`process`]: one process, from `stat`, `status`, `oom_score_adj` and `cgroup`;
//! - [`processes`]: all of them, or those of a memcg, in the order of the kernel's scan;
//! - [`memcg`]: the hierarchy of the memory controller, a memcg's limit, its processes;
//! - [`fields`]: the shapes of these files.

mod fields;
mod memcg;
mod process;
mod processes;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::badness::{Kernel, Release};

pub use memcg::{Hierarchy, Limit, Memcg};
pub use processes::Reading;

/// `PROC_PID_INIT_INO`: the inode number of the first pid namespace.
const INIT_PID_NAMESPACE: u64 = 0xEFFF_FFFC;

/// Where `/proc` is.
#[derive(Clone, Debug)]
pub struct Root {
    proc: PathBuf,
}

/// What could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file that every machine has.
    #[error("{}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file that does not say what it should.
    #[error("{}: no {what} in it", path.display())]
    Unexpected {
        /// Which.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// A path that names no memcg; the text says what there is nearby.
    #[error("{0}")]
    NoSuchMemcg(String),
}

/// The machine as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// `/proc/sys/kernel/osrelease`.
    pub release: String,
    /// How its kernel scores; `None` when the release is no such thing.
    pub kernel: Option<Kernel>,
    /// `totalram_pages()`, pages.
    pub ram_pages: u64,
    /// `total_swap_pages`, pages.
    pub swap_pages: u64,
    /// `/proc/sys/vm/swappiness`.
    pub swappiness: Option<u32>,
    /// `hidepid` of the mount of `/proc`, as it is written in the options; `None` when nothing is hidden by it.
    pub hidepid: Option<String>,
    /// Whether `/proc` shows all processes, and not those of a container's pid namespace; `None` when not known.
    pub all_pids: Option<bool>,
}

impl Machine {
    /// Pages that a global OOM is scaled by.
    #[must_use]
    pub fn totalpages(&self) -> u64 {
        self.ram_pages.saturating_add(self.swap_pages)
    }
}

impl Root {
    /// The running machine's.
    #[must_use]
    pub fn live() -> Self {
        Self::at("/proc")
    }

    /// Another tree of the same shape.
    pub fn at(proc: impl Into<PathBuf>) -> Self {
        Self { proc: proc.into() }
    }

    /// A file below it.
    fn path(&self, name: &str) -> PathBuf {
        self.proc.join(name)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        read(&self.path(name))
    }

    /// Reads what is true of the whole machine. `page_size` is that of this process.
    ///
    /// # Errors
    ///
    /// `/proc` is not mounted, or is not that of Linux.
    pub fn machine(&self, page_size: u32) -> Result<Machine, Error> {
        let meminfo = self.read("meminfo")?;
        let pages = |what: &'static str| match fields::kilobytes(&meminfo, what) {
            Some(kb) => Ok(fields::pages(kb, page_size)),
            None => Err(Error::Unexpected { path: self.path("meminfo"), what }),
        };
        let release = text(&self.read("sys/kernel/osrelease")?);
        let kernel = Release::parse(&release).map(|parsed| Kernel {
            release: parsed,
            page_size,
            cpus: self.cpus(),
            percpu: parsed.has_percpu_counters(),
            live: true,
        });
        let swappiness = self.read("sys/vm/swappiness").ok().and_then(|bytes| text(&bytes).parse().ok());
        Ok(Machine {
            release,
            kernel,
            ram_pages: pages("MemTotal")?,
            swap_pages: pages("SwapTotal")?,
            swappiness,
            hidepid: self.hidepid(),
            all_pids: self.all_pids(),
        })
    }

    /// Whether this is the first pid namespace, which has all processes; `None` when not known.
    #[must_use]
    pub fn all_pids(&self) -> Option<bool> {
        let namespace = fs::metadata(self.path("self/ns/pid")).ok()?;
        Some(std::os::unix::fs::MetadataExt::ino(&namespace) == INIT_PID_NAMESPACE)
    }

    /// CPUs online: `/proc/stat` has a line for each.
    fn cpus(&self) -> Option<u32> {
        let stat = self.read("stat").ok()?;
        let lines = stat.split(|&byte| byte == b'\n');
        let cpus =
            lines.filter(|line| line.strip_prefix(b"cpu").is_some_and(|rest| rest.first() != Some(&b' ')));
        u32::try_from(cpus.count()).ok().filter(|&cpus| cpus > 0)
    }

    /// Threads on the machine, seen or not: the fourth field of `/proc/loadavg` is `running/all`.
    fn threads(&self) -> Option<u64> {
        let loadavg = text(&self.read("loadavg").ok()?);
        loadavg.split_whitespace().nth(3)?.split_once('/')?.1.parse().ok()
    }

    /// The number of this process in this tree, which may be of another pid namespace.
    #[must_use]
    pub fn own_pid(&self) -> Option<i32> {
        fs::read_link(self.path("self")).ok()?.to_str()?.parse().ok()
    }

    fn hidepid(&self) -> Option<String> {
        let mounts = self.read("self/mountinfo").ok()?;
        let proc = fields::mounts(&mounts).find(|mount| mount.kind == b"proc" && mount.point == self.proc)?;
        let hidepid = proc.options.split(|&byte| byte == b',').find_map(|it| it.strip_prefix(b"hidepid="))?;
        let hidepid = text(hidepid);
        (!matches!(hidepid.as_str(), "0" | "off")).then_some(hidepid)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}
