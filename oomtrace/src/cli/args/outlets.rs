//! Where episodes go beside the screen and a recording.

use std::path::PathBuf;
use std::time::Duration;

use crate::deliver::{Endpoint, journal, syslog};

use super::values::duration;

/// Where, and within which bounds.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Notifications")]
pub struct OutletArgs {
    /// Run CMD (by sh -c) for each episode, with its JSON on stdin and OOMTRACE_* in its environment
    #[arg(long, value_name = "CMD")]
    pub exec: Option<String>,
    /// Kill CMD when it takes longer
    #[arg(long, value_name = "TIME", requires = "exec", default_value = "10s", value_parser = duration)]
    pub exec_timeout: Duration,
    /// Episodes that may wait for CMD; further ones are counted and passed over
    #[arg(long, value_name = "N", requires = "exec", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    pub exec_queue: u16,
    /// Write each episode to the journal, with fields
    #[arg(long)]
    pub journald: bool,
    /// Write a line for each episode to syslog
    #[arg(long)]
    pub syslog: bool,
    /// Send episodes and metrics by OTLP over HTTP to URL, as in http://127.0.0.1:4318
    #[arg(long, value_name = "URL")]
    pub otlp: Option<Endpoint>,
    /// How long the end waits for a receiver
    #[arg(long, value_name = "TIME", hide = true, requires = "otlp", default_value = "15s", value_parser = duration)]
    pub otlp_patience: Duration,
    /// Where the journal listens
    #[arg(long, value_name = "PATH", hide = true, default_value = journal::SOCKET)]
    pub journal_socket: PathBuf,
    /// Where syslog listens
    #[arg(long, value_name = "PATH", hide = true, default_value = syslog::SOCKET)]
    pub syslog_socket: PathBuf,
    /// This is the process that delivers, for one that captures
    #[arg(long, hide = true)]
    pub deliver: bool,
}

impl OutletArgs {
    /// Whether there is any.
    #[must_use]
    pub fn any(&self) -> bool {
        self.exec.is_some() || self.journald || self.syslog || self.otlp.is_some()
    }
}
