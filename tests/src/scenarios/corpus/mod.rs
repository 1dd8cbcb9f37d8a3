//! `guest record-corpus DIR`: a small real session of each kind, for the corpus and the bundled demo.
//!
//! Nothing is compared here; the scenarios prove that what is recorded is right. [`kinds`] has what happens in each.
//!
//! Not among them, as no guest can be brought to it: `freed` (a driver's notifier gives memory back; cloud kernels have none built in)
//! and `skipped` (a scan that ends at a victim of before the capture: the kernel gives up on one after 2 s, and attaching takes
//! about as long).

mod kinds;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use rustix::process::Signal;

use self::kinds::{KINDS, Kind};
use crate::harness::Skip;
use crate::harness::process::Launch;
use crate::harness::stage::OOMTRACE;
use crate::harness::sysctl::Sysctl;
use crate::harness::watch::Watch;
use crate::programs::Arguments;

/// Records all kinds, or those that are named: `DIR [--attach fentry|kprobe] [--only KIND]`.
pub fn main(mut arguments: Arguments) -> Result<ExitCode> {
    let attach: String = arguments.option("--attach")?.unwrap_or_else(|| "auto".to_owned());
    let only: Option<String> = arguments.option("--only")?;
    let directory: PathBuf = arguments.next("DIR")?;
    arguments.end()?;
    std::fs::create_dir_all(&directory).with_context(|| format!("failed to make {}", directory.display()))?;
    std::fs::write("/proc/self/oom_score_adj", "-1000").context("failed to protect the harness")?;
    let _quiet = Sysctl::set("kernel/printk", "1 4 1 7")?;
    for kind in KINDS.iter().filter(|kind| only.as_deref().is_none_or(|only| only == kind.name)) {
        let file = directory.join(format!("{}.oomtrace", kind.name));
        match record(&file, &attach, kind) {
            Err(error) if error.is::<Skip>() => println!("{} skipped: {error}", kind.name),
            Err(error) => return Err(error).with_context(|| format!("failed to record {}", kind.name)),
            Ok(()) => println!("{} {} bytes", file.display(), std::fs::metadata(&file)?.len()),
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn record(file: &Path, attach: &str, kind: &Kind) -> Result<()> {
    let happen = (kind.prepare)()?;
    let record = Watch::start(Launch::of(OOMTRACE).args(&["record", "--attach", attach, "-o"]).arg(file))?;
    record.await_ready()?;
    happen()?;
    let finished = record.end(Signal::INT)?;
    ensure!(finished.code == Some(0), "oomtrace ended with code {:?}: {}", finished.code, finished.stderr);
    if let Some((kept, of)) = kind.cut {
        let whole = std::fs::read(file)?;
        std::fs::write(file, &whole[..whole.len() * kept / of]).context("failed to cut the recording")?;
    }
    Ok(())
}
