//! `oomtrace report`: recordings for people.

use std::io::{self, IsTerminal};
use std::path::Path;

use anyhow::Context;

use crate::exit::{Exit, Usage};
use crate::sink::Report;
use crate::sink::export::Target;
use crate::sink::report::{Form, Recording};

use super::args::{self, ReportArgs};
use super::output::is_dash;
use super::recordings::Recordings;
use super::replay::Pace;
use super::stream::{self, Wanted};
use super::target::{self, Output};

/// Runs the command.
pub(super) fn run(args: &ReportArgs) -> anyhow::Result<Exit> {
    let recordings = Recordings::of(&args.files)?;
    let recording = Recording::default();
    let sink = Report::new(target(args)?, form(args), recording.clone());
    let wanted = Wanted {
        opening: Box::new(move |name| recording.is(name)),
        ..Wanted::all(args.pick.with(&args.filter), Pace::max())
    };
    let (_, exit) = stream::show(recordings, "the report", Box::new(sink), wanted)?;
    Ok(exit)
}

fn form(args: &ReportArgs) -> Form {
    let ending = args.output.as_deref().and_then(Path::extension);
    let markdown = match args.format {
        Some(format) => format == args::Form::Md,
        None => ending.is_some_and(|ending| ending == "md" || ending == "markdown"),
    };
    if markdown { Form::Markdown } else { Form::Html }
}

fn target(args: &ReportArgs) -> anyhow::Result<Box<dyn Target>> {
    match args.output.as_deref() {
        Some(path) if !is_dash(path) => Ok(Box::new(Output::file(path).with_context(|| target::name(path))?)),
        None if form(args) == Form::Html && io::stdout().is_terminal() => {
            Err(Usage("a page is not for a terminal: -o FILE, or -o - all the same".to_owned()).into())
        }
        _ => Ok(Box::new(Output::stdout())),
    }
}
