//! What this machine allows, found out without changing anything.

use std::{fs, io, path::Path};

use super::LiveError;

/// Capabilities that loading and attaching need (include/uapi/linux/capability.h).
const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;

/// The kernel's lockdown, from securityfs; `None` where it cannot be read or is not built in.
#[must_use]
pub fn lockdown() -> Option<String> {
    let text = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(state, _)| state.to_owned())
}

/// Effective capabilities of this process, as bits; all of them if they cannot be read (then the kernel will say no).
fn capabilities() -> u64 {
    fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
            u64::from_str_radix(line.trim(), 16).ok()
        })
        .unwrap_or(u64::MAX)
}

/// Checks for the capabilities that eBPF tracing needs.
///
/// # Errors
/// [`LiveError::Privileges`], naming those that are missing.
pub fn privileges() -> Result<(), LiveError> {
    let effective = capabilities();
    let has = |capability: u32| effective & (1 << capability) != 0;
    if has(CAP_SYS_ADMIN) {
        return Ok(());
    }
    let missing: Vec<&str> = [(CAP_BPF, "CAP_BPF"), (CAP_PERFMON, "CAP_PERFMON")]
        .into_iter()
        .filter(|&(capability, _)| !has(capability))
        .map(|(_, name)| name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(LiveError::Privileges { missing: missing.join(" and "), uid: rustix::process::geteuid().as_raw() })
}

/// Checks for a lockdown that refuses reads of kernel memory.
///
/// # Errors
/// [`LiveError::Lockdown`].
pub fn not_locked_down() -> Result<(), LiveError> {
    if lockdown().as_deref() == Some("confidentiality") { Err(LiveError::Lockdown) } else { Ok(()) }
}

/// Why a perf event was refused, in words. Some distributions' kernels take CAP_SYS_ADMIN for any, CAP_PERFMON or not, where
/// `kernel.perf_event_paranoid` is 3 or more.
#[must_use]
pub fn perf_refusal(error: &io::Error) -> String {
    let refused = error.raw_os_error() == Some(libc::EACCES);
    match perf_event_paranoid().filter(|&level| refused && level > 2) {
        Some(level) => format!(
            "perf_event_open: {error}: kernel.perf_event_paranoid is {level}, which takes CAP_SYS_ADMIN on this kernel; 2 does not"
        ),
        None => format!("perf_event_open: {error}"),
    }
}

/// `kernel.perf_event_paranoid`.
#[must_use]
pub fn perf_event_paranoid() -> Option<i32> {
    fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").ok()?.trim().parse().ok()
}

/// Whether the kernel can place kprobes: the PMU that oomtrace attaches them through.
#[must_use]
pub fn has_kprobes() -> bool {
    Path::new("/sys/bus/event_source/devices/kprobe/type").exists()
}
