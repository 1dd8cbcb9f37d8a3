//! The heartbeat of a capture: when a sample is taken, and when those that are held back are recorded.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use crate::model::Observation;
use crate::pipeline::Pipeline;
use crate::source::live::host;
use crate::source::procfs::Root;
use crate::source::samples::Heartbeat;

/// Samples of this machine, every so often.
pub(super) fn start(every: Duration) -> Heartbeat {
    let hierarchy = Root::live().hierarchy().ok();
    Heartbeat::new(Path::new("/proc"), hierarchy.as_ref(), every, host::boot_ns())
}

/// Takes a sample, unless an episode is under way or there is `more` on the ring: then nothing is read. Records what is held back,
/// if it was for long enough.
pub(super) fn sample(heartbeat: &mut Heartbeat, pipeline: &mut Pipeline, more: bool) -> ControlFlow<()> {
    let now = host::boot_ns();
    if more || pipeline.next_deadline_ns().is_some() {
        heartbeat.put_off(now);
        return ControlFlow::Continue(());
    }
    heartbeat.look(now);
    let held = heartbeat.is_due().then(|| heartbeat.take()).flatten();
    let Some(held) = held else { return ControlFlow::Continue(()) };
    let flow = pipeline.push(Observation::Samples(held));
    pipeline.keep();
    flow
}

/// What is held back goes before what follows: an episode begins, or the capture ends.
pub(super) fn hand_on(heartbeat: &mut Option<Heartbeat>, pipeline: &mut Pipeline) -> ControlFlow<()> {
    match heartbeat.as_mut().and_then(Heartbeat::take) {
        Some(held) => pipeline.push(Observation::Samples(held)),
        None => ControlFlow::Continue(()),
    }
}
