//! The hierarchy of the memory controller: finding a memcg in it, its limit, its processes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::fields;
use super::{Error, Machine, Root, read, text};

/// Cgroups that are named when a path is none of them.
const NAMED: usize = 8;

/// Where the memory controller's cgroups are mounted, and of which version they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// 1 or 2.
    pub version: u8,
    /// The mount point.
    pub mount: PathBuf,
}

/// A memcg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memcg {
    /// Path from the root of the hierarchy, `/` for the root itself.
    pub path: String,
    directory: PathBuf,
}

/// What a memcg may use, pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its own limit on memory; `None`: it has none.
    pub max_pages: Option<u64>,
    /// Swap that the kernel adds to it for the scale of the scores.
    pub swap_pages: u64,
}

/// Processes of a memcg.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// In scan order.
    pub(super) pids: Vec<i32>,
    /// Those of pid namespaces that are not ours: the kernel writes 0 for them.
    pub(super) foreign: u64,
}

impl Limit {
    /// `mem_cgroup_get_max()` and the floor of `constrained_alloc()`; `None` without a limit.
    #[must_use]
    pub fn totalpages(self) -> Option<u64> {
        self.max_pages.map(|max| max.saturating_add(self.swap_pages).max(1))
    }
}

impl Root {
    /// Looks for the memory controller among the mounts.
    ///
    /// # Errors
    ///
    /// The mounts cannot be read, or none has it.
    pub fn hierarchy(&self) -> Result<Hierarchy, Error> {
        let mountinfo = self.read("self/mountinfo")?;
        let mounts: Vec<_> = fields::mounts(&mountinfo).collect();
        let v1 = mounts.iter().find(|mount| {
            mount.kind == b"cgroup"
                && mount.options.split(|&byte| byte == b',').any(|option| option == b"memory")
        });
        if let Some(mount) = v1 {
            return Ok(Hierarchy { version: 1, mount: mount.point.clone() });
        }
        let v2 = mounts.iter().find(|mount| {
            let controllers = || fs::read(mount.point.join("cgroup.controllers")).unwrap_or_default();
            mount.kind == b"cgroup2" && fields::words(&controllers()).any(|name| name == b"memory")
        });
        match v2 {
            Some(mount) => Ok(Hierarchy { version: 2, mount: mount.point.clone() }),
            None => Err(Error::Unexpected {
                path: self.path("self/mountinfo"),
                what: "cgroup hierarchy with the memory controller",
            }),
        }
    }
}

impl Hierarchy {
    /// Finds a memcg by its path from the root of the hierarchy, or by the path of its folder.
    ///
    /// # Errors
    ///
    /// There is none of that name; the text says what there is.
    pub fn memcg(&self, path: &Path) -> Result<Memcg, Error> {
        let relative = path.strip_prefix(&self.mount).unwrap_or(path);
        let mut names = Vec::new();
        for component in relative.components() {
            match component {
                Component::Normal(name) => names.push(name),
                Component::RootDir | Component::CurDir => {}
                Component::ParentDir | Component::Prefix(_) => {
                    return Err(Error::NoSuchMemcg(format!(
                        "{}: a path with .. names no cgroup",
                        path.display()
                    )));
                }
            }
        }
        let mut directory = self.mount.clone();
        let mut found = String::new();
        for name in names {
            let next = directory.join(name);
            if !next.is_dir() {
                return Err(self.none_called(path, &directory, &found));
            }
            directory = next;
            found.push('/');
            found.push_str(&name.to_string_lossy());
        }
        // On version 2 a cgroup whose parent does not enable the controller has no files of it, and no limit.
        let usage = if self.version == 2 { "memory.current" } else { "memory.usage_in_bytes" };
        if !found.is_empty() && !directory.join(usage).exists() {
            return Err(Error::NoSuchMemcg(format!(
                "{found} is a cgroup without the memory controller: its processes count to a cgroup above it"
            )));
        }
        if found.is_empty() {
            found.push('/');
        }
        Ok(Memcg { path: found, directory })
    }

    fn none_called(&self, wanted: &Path, above: &Path, found: &str) -> Error {
        let mut names: Vec<String> = fs::read_dir(above)
            .map(|entries| {
                let folders = entries.flatten().filter(|entry| entry.path().is_dir());
                folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
            })
            .unwrap_or_default();
        names.sort_unstable();
        let more = names.len().saturating_sub(NAMED);
        names.truncate(NAMED);
        let above = if found.is_empty() { "/" } else { found };
        let mut text = format!("there is no cgroup {} below {}; ", wanted.display(), self.mount.display());
        if names.is_empty() {
            text.push_str(&format!("{above} has none in it"));
        } else {
            text.push_str(&format!("in {above} there are: {}", names.join(", ")));
        }
        if more > 0 {
            text.push_str(&format!(" and {more} more"));
        }
        Error::NoSuchMemcg(text)
    }

    /// The limit of a memcg, and the swap that goes with it.
    ///
    /// # Errors
    ///
    /// Its files cannot be read.
    pub fn limit(&self, memcg: &Memcg, machine: &Machine, page_size: u32) -> Result<Limit, Error> {
        self.limit_if(memcg, machine, page_size, None)
    }

