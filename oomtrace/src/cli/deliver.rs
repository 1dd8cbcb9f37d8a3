//! `--exec`, `--journald`, `--syslog`, `--otlp`: opens what was asked for, and is the process that delivers for one that captures
//! ([`super::helper`]).

use std::io::{self, BufRead, BufReader, Write};
use std::sync::Arc;
use std::time::Duration;

use crate::deliver::exec::Exec;
use crate::deliver::journal::Journal;
use crate::deliver::syslog::Syslog;
use crate::deliver::{AT_THE_END, Delivery, Outbox, Outlet, WhenFull};
use crate::exit::{Exit, NotAllowed};
use crate::filter::Filter;
use crate::pipeline::Pipeline;
use crate::privileges;
use crate::session::Reader;
use crate::sink::{FanOut, Sink};
use crate::source::live::protect;

use super::args::OutletArgs;
use super::helper::READY;
use super::input::Input;
use super::otlp::{self, Receiver};
use super::replay::{self, Pace};
use super::say;

/// Episodes that may wait for the journal or for syslog.
const ROOM: usize = 64;

/// Outlets that were opened.
pub(super) struct Outlets {
    boxes: Vec<(&'static str, Outbox)>,
    otlp: Option<Receiver>,
}

impl Outlets {
    /// Opens those that were asked for. `adj`: what commands have as their `oom_score_adj`.
    ///
    /// # Errors
    ///
    /// Nobody listens, or nobody could.
    pub(super) fn open(args: &OutletArgs, when_full: WhenFull, adj: Option<i32>) -> anyhow::Result<Self> {
        let mut all: Vec<(&'static str, Box<dyn Outlet>, usize)> = Vec::new();
        let refused = |option: &str, path: &std::path::Path, error: io::Error| {
            NotAllowed(format!("{option}: nobody listens at {}: {error}", path.display()))
        };
        if let Some(command) = &args.exec {
            let exec = Exec { command: command.clone(), at_most: args.exec_timeout, adj };
            all.push(("--exec", Box::new(exec), args.exec_queue.into()));
        }
        if args.journald {
            let path = &args.journal_socket;
            let journal = Journal::open(path).map_err(|error| refused("--journald", path, error))?;
            all.push(("--journald", Box::new(journal), ROOM));
        }
        if args.syslog {
            let path = &args.syslog_socket;
            let syslog = Syslog::open(path).map_err(|error| refused("--syslog", path, error))?;
            all.push(("--syslog", Box::new(syslog), ROOM));
        }
        let start = |(name, outlet, room)| {
            let outbox = Outbox::start(name, outlet, room, when_full, Arc::new(|message| say(&message)));
            outbox.map(|outbox| (name, outbox))
        };
        let otlp = otlp::open(args, when_full)?;
        Ok(Self { boxes: all.into_iter().map(start).collect::<io::Result<_>>()?, otlp })
    }

    /// A sink for each. To be called once.
    pub(super) fn sinks(&mut self) -> impl Iterator<Item = (&'static str, Box<dyn Sink + Send>)> + '_ {
        let otlp = self.otlp.as_mut().and_then(Receiver::sink);
        let boxes = self.boxes.iter().map(|(name, outbox)| {
            let sink: Box<dyn Sink + Send> = Box::new(Delivery::new(outbox.clone()));
            (*name, sink)
        });
        boxes.chain(otlp.map(|sink| ("--otlp", sink)))
    }

    /// Waits for what is on its way, `most` for each at the most; tells how that ends the program.
    pub(super) fn finish(&self, most: Duration) -> Exit {
        let mut exit = Exit::Done;
        // Beside the others.
        if let Some(otlp) = &self.otlp {
            otlp.close(most);
        }
        for (_, outbox) in &self.boxes {
            let tally = outbox.finish(most);
            if tally.failed > 0 || tally.passed_over > 0 {
                exit = exit.max(Exit::Lossy);
            }
        }
        if self.otlp.as_ref().is_some_and(|otlp| !otlp.finish()) {
            exit = exit.max(Exit::Lossy);
        }
        exit
    }
}

/// Is the process that delivers: observations come from stdin, as a recording.
pub(super) fn run(args: &OutletArgs, filter: Filter) -> anyhow::Result<Exit> {
    outlive_signals();
    // What the kernel's log would say of it is what hooks are there for. Before the right to it goes.
    let _ = protect::from_the_oom_killer();
    privileges::drop_unless_root();
    // Whoever captures has the word.
    let mut outlets = match Outlets::open(args, WhenFull::PassOver, Some(0)) {
        Ok(outlets) => outlets,
        Err(error) => {
            write!(io::stdout(), "{error:#}")?;
            return Ok(Exit::of(error.as_ref()));
        }
    };
    write!(io::stdout(), "{READY}")?;
    io::stdout().flush()?;
    let mut stdin = BufReader::new(io::stdin());
    if stdin.fill_buf()?.is_empty() {
        // Nothing was captured.
        return Ok(Exit::Done);
    }
    let bytes: Box<dyn io::Read + Send> = Box::new(stdin);
    let mut input = Input { name: "the capture".to_owned(), is_file: false, reader: Reader::open(bytes)? };
    let mut pipeline = Pipeline::new(FanOut::default(), filter, |message| say(&message));
    for (name, sink) in outlets.sinks() {
        pipeline = pipeline.also_to(name, sink);
    }
    replay::drive(&mut input, pipeline, &mut Pace::max());
    Ok(outlets.finish(AT_THE_END))
}

/// Signals that end the capture reach this process too; it ends when nothing comes any more. A handler and not `SIG_IGN`, which commands
/// would inherit.
fn outlive_signals() {
    extern "C" fn nothing(_: libc::c_int) {}
    let handler = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: the handler does nothing, so that it may be run at any moment.
        unsafe {
            libc::signal(signal, handler);
        }
    }
}
