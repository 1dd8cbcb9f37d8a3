//! Writes what a package of oomtrace has beside the program: man pages ([`man`]) and completions for shells ([`completions`]).
//!
//! Both follow from the definition of the command line, which is the library's. They are made by this program and not by the
//! build of oomtrace, so that neither the generators nor their output are in what is shipped.

mod completions;
mod man;

use std::path::PathBuf;

use clap::{CommandFactory as _, Parser};

/// Writes oomtrace's man pages and completions
#[derive(Parser)]
struct Args {
    /// Where to: DIR/man and DIR/completions, which are made anew
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// What the pages say they are of, as YYYY-MM-DD
    #[arg(long, value_name = "DATE", default_value = "")]
    date: String,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    man::write(&command(), &args.date, &args.dir.join("man"))?;
    completions::write(&command(), &args.dir.join("completions"))
}

/// oomtrace's command line.
fn command() -> clap::Command {
    oomtrace::cli::args::Args::command()
}
