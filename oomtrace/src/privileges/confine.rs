//! Giving up what a running capture does not need, once everything is attached and open.
//!
//! In this order: memory of this process that others of the same user could look into (`PR_SET_DUMPABLE`), capabilities, gaining
//! privileges by exec, system calls. Capabilities are a thread's own, and others cannot take them away: a thread that is there before
//! begins with [`confine_thread`]. The filter of system calls is put on all threads at once.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;
use std::{fs, io, thread};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, set_capabilities, set_no_new_privs};
use seccompiler::BpfProgram;

use super::capabilities;
use super::syscalls::{self, Features};

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confined {
    /// Capabilities that are kept, by name; empty if none is.
    pub kept: String,
    /// What could not be given up, and why.
    pub failed: Vec<String>,
}

/// What threads of this process keep, once it is going to be confined.
static THREADS_KEEP: OnceLock<CapabilitySet> = OnceLock::new();

/// A process that is going to be confined.
#[derive(Debug)]
pub struct Sandbox {
    kept: CapabilitySet,
}

impl Sandbox {
    /// To be made before threads are started. `folder`: where something is made or removed; root may need CAP_DAC_OVERRIDE there, if it belongs
    /// to somebody else, or nobody may write to it.
    #[must_use]
    pub fn prepare(folder: Option<&Path>) -> Self {
        let kept = match folder.map(needs_override) {
            Some(Ok(true)) => CapabilitySet::DAC_OVERRIDE,
            _ => CapabilitySet::empty(),
        };
        Self { kept: *THREADS_KEEP.get_or_init(|| kept) }
    }

    /// With a capability that is kept.
    #[must_use]
    pub fn keeping(self, capability: CapabilitySet) -> Self {
        Self { kept: self.kept | capability }
    }

    /// Confines this process for good. `needs_bpf` is asked when no capability is in use, and tells whether the kernel then refuses
    /// what a running capture asks of it.
    #[must_use]
    pub fn confine(self, features: Features, needs_bpf: impl FnOnce() -> bool) -> Confined {
        let said = |error: rustix::io::Errno| io::Error::from(error).to_string();
        let kept = give_up(self.kept, needs_bpf);
        let left = kept.unwrap_or(CapabilitySet::empty());
        let steps = [
            ("core dumps", set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(said)),
            ("capabilities", kept.map(drop).map_err(said)),
            ("no-new-privileges", set_no_new_privs(true).map_err(said)),
            ("threads", others_hold_no_more(left)),
            ("system calls", syscalls::filter(features).and_then(|filter| install(&filter))),
        ];
        let failed = |(what, result): (&str, Result<(), String>)| {
            result.err().map(|reason| format!("{what}: {reason}"))
        };
        Confined { kept: capabilities::names(left), failed: steps.into_iter().filter_map(failed).collect() }
    }
}

/// Gives up what this thread has beyond what threads keep, if the process is going to be confined; for threads that are started before
/// it is.
///
/// # Errors
/// When the kernel refuses it.
pub fn confine_thread() -> io::Result<()> {
    match THREADS_KEEP.get() {
        Some(&kept) => Ok(capabilities::keep(kept)?),
        None => Ok(()),
    }
}

/// Whether files can only be made in a folder with a capability that this thread has.
fn needs_override(folder: &Path) -> rustix::io::Result<bool> {
    let before = capabilities::rest()?;
    let allowed = accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS);
    set_capabilities(None, before)?;
    Ok(allowed == Err(rustix::io::Errno::ACCESS) && before.effective.contains(CapabilitySet::DAC_OVERRIDE))
}

fn give_up(kept: CapabilitySet, needs_bpf: impl FnOnce() -> bool) -> rustix::io::Result<CapabilitySet> {
    let before = capabilities::rest()?;
    // Either will do; the smaller one, where there is a choice.
    let choice = [CapabilitySet::BPF, CapabilitySet::SYS_ADMIN];
    let bpf = choice.into_iter().find(|&bit| before.permitted.contains(bit)).filter(|_| needs_bpf());
    let kept = kept | bpf.unwrap_or(CapabilitySet::empty());
    capabilities::keep(kept)?;
    Ok(kept)
}

