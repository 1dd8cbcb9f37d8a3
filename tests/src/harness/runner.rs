//! `guest test`: runs scenarios and prints a line for each verdict.
//!
//! On standard output: `RUN name`, then one of `PASS name (seconds)`, `FAIL name: reason`, `SKIP name: reason`, each perhaps followed
//! by lines that start with two spaces, and at the end `DONE passed failed skipped`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::Skip;
use super::overdue::Overdue;
use super::stage::{Flavour, Stage};
use super::sysctl::Sysctl;
use crate::oracle::counters;
use crate::programs::Arguments;
use crate::scenarios::{ARCH, Flavours, Group, SCENARIOS, Scenario};

/// The kernel reports at most 10 OOMs in this time; a little is added for its coarse clock.
const REPORT_WINDOW: Duration = Duration::from_millis(5_500);
/// After more kills than this the window is waited for: there has to be room for the next scenario's reports.
const KILLS_WITHOUT_PAUSE: u64 = 3;

/// How often something ended how.
#[derive(Default)]
struct Tally {
    passed: u32,
    failed: u32,
    skipped: u32,
}

/// What was asked for.
struct Options {
    wanted: Wanted,
    filter: Option<String>,
    seed: Option<u64>,
    out: PathBuf,
}

/// Which scenarios.
enum Wanted {
    /// Those of a group.
    Group(Group),
    /// Those of [`ARCH`].
    Arch,
}

impl Wanted {
    fn has(&self, scenario: &Scenario) -> bool {
        match self {
            Self::Group(group) => scenario.group == *group,
            Self::Arch => scenario.group == Group::Core && ARCH.contains(&scenario.name),
        }
    }
}

/// Runs what the arguments select: `[--group core|arch|seeded|scale|small|systemd|instructions|measure] [--filter SUBSTRING] [--seed N] [--list]
/// [--out DIR]`.
pub fn main(mut arguments: Arguments) -> Result<ExitCode> {
    let wanted = match arguments.option::<String>("--group")?.as_deref() {
        None | Some("core") => Wanted::Group(Group::Core),
        Some("arch") => Wanted::Arch,
        Some("seeded") => Wanted::Group(Group::Seeded),
        Some("scale") => Wanted::Group(Group::Scale),
        Some("small") => Wanted::Group(Group::Small),
        Some("systemd") => Wanted::Group(Group::Systemd),
        Some("instructions") => Wanted::Group(Group::Instructions),
        Some("measure") => Wanted::Group(Group::Measure),
        Some(other) => {
            bail!(
                "there is no group {other:?}: core, arch, seeded, scale, small, systemd, instructions, measure"
            )
        }
    };
    let options = Options {
        wanted,
        filter: arguments.option("--filter")?,
        seed: arguments.option("--seed")?,
        out: arguments.option("--out")?.unwrap_or_else(|| PathBuf::from("/out")),
    };
    let list = arguments.flag("--list");
    arguments.end()?;
    let selected = select(&options);
    if list {
        for (name, _, _) in &selected {
            println!("{name}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    // The harness must outlive every OOM that it makes.
    std::fs::write("/proc/self/oom_score_adj", "-1000").context("failed to protect the harness")?;
    // A serial console prints each report before the kernel goes on, which takes longer than everything else.
    let _quiet = Sysctl::set("kernel/printk", "1 4 1 7")?;
    let mut tally = Tally::default();
    let mut kills = counters::oom_kills()?;
    let mut last_kill = None;
    for (name, scenario, flavour) in selected {
        if let Some(at) = last_kill.take() {
            let since: Duration = Instant::now() - at;
            // Nothing tells when the kernel's rate limit is over; it is a matter of time by definition.
            std::thread::sleep(REPORT_WINDOW.saturating_sub(since));
        }
        println!("RUN {name}");
        let _overdue = Overdue::watch(&name);
        tally.count(&run(&name, scenario, flavour, &options), &name)?;
        let now = counters::oom_kills()?;
        if now - kills > KILLS_WITHOUT_PAUSE {
            last_kill = Some(Instant::now());
        }
        kills = now;
    }
    println!("DONE {} {} {}", tally.passed, tally.failed, tally.skipped);
    Ok(if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn select(options: &Options) -> Vec<(String, &'static Scenario, Flavour)> {
    let mut selected = Vec::new();
    for scenario in SCENARIOS.iter().filter(|scenario| options.wanted.has(scenario)) {
        let (flavours, told): (&[Flavour], bool) = match scenario.flavours {
            Flavours::Hooks => (&[Flavour::Fentry, Flavour::Kprobe], true),
            Flavours::Log => (&[Flavour::Log], true),
            Flavours::Once => (&[Flavour::Fentry], false),
        };
        for flavour in flavours {
            let name = if told { format!("{}/{flavour}", scenario.name) } else { scenario.name.to_owned() };
            if options.filter.as_ref().is_none_or(|filter| name.contains(filter)) {
                selected.push((name, scenario, *flavour));
            }
        }
    }
    selected
}

/// Runs one and returns how long it took.
fn run(name: &str, scenario: &Scenario, flavour: Flavour, options: &Options) -> Result<Duration> {
    let started = Instant::now();
    let stage = Stage::new(name, flavour, options.seed)?;
    let result = (scenario.run)(&stage);
    if let Err(error) = &result
        && !error.is::<Skip>()
        && let Err(error) = stage.keep(&options.out)
    {
        eprintln!("failed to keep the files of {name}: {error:#}");
    }
    result.map(|()| started.elapsed())
}

impl Tally {
    fn count(&mut self, result: &Result<Duration>, name: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        match result {
            Ok(took) => {
                self.passed += 1;
                writeln!(out, "PASS {name} ({:.1}s)", took.as_secs_f64())?;
            }
            Err(error) => {
                let verdict = if error.is::<Skip>() { "SKIP" } else { "FAIL" };
                *(if error.is::<Skip>() { &mut self.skipped } else { &mut self.failed }) += 1;
                let text = format!("{error:#}");
                let mut lines = text.lines();
                writeln!(out, "{verdict} {name}: {}", lines.next().unwrap_or_default())?;
                for line in lines {
                    writeln!(out, "  {line}")?;
                }
            }
        }
        out.flush().context("failed to print a verdict")
    }
}
