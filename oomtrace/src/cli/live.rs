//! `oomtrace watch` and `oomtrace record`: a live capture through the pipeline.

use crate::exit::{Exit, NotAllowed};

use super::args::{RecordArgs, WatchArgs};

/// Runs `watch`.
pub(super) fn watch(_args: &WatchArgs) -> anyhow::Result<Exit> {
    Err(not_built_in())
}

/// Runs `record`.
pub(super) fn record(_args: &RecordArgs) -> anyhow::Result<Exit> {
    Err(not_built_in())
}

fn not_built_in() -> anyhow::Error {
    NotAllowed("this build has no live source; it can replay recordings".to_owned()).into()
}
