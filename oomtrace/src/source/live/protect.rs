//! Being alive at the moment it matters: not a candidate, and not waiting for memory.

use std::{fs, io};

/// Makes this process no candidate (`oom_score_adj` -1000). Needs CAP_SYS_RESOURCE.
#[must_use]
pub fn from_the_oom_killer() -> Option<String> {
    fs::write("/proc/self/oom_score_adj", "-1000").err().map(|error| denied(&error, "CAP_SYS_RESOURCE"))
}

/// Gives back what start-up took and freed (the kernel's types are parsed once), then locks what is mapped, and pre-faults it. Needs CAP_IPC_LOCK or a high enough `RLIMIT_MEMLOCK`.
///
/// What is mapped later is not locked: the limit would make such a mapping fail, and an episode's memory comes from what
/// earlier ones left.
#[must_use]
pub fn memory() -> Option<String> {
    use rustix::mm::{MlockAllFlags, mlockall};
    #[cfg(target_env = "gnu")]
    // SAFETY: no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
    mlockall(MlockAllFlags::CURRENT).err().map(|error| denied(&io::Error::from(error), "CAP_IPC_LOCK"))
}

fn denied(error: &io::Error, capability: &str) -> String {
    if error.kind() == io::ErrorKind::PermissionDenied || error.raw_os_error() == Some(12) {
        format!("needs {capability}")
    } else {
        error.to_string()
    }
}