/// Looks at what each thread of this process is left with; one that has just been started is given a moment.
fn others_hold_no_more(kept: CapabilitySet) -> Result<(), String> {
    const ATTEMPTS: u32 = 400;
    let mut holder = None;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            thread::sleep(Duration::from_millis(5));
        }
        holder = who_holds_more(kept).map_err(|error| format!("/proc/self/task: {error}"))?;
        if holder.is_none() {
            break;
        }
    }
    match holder {
        None => Ok(()),
        Some(name) => Err(format!("{name} keeps its capabilities")),
    }
}

fn who_holds_more(kept: CapabilitySet) -> io::Result<Option<String>> {
    for task in fs::read_dir("/proc/self/task")? {
        // It may have ended.
        let Ok(status) = fs::read_to_string(task?.path().join("status")) else { continue };
        let field = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        let permitted = field("CapPrm:").and_then(|bits| u64::from_str_radix(bits, 16).ok());
        if permitted.is_none_or(|bits| !(CapabilitySet::from_bits_retain(bits) - kept).is_empty()) {
            return Ok(Some(field("Name:").unwrap_or("a thread").to_owned()));
        }
    }
    Ok(None)
}

/// Puts the filter on all threads of this process.
fn install(filter: &BpfProgram) -> Result<(), String> {
    let length = u16::try_from(filter.len()).map_err(|_| "the filter is too long".to_owned())?;
    let program = libc::sock_fprog { len: length, filter: filter.as_ptr().cast_mut().cast() };
    let flags = libc::SECCOMP_FILTER_FLAG_TSYNC | libc::SECCOMP_FILTER_FLAG_LOG;
    // SAFETY: the kernel copies the filter, whose length is given with it, and does not write to it.
    let result = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, std::ptr::from_ref(&program))
    };
    match result {
        0 => Ok(()),
        // A thread that has a filter of its own.
        thread @ 1.. => Err(format!("thread {thread} cannot be given the filter")),
        _ => Err(io::Error::last_os_error().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a process of its own, as all threads of this one would be confined.
    #[test]
    fn a_confined_process_writes_and_reads_but_runs_and_makes_nothing() {
        let program = syscalls::filter(Features::default()).unwrap();
        // SAFETY: the child makes system calls, on memory that was prepared before, and ends without unwinding.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: as above.
            unsafe { libc::_exit(in_the_child(&program)) }
        }
        let mut status = 0;
        // SAFETY: a child of this process, and a place for its status.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!((libc::WIFEXITED(status), libc::WEXITSTATUS(status)), (true, 0), "status {status:#x}");
    }

    fn in_the_child(program: &BpfProgram) -> libc::c_int {
        let refused = |result: libc::c_long| {
            result == -1 && io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
        };
        let path = c"/proc/vmstat".as_ptr();
        let shell = c"/bin/sh".as_ptr();
        if set_no_new_privs(true).is_err() || install(program).is_err() {
            return 1;
        }
        // SAFETY: paths are NUL-terminated, and nothing is written to.
        unsafe {
            let read = libc::open(path, libc::O_RDONLY);
            if read < 0 {
                return 2;
            }
            if !refused(libc::open(path, libc::O_RDWR).into()) {
                return 3;
            }
            if !refused(libc::execve(shell, std::ptr::null(), std::ptr::null()).into()) {
                return 4;
            }
            if !refused(libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0).into()) {
                return 5;
            }
            if !refused(libc::syscall(libc::SYS_bpf, 5, 0, 0)) {
                return 6;
            }
            if libc::close(read) != 0 {
                return 7;
            }
            let code = libc::PROT_READ | libc::PROT_EXEC;
            let mapped =
                libc::mmap(std::ptr::null_mut(), 4096, code, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
            if mapped != libc::MAP_FAILED {
                return 8;
            }
        }
        0
    }

    #[test]
    fn every_combination_of_features_compiles() {
        for bits in 0..64 {
            let has = |bit: u32| bits & 1 << bit != 0;
            let [recording, directory, threads, server, helper, job] = [0, 1, 2, 3, 4, 5].map(has);
            let features = Features { recording, directory, threads, server, helper, job };
            let filter = syscalls::filter(features).unwrap();
            assert!((100..4096).contains(&filter.len()), "{}", filter.len());
        }
    }
}
