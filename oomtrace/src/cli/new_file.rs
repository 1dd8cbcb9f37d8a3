//! A recording of several files goes on in the next one.

use crate::model::observation::Lost;
use crate::model::{SessionEnd, SessionInfo};
use crate::pipeline::Pipeline;
use crate::source::live::Live;
use crate::source::samples::Heartbeat;

use super::heartbeat;

/// Ends the file and begins another, unless an episode has begun since `info` was looked up: then it is tried again when that is
/// over. Everything that happened before that look has been taken off the ring; `lost` is what its episodes lost.
pub(super) fn begin(
    live: &Live,
    pipeline: &mut Pipeline,
    heartbeat: &mut Option<Heartbeat>,
    mut lost: Lost,
    info: &SessionInfo,
) {
    if !pipeline.wants_new_file() || heartbeat::hand_on(heartbeat, pipeline).is_break() {
        return;
    }
    lost.add(Lost { missed_runs: live.missed_runs(), ..live.lost() });
    let end = SessionEnd {
        boot_ns: info.started_boot_ns,
        lost,
        vmstat_oom_kills: info.vmstat_oom_kills,
        ..SessionEnd::default()
    };
    pipeline.new_file(&end, info);
}
