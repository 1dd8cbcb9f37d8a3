//! Figures, not proofs: time to ready, resident memory, size of the binary. Prints them as detail lines.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::harness::stage::{OOMTRACE, Stage};

pub(super) fn run(stage: &Stage) -> Result<()> {
    for round in 1..=5 {
        let started = Instant::now();
        let watch = stage.watch(&[])?;
        println!(
            "  {} round {round}: ready after {:.0} ms",
            stage.flavour(),
            started.elapsed().as_secs_f64() * 1e3
        );
        if round == 5 {
            let status = std::fs::read_to_string(format!("/proc/{}/status", watch.pid()))
                .context("failed to read oomtrace's status")?;
            let wanted = ["VmHWM:", "VmRSS:", "RssAnon:", "RssFile:", "RssShmem:", "VmLck:", "Threads:"];
            for line in status.lines().filter(|line| wanted.iter().any(|key| line.starts_with(key))) {
                println!("  {}", line.replace('\t', " "));
            }
        }
        // How it ends is another scenario's business.
        drop(watch);
    }
    let path = std::env::var_os("PATH").context("there is no PATH")?;
    let binary =
        std::env::split_paths(&path).map(|directory| directory.join(OOMTRACE)).find(|file| file.exists());
    let binary: PathBuf = binary.context("oomtrace is not in PATH")?;
    println!("  binary {} bytes", std::fs::metadata(&binary)?.len());
    Ok(())
}
