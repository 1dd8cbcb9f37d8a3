//! The cgroup of a job: where it is, one of its own where that changes nothing for anybody else, and those above it, whose counters [`super::counters`]
//! reads.

use std::fs;
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::explain::job::{Counted, Home, Peak};
use crate::source::procfs::{Hierarchy, Root};

use super::counters::{self, Counters, number};

/// The inode of the first cgroup namespace (`PROC_CGROUP_INIT_INO`).
const INIT_CGROUP_NAMESPACE: u64 = 0xEFFF_FFFB;

/// Where the job runs, and what was counted there before.
pub(super) struct Place {
    hierarchy: Option<Hierarchy>,
    /// For whoever tells of it.
    pub(super) home: Home,
    made: Option<PathBuf>,
    /// Levels from the job's upwards that have counters.
    levels: Vec<Level>,
    /// The last of them is right below the root of the hierarchy, or there is none.
    to_root: bool,
    /// The highest use that was looked at, bytes.
    highest: u64,
    /// The kernel's own, before.
    peak_before: Option<u64>,
    /// What is used now.
    usage: Option<fs::File>,
}

struct Level {
    folder: PathBuf,
    before: Counters,
}

impl Place {
    /// Looks where this process is, and enters a cgroup of its own for `pid`, if `wanted`.
    pub(super) fn of(pid: i32, wanted: bool) -> Self {
        let hierarchy = Root::live().hierarchy().ok();
        let own = fs::read("/proc/self/cgroup").unwrap_or_default();
        let path = hierarchy.as_ref().and_then(|hierarchy| hierarchy.path_in(&own));
        let path = path.map(|path| String::from_utf8_lossy(path).into_owned());
        let first = fs::metadata("/proc/self/ns/cgroup")
            .map_or(true, |namespace| namespace.ino() == INIT_CGROUP_NAMESPACE);
        let mut place = Self {
            home: Home {
                path: path.clone().filter(|_| first),
                shown: path.clone().unwrap_or_else(|| "?".to_owned()),
                made: None,
            },
            made: None,
            levels: Vec::new(),
            to_root: false,
            highest: 0,
            peak_before: None,
            usage: None,
            hierarchy,
        };
        let folder =
            place.hierarchy.as_ref().zip(path).and_then(|(hierarchy, path)| folder(hierarchy, &path));
        if let (Some(folder), true) = (&folder, wanted)
            && let Ok((made, name)) = make(place.version(), folder, pid)
        {
            place.home.made = Some(name);
            place.made = Some(made);
        }
        place.find_levels(place.made.clone().or(folder.clone()));
        place.peak_before = place.kernels_peak();
        // What is not counted in the caller's cgroup is in the next one above it, and the kernel knows that one only.
        if place.made.is_none()
            && let Some(level) = place.levels.first().filter(|level| Some(&level.folder) != folder.as_ref())
        {
            let shown = place.shown(&level.folder);
            place.home.path = place.home.path.map(|_| shown.clone());
            place.home.shown = shown;
        }
        place
    }

    fn version(&self) -> u8 {
        self.hierarchy.as_ref().map_or(2, |hierarchy| hierarchy.version)
    }

    fn find_levels(&mut self, start: Option<PathBuf>) {
        let Some(mount) = self.hierarchy.as_ref().map(|hierarchy| hierarchy.mount.clone()) else { return };
        let version = self.version();
        let mut next = start;
        while let Some(folder) = next {
            if is_root(version, &folder) {
                self.to_root = true;
                break;
            }
            if let Some(before) = Counters::read(version, &folder) {
                self.levels.push(Level { folder: folder.clone(), before });
            }
            if folder == mount {
                break;
            }
            next = folder.parent().map(Path::to_owned);
        }
    }

    /// Takes this process out of the caller's cgroup, to the root of the hierarchy, where that can be done; tells whether it is not held by any
    /// limit that holds the job. At its limit every allocation, also one for a file that is opened, has the kernel kill somebody.
    pub(super) fn leave(&self) -> bool {
        let limited = self.levels.iter().any(|level| self.limit(&level.folder).is_some());
        let Some(hierarchy) = self.hierarchy.as_ref().filter(|_| limited) else { return true };
        is_root(hierarchy.version, &hierarchy.mount)
            && fs::write(hierarchy.mount.join("cgroup.procs"), std::process::id().to_string()).is_ok()
    }

    /// How many processes were killed in the job's cgroup and below it since; `None` where nothing counts that.
    pub(super) fn kills(&self) -> Option<u64> {
        let level = self.levels.first()?;
        let now = Counters::read(self.version(), &level.folder)?;
        Some(now.since(level.before).kills)
    }

