//! Swap entries count as memory of a candidate. Needs a swap device, which a guest without modules rarely has.

use anyhow::{Context as _, Result};

use crate::harness::stage::Stage;
use crate::skip;

pub(super) fn run(_: &Stage) -> Result<()> {
    let swaps = std::fs::read_to_string("/proc/swaps").context("failed to read /proc/swaps")?;
    if swaps.lines().count() < 2 {
        skip!("the guest has no swap, so swap_entries is compared as 0 only");
    }
    skip!("the guest has swap, but no scenario fills it yet")
}
