//! Numbers for a monitoring system.

use std::time::Duration;

use crate::serve::Address;
use crate::sink::metrics::{CGROUPS, Options};

use super::values::duration;

/// Where and what.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Metrics")]
pub struct MetricsArgs {
    /// Serve metrics (Prometheus text, OpenMetrics) at ADDR: 127.0.0.1:9100, [::1]:9100, :9100 for all addresses, unix:PATH
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<Address>,
    /// Metrics by cgroup too, of N cgroups at the most (100 unless N is given)
    #[arg(long, value_name = "N", requires = "metrics", num_args = 0..=1, default_missing_value = DEFAULT, value_parser = at_most)]
    pub metrics_cgroups: Option<usize>,
    /// Show a cgroup for this long after its last episode
    #[arg(long, value_name = "TIME", requires = "metrics", default_value = "6h", value_parser = duration)]
    pub metrics_keep: Duration,
    /// Kills by container too, as container_oom_events_total, the name that cAdvisor has for it
    #[arg(long, requires = "metrics")]
    pub metrics_containers: bool,
}

/// [`CGROUPS`], as an argument.
const DEFAULT: &str = "100";

impl MetricsArgs {
    /// What is shown.
    #[must_use]
    pub fn options(&self) -> Options {
        let most = self.metrics_cgroups.unwrap_or(CGROUPS);
        Options {
            cgroups: self.metrics_cgroups,
            containers: self.metrics_containers.then_some(most),
            keep: self.metrics_keep,
        }
    }
}

fn at_most(text: &str) -> Result<usize, String> {
    let range = 1..=10_000;
    text.parse()
        .ok()
        .filter(|n| range.contains(n))
        .ok_or_else(|| "expected a number from 1 to 10000".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_default() {
        assert_eq!(DEFAULT.parse(), Ok(CGROUPS));
    }
}
