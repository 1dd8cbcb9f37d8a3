//! One process, as the scorer would look at it.

use std::fs;
use std::io;

use crate::model::observation::Memory;
use crate::rank::Process;

use super::Root;
use super::fields::{self, Stat};
use super::memcg::Hierarchy;

/// Bit of `CAP_SYS_ADMIN`.
const CAP_SYS_ADMIN: u32 = 21;

/// Why there is nothing of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It ended while it was read.
    Gone,
    /// Its files may not be read.
    Forbidden,
    /// A file does not say what it should, or cannot be read for another reason.
    Unexpected,
}

/// A process, when it was made, and how many threads it has.
pub(super) struct Found {
    pub(super) process: Process,
    pub(super) started: u64,
    pub(super) threads: u64,
}

impl Root {
    /// Reads one process; `/proc/PID/oom_score` only when `with_score` asks for it.
    pub(super) fn process(
        &self,
        pid: i32,
        page_size: u32,
        hierarchy: Option<&Hierarchy>,
        with_score: bool,
    ) -> Result<Found, Missing> {
        let read =
            |name: &str| fs::read(self.path(&format!("{pid}/{name}"))).map_err(|error| missing(&error));
        let stat = Stat::parse(&read("stat")?).ok_or(Missing::Unexpected)?;
        let status = read("status")?;
        let (tid, memory) = match memory(&status, page_size) {
            Some(memory) => (pid, Some(memory)),
            None if stat.kthread => (pid, None),
            // The leader has exited before its threads: the scorer takes the first that still has the memory.
            None => self.thread_with_memory(pid, page_size).map_or((pid, None), |(tid, it)| (tid, Some(it))),
        };
        // Right after the memory, so that little changes in between.
        let oom_score = if with_score { fields::decimal(read("oom_score")?.trim_ascii()) } else { None };
        let oom_score_adj = fields::decimal(read("oom_score_adj")?.trim_ascii());
        let cgroup = read("cgroup").ok().and_then(|file| Some(hierarchy?.path_in(&file)?.into()));
        Ok(Found {
            started: stat.started,
            threads: fields::number(&status, "Threads").unwrap_or(1),
            process: Process {
                pid,
                tid,
                comm: stat.comm,
                uid: fields::number(&status, "Uid").and_then(|uid| u32::try_from(uid).ok()),
                oom_score_adj,
                cgroup,
                memory,
                // Of a leader that has exited it is that of nobody.
                rss_pages: stat.rss_pages.filter(|_| tid == pid && memory.is_some()),
                // The first one of a container is no init to the kernel.
                init: pid == 1 && self.all_pids() != Some(false),
                kthread: stat.kthread,
                exiting: stat.exiting,
                sys_admin: sys_admin(&status),
                oom_score,
            },
        })
    }

    /// The first thread that has memory, in the order of the kernel's list.
    fn thread_with_memory(&self, pid: i32, page_size: u32) -> Option<(i32, Memory)> {
        let threads = fs::read_dir(self.path(&format!("{pid}/task"))).ok()?;
        threads.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok()).find_map(|tid| {
            let status = fs::read(self.path(&format!("{pid}/task/{tid}/status"))).ok()?;
            Some((tid, memory(&status, page_size)?))
        })
    }
}

/// The memory that a `status` tells of; `None` without an mm. Kilobytes of whole pages, so nothing is lost.
fn memory(status: &[u8], page_size: u32) -> Option<Memory> {
    let total_vm_pages = Some(fields::pages(fields::kilobytes(status, "VmSize")?, page_size));
    let pages = |key: &str| fields::kilobytes(status, key).map(|kb| fields::pages(kb, page_size));
    // Second-level tables were told apart from 4.0 to 4.14.
    let pgtables = fields::kilobytes(status, "VmPTE")
        .map(|kb| kb.saturating_add(fields::kilobytes(status, "VmPMD").unwrap_or(0)).saturating_mul(1024));
    Some(Memory {
        rss_anon_pages: pages("RssAnon"),
        rss_file_pages: pages("RssFile"),
        rss_shmem_pages: pages("RssShmem"),
        swap_entries: pages("VmSwap"),
        pgtables_bytes: pgtables,
        total_vm_pages,
        rss_pages: None,
    })
}

fn sys_admin(status: &[u8]) -> Option<bool> {
    let effective = std::str::from_utf8(fields::value(status, "CapEff")?).ok()?;
    Some(u64::from_str_radix(effective, 16).ok()? >> CAP_SYS_ADMIN & 1 == 1)
}

fn missing(error: &io::Error) -> Missing {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Missing::Forbidden,
        io::ErrorKind::NotFound => Missing::Gone,
        // Files of a process that has ended since they were opened.
        _ if rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::SRCH) => Missing::Gone,
        _ => Missing::Unexpected,
    }
}
