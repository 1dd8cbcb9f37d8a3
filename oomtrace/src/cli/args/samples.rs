//! The heartbeat: whether and how often the state of memory is looked at between episodes.

use std::time::Duration;

use super::values::duration;

/// Whether samples are taken, and how often.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[command(next_help_heading = "Samples of the state of memory between episodes")]
pub struct SampleArgs {
    /// Take one every so often, for example 10s; by default every 5 s with --dir, and none otherwise
    #[arg(long, value_name = "TIME", value_parser = at_least_a_second)]
    pub sample_every: Option<Duration>,
    /// Take none
    #[arg(long, conflicts_with = "sample_every")]
    pub no_samples: bool,
}

impl SampleArgs {
    /// Time from one to the next; `None` when none are taken. `usual`: unless something else is asked for.
    #[must_use]
    pub fn every(self, usual: Option<Duration>) -> Option<Duration> {
        if self.no_samples { None } else { self.sample_every.or(usual) }
    }
}

fn at_least_a_second(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if time < Duration::from_secs(1) { Err("not more than one a second".to_owned()) } else { Ok(time) }
}
