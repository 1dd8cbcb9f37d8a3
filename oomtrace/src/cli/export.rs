//! `oomtrace export`: recordings for other programs.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::Path;

use anyhow::Context;

use crate::exit::{Exit, Usage};
use crate::sink::Sink;
use crate::sink::export::{Csv, Lines, Perfetto, Rows, Table, Tables, Target};

use super::args::{ExportArgs, Format};
use super::output::is_dash;
use super::recordings::Recordings;
use super::replay::Pace;
use super::stream::{self, Wanted};
use super::target::{self, Output};

/// Runs the command.
pub(super) fn run(args: &ExportArgs) -> anyhow::Result<Exit> {
    let recordings = Recordings::of(&args.files)?;
    let sink = sink(args)?;
    let wanted = Wanted::all(args.pick.with(&args.filter), Pace::max());
    let (_, exit) = stream::show(recordings, "the export", sink, wanted)?;
    Ok(exit)
}

fn sink(args: &ExportArgs) -> anyhow::Result<Box<dyn Sink + Send>> {
    if args.table.is_some() && matches!(args.format, Format::Json | Format::Perfetto) {
        return Err(Usage("--table is for csv and parquet".to_owned()).into());
    }
    Ok(match args.format {
        Format::Json => Box::new(Lines::new(one(args, true)?)),
        Format::Perfetto => Box::new(Perfetto::new(one(args, false)?)),
        Format::Csv => tables::<Csv>(args, "csv", true)?,
        Format::Parquet => parquet(args)?,
    })
}

#[cfg(feature = "parquet")]
fn parquet(args: &ExportArgs) -> anyhow::Result<Box<dyn Sink + Send>> {
    tables::<crate::sink::export::Parquet>(args, "parquet", false)
}

#[cfg(not(feature = "parquet"))]
fn parquet(_: &ExportArgs) -> anyhow::Result<Box<dyn Sink + Send>> {
    let why = "this oomtrace was built without Parquet; build it with `--features parquet`, or take --format csv, which databases read too";
    Err(crate::exit::NotAllowed(why.to_owned()).into())
}

/// Where everything goes that is one file.
fn one(args: &ExportArgs, is_text: bool) -> anyhow::Result<Box<dyn Target>> {
    match args.output.as_deref().filter(|path| !is_dash(path)) {
        Some(path) => file(path),
        None if is_text || !io::stdout().is_terminal() => Ok(Box::new(Output::stdout())),
        None => {
            Err(Usage("this format is binary: redirect stdout, or give a file with -o".to_owned()).into())
        }
    }
}

fn file(path: &Path) -> anyhow::Result<Box<dyn Target>> {
    Ok(Box::new(Output::file(path).with_context(|| target::name(path))?))
}

fn tables<R: Rows + 'static>(
    args: &ExportArgs,
    extension: &str,
    is_text: bool,
) -> anyhow::Result<Box<dyn Sink + Send>> {
    let outputs = match (args.table, &args.output) {
        (Some(table), _) => vec![(table.into(), one(args, is_text)?)],
        (None, Some(folder)) if !is_dash(folder) => {
            fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
            let output =
                |table: Table| Ok((table, file(&folder.join(format!("{}.{extension}", table.name())))?));
            Table::ALL.into_iter().map(output).collect::<anyhow::Result<_>>()?
        }
        (None, _) => {
            return Err(Usage(
                "which table? --table chooses one, -o names a folder for all three".to_owned(),
            )
            .into());
        }
    };
    Ok(Box::new(Tables::new::<R>(outputs).context("the export")?))
}
