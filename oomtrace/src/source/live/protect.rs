//! Being alive at the moment it matters: not a candidate, and not waiting for memory.

use std::{fs, io};

/// What protection the process got.
#[derive(Clone, Debug)]
pub struct Protection {
    /// Why it may be chosen by the OOM killer; `None` when it cannot be.
    pub exposed: Option<String>,
    /// Why its memory may be paged out; `None` when it is locked.
    pub unlocked: Option<String>,
}

/// Makes this process no candidate (`oom_score_adj` -1000). Needs CAP_SYS_RESOURCE.
#[must_use]
pub fn from_the_oom_killer() -> Option<String> {
    fs::write("/proc/self/oom_score_adj", "-1000").err().map(|error| denied(&error, "CAP_SYS_RESOURCE"))
}

/// Locks what is mapped now, and pre-faults it. Needs CAP_IPC_LOCK or a high enough `RLIMIT_MEMLOCK`.
///
/// What is mapped later is not locked: the limit would make such a mapping fail, and an episode's memory comes from what
/// earlier ones left.
#[must_use]
pub fn memory() -> Option<String> {
    use rustix::mm::{MlockAllFlags, mlockall};
    mlockall(MlockAllFlags::CURRENT).err().map(|error| denied(&io::Error::from(error), "CAP_IPC_LOCK"))
}

fn denied(error: &io::Error, capability: &str) -> String {
    if error.kind() == io::ErrorKind::PermissionDenied || error.raw_os_error() == Some(12) {
        format!("needs {capability}")
    } else {
        error.to_string()
    }
}
