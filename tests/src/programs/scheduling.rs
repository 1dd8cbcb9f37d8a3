//! Where and with what precedence a process runs.

use anyhow::{Context as _, Result, bail};
use rustix::thread::{CpuSet, sched_setaffinity};

use super::Arguments;

/// Takes `--cpu N` (runs there and nowhere else) and `--fifo P` (real-time, with this priority) and obeys them.
pub(super) fn obey(arguments: &mut Arguments) -> Result<()> {
    if let Some(cpu) = arguments.option("--cpu")? {
        let mut only = CpuSet::new();
        only.set(cpu);
        sched_setaffinity(None, &only).with_context(|| format!("failed to move to processor {cpu}"))?;
    }
    if let Some(priority) = arguments.option("--fifo")? {
        let parameters = libc::sched_param { sched_priority: priority };
        // SAFETY: the parameters are read from a live value.
        if unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) } == -1 {
            bail!("failed to take priority {priority}: {}", std::io::Error::last_os_error());
        }
    }
    Ok(())
}
