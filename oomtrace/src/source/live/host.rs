//! Facts about the machine at the start of a capture, read once.

use std::{fs, path::Path};

use rustix::time::{ClockId, clock_gettime};

use super::{gfp, tracefs};
use crate::model::{
    SessionInfo, SourceKind,
    session::{Hook, Settings},
};

/// What only the loader knows.
pub struct Capture {
    /// Flavour.
    pub source: SourceKind,
    /// Ring, bytes; `None` where there is none.
    pub ring_bytes: Option<u64>,
    /// Hooks, attached and not.
    pub hooks: Vec<Hook>,
    /// RSS counters are per-CPU counters.
    pub rss_counters_percpu: bool,
    /// Names of items; see [`SessionInfo::node_stat_items`].
    pub node_stat_items: Vec<String>,
    /// Likewise.
    pub zone_stat_items: Vec<String>,
    /// Likewise.
    pub memcg_stat_items: Vec<String>,
}

/// Describes the session that begins now.
#[must_use]
pub fn describe(capture: Capture) -> SessionInfo {
    let uname = rustix::system::uname();
    let text = |s: &std::ffi::CStr| s.to_str().ok().map(str::to_owned);
    let memory = rustix::system::sysinfo();
    let unit = u64::from(memory.mem_unit).max(1);
    let (vmstat_oom_kills, (unix_ns, boot_ns)) = with_oom_kills(clocks);
    SessionInfo {
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        source: capture.source,
        // What the kernel has until somebody sets a name.
        host: text(uname.nodename()).filter(|name| name != "(none)"),
        kernel_release: text(uname.release()),
        kernel_version: text(uname.version()),
        machine: text(uname.machine()),
        boot_id: read("/proc/sys/kernel/random/boot_id"),
        page_size: u32::try_from(rustix::param::page_size()).unwrap_or(4096),
        // Not `available_parallelism()`, which is what this process may use.
        cpus: read("/sys/devices/system/cpu/online").and_then(|list| cpus_in(&list)),
        ram_bytes: Some(memory.totalram * unit),
        swap_bytes: Some(memory.totalswap * unit),
        started_unix_ns: Some(unix_ns),
        started_boot_ns: boot_ns,
        utc_offset_seconds: utc_offset(),
        ring_bytes: capture.ring_bytes,
        hooks: capture.hooks,
        settings: settings(),
        gfp_flags: tracefs::root().map(|root| gfp::table(&root)).unwrap_or_default(),
        cgroup_version: cgroup_version(),
        rss_counters_percpu: capture.rss_counters_percpu,
        node_stat_items: capture.node_stat_items,
        zone_stat_items: capture.zone_stat_items,
        memcg_stat_items: capture.memcg_stat_items,
        vmstat_oom_kills,
        tainted: read("/proc/sys/kernel/tainted").and_then(|text| text.parse().ok()),
        log_clock: None,
        release_by_shape: None,
    }
}

/// The same session as of now: what is looked at when a file of it begins.
#[must_use]
pub fn as_of_now(info: &SessionInfo) -> SessionInfo {
    let (vmstat_oom_kills, (unix_ns, boot_ns)) = with_oom_kills(clocks);
    SessionInfo {
        // A log may be behind the counter.
        vmstat_oom_kills: vmstat_oom_kills.filter(|_| info.source != SourceKind::Log),
        started_unix_ns: Some(unix_ns),
        started_boot_ns: boot_ns,
        utc_offset_seconds: utc_offset(),
        settings: settings(),
        ..info.clone()
    }
}

/// How many CPUs a list such as `0-3,5` has; `None` when it is not such a list.
fn cpus_in(list: &str) -> Option<u32> {
    list.trim().split(',').try_fold(0u32, |sum, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        sum.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

/// Kills that the kernel has counted since boot, with the boot clock at that moment.
#[must_use]
pub fn oom_kills_now() -> (Option<u64>, u64) {
    with_oom_kills(boot_ns)
}

/// The kernel's counter of kills, and what `now` says at a moment at which it had that value: what is killed later has a later
/// time. Several attempts, for a machine on which one kill follows the other.
fn with_oom_kills<T>(now: impl Fn() -> T) -> (Option<u64>, T) {
    const ATTEMPTS: u32 = 8;
    let mut before = vmstat_oom_kills();
    for _ in 1..ATTEMPTS {
        let time = now();
        let after = vmstat_oom_kills();
        if before == after {
            return (after, time);
        }
        before = after;
    }
    (before, now())
}

fn vmstat_oom_kills() -> Option<u64> {
    let text = fs::read_to_string("/proc/vmstat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

/// Boot clock, ns, suspend included.
#[must_use]
pub fn boot_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Boottime))
}

/// Threads on the machine: the fourth field of `/proc/loadavg` is `running/all`.
#[must_use]
pub fn threads() -> Option<u64> {
    read("/proc/loadavg")?.split_whitespace().nth(3)?.split_once('/')?.1.parse().ok()
}

/// Wall clock and boot clock at the same moment, as nearly as can be: the boot clock is read before and after.
fn clocks() -> (i64, u64) {
    let before = boot_ns();
    let wall = clock_gettime(ClockId::Realtime);
    let after = boot_ns();
    let wall = i64::try_from(nanoseconds(wall)).unwrap_or(i64::MAX);
    (wall, before + (after - before) / 2)
}

fn nanoseconds(time: rustix::time::Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// The local offset from UTC, seconds east.
fn utc_offset() -> i32 {
    jiff::Zoned::now().offset().seconds()
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

pub(super) fn settings() -> Settings {
    let vm = |name: &str| read(&format!("/proc/sys/vm/{name}"))?.parse().ok();
    Settings {
        panic_on_oom: vm("panic_on_oom"),
        oom_kill_allocating_task: vm("oom_kill_allocating_task"),
        oom_dump_tasks: vm("oom_dump_tasks"),
        overcommit_memory: vm("overcommit_memory"),
        swappiness: vm("swappiness"),
    }
}

/// The hierarchy that the memory controller is on: the unified one lists its controllers.
pub(super) fn cgroup_version() -> Option<u8> {
    for unified in ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] {
        if let Some(controllers) = read(&format!("{unified}/cgroup.controllers"))
            && controllers.split_whitespace().any(|name| name == "memory")
        {
            return Some(2);
        }
    }
    Path::new("/sys/fs/cgroup/memory").is_dir().then_some(1)
}

#[cfg(test)]
mod tests {
    use super::cpus_in;

    #[test]
    fn lists_of_cpus() {
        for (list, cpus) in [("0", 1), ("0-3,5", 5), ("0-3,8-11\n", 8), ("0,2,4", 3)] {
            assert_eq!(cpus_in(list), Some(cpus), "{list}");
        }
        for list in ["", ",", "0-", "3-0", "a", "0-4294967295", "0-4294967294,0"] {
            assert_eq!(cpus_in(list), None, "{list}");
        }
    }
}
