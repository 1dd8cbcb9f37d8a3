//! `oomtrace doctor`: what this machine allows.

use crate::exit::{Exit, NotAllowed};

use super::args::DoctorArgs;

/// Runs the command.
pub(super) fn run(_args: &DoctorArgs) -> anyhow::Result<Exit> {
    Err(NotAllowed("this build has no live source, there is nothing to examine".to_owned()).into())
}
