//! `oomtrace rank`: who would be killed next, from `/proc` as it is now.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::{Exit, NotAllowed, Usage};
use crate::rank::{self, Report};
use crate::sink::{json, terminal};
use crate::source::procfs::{Error, Hierarchy, Limit, Machine, Memcg, Root};

use super::args::RankArgs;
use super::output;

/// Processes shown as text when nothing is said.
const DEFAULT_TOP: usize = 10;
/// Cursor to the top left, and everything erased.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Runs the command.
pub(super) fn run(args: &RankArgs) -> anyhow::Result<Exit> {
    let root = Root::live();
    let page_size =
        u32::try_from(rustix::param::page_size()).context("pages of this machine are too large")?;
    let redraw = args.watch && !args.display.json && io::stdout().is_terminal();
    let mut ending = args.watch.then(Ending::new).transpose()?;
    let mut first = true;
    loop {
        let report = report(&root, page_size, args);
        // A memcg that was there and is gone was no mistake of the one who named it.
        let report = if first { report? } else { report.map_err(|error| anyhow::anyhow!("{error:#}"))? };
        // One write: a screen that is cleared and filled in steps flickers.
        let mut text = Vec::new();
        if redraw {
            text.extend_from_slice(CLEAR.as_bytes());
        } else if !first && !args.display.json {
            text.push(b'\n');
        }
        show(&mut text, &report, args)?;
        let mut out = io::stdout().lock();
        out.write_all(&text)?;
        out.flush()?;
        drop(out);
        if ending.as_mut().is_none_or(|ending| ending.came_within(args.interval)) {
            return Ok(Exit::Done);
        }
        first = false;
    }
}

/// Ctrl-C and SIGTERM, which end the watching as they end a capture.
struct Ending {
    runtime: Runtime,
    interrupt: Signal,
    terminate: Signal,
}

impl Ending {
    fn new() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        drop(entered);
        Ok(Self { runtime, interrupt, terminate })
    }

    /// Waits for one of them; false when the time is over first.
    fn came_within(&mut self, time: Duration) -> bool {
        let Self { runtime, interrupt, terminate } = self;
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => true,
                _ = terminate.recv() => true,
                () = tokio::time::sleep(time) => false,
            }
        })
    }
}

fn show(text: &mut Vec<u8>, report: &Report, args: &RankArgs) -> io::Result<()> {
    let top = args.top.and_then(|top| usize::try_from(top).ok());
    if args.display.json {
        json::ranking(text, report, top.unwrap_or(usize::MAX))
    } else {
        let all = if args.display.verbose { usize::MAX } else { DEFAULT_TOP };
        terminal::ranking(text, report, top.unwrap_or(all), output::options(&args.display))
    }
}

/// Reads the machine, and ranks.
fn report(root: &Root, page_size: u32, args: &RankArgs) -> anyhow::Result<Report> {
    let now = clock_gettime(ClockId::Realtime);
    let machine = root.machine(page_size)?;
    let Some(kernel) = machine.kernel else {
        let release = &machine.release;
        return Err(NotAllowed(format!("the kernel's release {release:?} does not tell its formula")).into());
    };
    // Without a hierarchy a global ranking is only without cgroups.
    let hierarchy = root.hierarchy();
    let (memcg, limit_pages, totalpages, mut reading) = match &args.memcg {
        None => {
            let reading = root.all(page_size, hierarchy.as_ref().ok(), args.verify)?;
            (None, None, machine.totalpages(), reading)
        }
        Some(path) => {
            let hierarchy = hierarchy?;
            let memcg = memcg(&hierarchy, path)?;
            let limit = limit(&hierarchy, &memcg, &machine, page_size, args)?;
            let totalpages = limit.totalpages().context("a limit without a size")?;
            let reading = root.of_memcg(page_size, &hierarchy, &memcg, args.verify)?;
            (Some(memcg.path), limit.max_pages, totalpages, reading)
        }
    };
    if !args.watch {
        // What only looks once is gone when its answer is read.
        let own = root.own_pid();
        reading.processes.retain(|process| Some(process.pid) != own);
    }
    let verification = args.verify.then(|| rank::verify(&kernel, machine.totalpages(), &reading.processes));
    Ok(Report {
        unix_ns: now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec),
        kernel_release: machine.release,
        page_size,
        ram_pages: machine.ram_pages,
        swap_pages: machine.swap_pages,
        limit_pages,
        limit_assumed: args.limit.is_some(),
        ranking: rank::rank(&kernel, memcg, totalpages, &reading.processes),
        unseen: reading.unseen,
        hidepid: machine.hidepid,
        all_pids: machine.all_pids,
        verification,
    })
}

fn memcg(hierarchy: &Hierarchy, path: &Path) -> anyhow::Result<Memcg> {
    hierarchy.memcg(path).map_err(|error| match error {
        Error::NoSuchMemcg(text) => Usage(text).into(),
        other => other.into(),
    })
}

/// The memcg's limit, or the one that is to be tried.
fn limit(
    hierarchy: &Hierarchy,
    memcg: &Memcg,
    machine: &Machine,
    page_size: u32,
    args: &RankArgs,
) -> anyhow::Result<Limit> {
    if args.limit.is_some() {
        let tried = hierarchy.limit_if(memcg, machine, page_size, args.limit)?;
        if tried.max_pages.is_none() {
            return Err(Usage("--limit: that is as much as no limit".to_owned()).into());
        }
        return Ok(tried);
    }
    let own = hierarchy.limit(memcg, machine, page_size)?;
    if own.max_pages.is_some() {
        return Ok(own);
    }
    let path = &memcg.path;
    let instead = match hierarchy.limited_above(memcg, machine, page_size)? {
        Some(above) => format!("{} above it has one (--memcg {})", above.path, above.path),
        None => {
            "neither has any above it, so that only the whole machine can run out (no --memcg)".to_owned()
        }
    };
    Err(Usage(format!("{path} has no limit; {instead}; --limit SIZE tries one")).into())
}