    /// The same, had its limit on memory been `tried` bytes. On version 1 that leaves more or less of the limit on both for swap.
    ///
    /// # Errors
    ///
    /// Its files cannot be read.
    pub fn limit_if(
        &self,
        memcg: &Memcg,
        machine: &Machine,
        page_size: u32,
        tried: Option<u64>,
    ) -> Result<Limit, Error> {
        let pages = |bytes: u64| bytes.checked_div(u64::from(page_size)).unwrap_or(0);
        let max_name = if self.version == 2 { "memory.max" } else { "memory.limit_in_bytes" };
        // The root has no file for one on version 2.
        let max = match tried {
            Some(bytes) => Some(bytes),
            None => self.bytes_if_there(memcg, max_name)?,
        };
        // PAGE_COUNTER_MAX, which version 1 writes out: more than any machine has.
        let max_pages = max.map(pages).filter(|&max| max < (i64::MAX as u64) / u64::from(page_size).max(1));
        let swappiness = match self.version {
            1 => self.bytes_if_there(memcg, "memory.swappiness")?.or(machine.swappiness.map(u64::from)),
            _ => machine.swappiness.map(u64::from),
        };
        let swap_pages = if swappiness == Some(0) {
            0
        } else if self.version == 2 {
            // Not there on kernels without swap, or with its accounting turned off: no limit.
            let swap = self.bytes_if_there(memcg, "memory.swap.max")?.map(pages);
            swap.map_or(machine.swap_pages, |swap| swap.min(machine.swap_pages))
        } else {
            // Memory and swap together.
            match self.bytes_if_there(memcg, "memory.memsw.limit_in_bytes")? {
                Some(both) => pages(both).saturating_sub(max.map_or(0, pages)).min(machine.swap_pages),
                None => machine.swap_pages,
            }
        };
        Ok(Limit { max_pages, swap_pages })
    }

    /// A number of bytes; `None` for `max`.
    fn bytes(&self, memcg: &Memcg, name: &str) -> Result<Option<u64>, Error> {
        let path = memcg.directory.join(name);
        let content = text(&read(&path)?);
        match content.as_str() {
            "max" => Ok(None),
            number => {
                number.parse().map(Some).map_err(|_| Error::Unexpected { path, what: "number of bytes" })
            }
        }
    }

    fn bytes_if_there(&self, memcg: &Memcg, name: &str) -> Result<Option<u64>, Error> {
        if memcg.directory.join(name).exists() { self.bytes(memcg, name) } else { Ok(None) }
    }

    /// The nearest memcg above that has a limit.
    ///
    /// # Errors
    ///
    /// Its files cannot be read.
    pub fn limited_above(
        &self,
        memcg: &Memcg,
        machine: &Machine,
        page_size: u32,
    ) -> Result<Option<Memcg>, Error> {
        let mut path = Path::new(&memcg.path);
        while let Some(parent) = path.parent().filter(|parent| parent.components().count() > 1) {
            let above = self.memcg(parent)?;
            if self.limit(&above, machine, page_size)?.max_pages.is_some() {
                return Ok(Some(above));
            }
            path = parent;
        }
        Ok(None)
    }

    /// The processes in a memcg and below it: parents before children, children in the order in which they were made, of
    /// which the number of their inode tells.
    pub(super) fn members(&self, memcg: &Memcg) -> Result<Members, Error> {
        let mut members = Members::default();
        let mut waiting = vec![memcg.directory.clone()];
        while let Some(directory) = waiting.pop() {
            let list = match read(&directory.join("cgroup.procs")) {
                Ok(list) => list,
                // Removed while the tree was walked; or of threads, whose process is listed where its leader is.
                Err(_) if directory != memcg.directory => continue,
                Err(error) => return Err(error),
            };
            for word in fields::words(&list) {
                match fields::decimal(word) {
                    Some(0) => members.foreign += 1,
                    Some(pid) => members.pids.push(pid),
                    None => {}
                }
            }
            let mut children: Vec<(u64, PathBuf)> = fs::read_dir(&directory)
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|entry| {
                    let metadata = entry.metadata().ok().filter(fs::Metadata::is_dir)?;
                    Some((metadata.ino(), entry.path()))
                })
                .collect();
            children.sort_unstable();
            waiting.extend(children.into_iter().rev().map(|(_, path)| path));
        }
        Ok(members)
    }

    /// The path of a process in this hierarchy, from its `/proc/PID/cgroup`.
    #[must_use]
    pub fn path_in<'a>(&self, cgroup: &'a [u8]) -> Option<&'a [u8]> {
        cgroup.split(|&byte| byte == b'\n').find_map(|line| {
            let mut parts = line.splitn(3, |&byte| byte == b':');
            let (number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            let ours = match self.version {
                2 => number == b"0",
                _ => controllers.split(|&byte| byte == b',').any(|name| name == b"memory"),
            };
            ours.then_some(path)
        })
    }
}
