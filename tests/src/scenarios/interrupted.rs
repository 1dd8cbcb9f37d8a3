//! A signal in the very moment in which oomtrace says that it is attached: it ends cleanly, with nothing seen.

use anyhow::{Result, ensure};
use rustix::process::Signal;

use crate::harness::stage::Stage;
use crate::harness::watch::Lines;

pub(super) fn run(stage: &Stage) -> Result<()> {
    for signal in [Signal::INT, Signal::TERM] {
        let finished = stage.watch(&[])?.end(signal)?;
        ensure!(
            finished.code == Some(0),
            "{signal:?}: exit code {:?}: {}",
            finished.code,
            finished.stderr.trim()
        );
        let lines = Lines::read(&finished.stdout)?;
        lines.lossless()?;
        ensure!(lines.episodes.is_empty(), "{signal:?}: {} episodes of no OOM", lines.episodes.len());
    }
    Ok(())
}