    /// What the counters say at the end.
    pub(super) fn counted(&self) -> Option<Counted> {
        let version = self.version();
        let levels = self.levels.iter().filter_map(|level| {
            Some(counters::Level {
                since: Counters::read(version, &level.folder)?.since(level.before),
                path: self.shown(&level.folder),
                limit_bytes: self.limit(&level.folder),
            })
        });
        counters::judged(
            version,
            &levels.collect::<Vec<_>>(),
            1 + usize::from(self.made.is_some()),
            self.to_root,
        )
    }

    /// Looks how much is used now, where the kernel does not keep the highest. The file is kept open, and takes no memory.
    pub(super) fn look(&mut self) {
        let Some(level) = self.levels.first() else { return };
        let file = if self.version() == 1 { "memory.usage_in_bytes" } else { "memory.current" };
        if self.usage.is_none() {
            self.usage = fs::File::open(level.folder.join(file)).ok();
        }
        let mut text = [0; 32];
        let read = self.usage.as_ref().and_then(|usage| usage.read_at(&mut text, 0).ok()).unwrap_or(0);
        let bytes = text.get(..read).and_then(|text| std::str::from_utf8(text).ok());
        self.highest = self.highest.max(bytes.and_then(|text| text.trim().parse().ok()).unwrap_or(0));
    }

    /// The highest use: the kernel's, if the cgroup is the job's alone; else the highest that is known of the time of the job.
    pub(super) fn peak(&self) -> Option<Peak> {
        let now = self.kernels_peak();
        if let (Some(bytes), Some(_)) = (now, &self.made) {
            return Some(Peak { bytes, exact: true });
        }
        // It has risen, so it was reached meanwhile.
        let risen = now.filter(|_| now > self.peak_before && self.peak_before.is_some());
        let bytes = self.highest.max(risen.unwrap_or(0));
        (bytes > 0).then_some(Peak { bytes, exact: false })
    }

    fn kernels_peak(&self) -> Option<u64> {
        let file = if self.version() == 1 { "memory.max_usage_in_bytes" } else { "memory.peak" };
        number(&self.levels.first()?.folder.join(file))
    }

    /// The folder in which one was made, to remove it from.
    pub(super) fn made_in(&self) -> Option<&Path> {
        self.made.as_deref().and_then(Path::parent)
    }

    /// Removes what was made. What the command left running keeps it.
    pub(super) fn tidy(&self) -> io::Result<()> {
        match &self.made {
            Some(made) => rustix::fs::rmdir(made).map_err(io::Error::from),
            None => Ok(()),
        }
    }

    fn shown(&self, folder: &Path) -> String {
        let mount = self.hierarchy.as_ref().map(|hierarchy| hierarchy.mount.as_path());
        let rest = mount.and_then(|mount| folder.strip_prefix(mount).ok());
        format!("/{}", rest.unwrap_or(folder).display())
    }

    fn limit(&self, folder: &Path) -> Option<u64> {
        // What version 1 has for none is more than any machine has.
        let limit =
            number(&folder.join(if self.version() == 1 { "memory.limit_in_bytes" } else { "memory.max" }));
        limit.filter(|&bytes| bytes < 1 << 62)
    }
}

/// Whether a folder is that of the root of its hierarchy, and not only of what is mounted.
fn is_root(version: u8, folder: &Path) -> bool {
    match version {
        // All others tell whether there are processes in them.
        2 => !folder.join("cgroup.events").exists(),
        _ => folder.join("release_agent").exists(),
    }
}

/// The folder of the cgroup at `path`. What is mounted may begin further down than paths do.
fn folder(hierarchy: &Hierarchy, path: &str) -> Option<PathBuf> {
    let own = std::process::id().to_string();
    let is_in = |folder: &Path| {
        let procs = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
        procs.lines().any(|pid| pid == own)
    };
    let mut rest = path.trim_start_matches('/');
    loop {
        let folder = if rest.is_empty() { hierarchy.mount.clone() } else { hierarchy.mount.join(rest) };
        if is_in(&folder) {
            return Some(folder);
        }
        if rest.is_empty() {
            return None;
        }
        rest = rest.split_once('/').map_or("", |(_, rest)| rest);
    }
}

/// Makes a cgroup below `folder` and puts a process into it, if memory is counted there and limits above it hold for it as before.
fn make(version: u8, folder: &Path, pid: i32) -> io::Result<(PathBuf, String)> {
    let counts = match version {
        2 => fs::read_to_string(folder.join("cgroup.subtree_control"))?
            .split_whitespace()
            .any(|controller| controller == "memory"),
        // Else a child would not be held by the limit of its parent.
        _ => is_root(version, folder) || number(&folder.join("memory.use_hierarchy")) == Some(1),
    };
    if !counts {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let started = crate::source::live::host::boot_ns() / 1_000_000;
    let name = format!("oomtrace-run-{pid}-{started}");
    let made = folder.join(&name);
    fs::create_dir(&made)?;
    match fs::write(made.join("cgroup.procs"), pid.to_string()) {
        Ok(()) => Ok((made, name)),
        Err(error) => {
            let _ = fs::remove_dir(&made);
            Err(error)
        }
    }
}
