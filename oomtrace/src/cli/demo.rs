//! `oomtrace demo`: a small OOM, live where that is possible, else one that was recorded.

use std::io::Cursor;

use anyhow::Context;

use crate::exit::Exit;
use crate::filter::Filter;
use crate::session::Reader;

use super::args::{DemoArgs, Speed};
use super::input::Input;
use super::{output, replay, say};

/// A session that was recorded, for machines on which a live one is not possible.
static RECORDING: &[u8] = include_bytes!("../../demo/demo.oomtrace");

/// Runs the command.
pub(super) fn run(args: &DemoArgs) -> anyhow::Result<Exit> {
    match live(args) {
        Ok(exit) => Ok(exit),
        Err(reason) => recorded(args, &reason),
    }
}

/// The live half: makes the OOM and watches it. The error is why that is not possible here.
fn live(args: &DemoArgs) -> Result<Exit, String> {
    if args.recorded {
        return Err("as asked".to_owned());
    }
    Err("this build has no live source".to_owned())
}

/// Replays the bundled recording, and says so: nobody should take it for their own machine.
fn recorded(args: &DemoArgs, reason: &str) -> anyhow::Result<Exit> {
    let bytes: Box<dyn std::io::Read> = Box::new(Cursor::new(RECORDING));
    let reader = Reader::open(bytes).context("the bundled recording")?;
    let info = reader.info();
    let kernel = info.kernel_release.as_deref().unwrap_or("unknown");
    say(&format!(
        "this is a recording, made on Linux {kernel}, not this machine; not live because: {reason}"
    ));
    let mut input = Input { name: "the bundled recording".to_owned(), reader };
    let pipeline = output::shown(&args.display, Filter::default(), None);
    let (summary, _) = replay::drive(&mut input, pipeline, Speed::Max);
    Ok(summary.exit())
}
