//! `oomtrace list`: the episodes of recordings, a line each.

use std::io::{self, Write};

use crate::exit::Exit;
use crate::sink::listing::Listing;
use crate::sink::{json, terminal};

use super::args::{Color, ListArgs};
use super::output;
use super::recordings::Recordings;
use super::replay::Pace;
use super::stream::{self, Wanted};

/// Runs the command.
pub(super) fn run(args: &ListArgs) -> anyhow::Result<Exit> {
    let recordings = Recordings::of(&args.files)?;
    let listing = Listing::default();
    let named = listing.clone();
    let wanted = Wanted {
        opening: Box::new(move |name| named.file(name)),
        ..Wanted::all(args.pick.with(&args.filter), Pace::max())
    };
    let (_, exit) = stream::show(recordings, "the list", Box::new(listing.clone()), wanted)?;
    let rows = listing.take();
    let mut out = io::stdout().lock();
    if args.json {
        for row in &rows {
            out.write_all(&json::listed(row).map_err(io::Error::from)?)?;
        }
    } else {
        let options = output::text_options(Color::Never, false);
        out.write_all(terminal::list(&rows, options).as_bytes())?;
    }
    out.flush()?;
    Ok(exit)
}
