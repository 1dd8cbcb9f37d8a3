//! `--probe-log`: what the eBPF programs and the loader log, on stderr.

use log::{LevelFilter, Log, Metadata, Record};

use super::say;

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        say(&format!("{}: {}", record.level().as_str().to_lowercase(), record.args()));
    }

    fn flush(&self) {}
}

/// Installs it. A second call changes nothing.
pub(super) fn install(level: Option<LevelFilter>) {
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(level.unwrap_or(LevelFilter::Off));
    }
}
