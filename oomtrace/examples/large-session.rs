//! Writes a large made-up session to stdout, to measure with:
//!
//! ```text
//! cargo run --release -p oomtrace --example large-session -- 50 20000 > large.oomtrace
//! ```
//!
//! Arguments: episodes (50), candidates of each (20,000).

#[path = "../tests/support/large.rs"]
mod large;
#[path = "../tests/support/made_up.rs"]
mod made_up;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use oomtrace::session::Writer;

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>().map_err(io::Error::other));
    let episodes = args.next().transpose()?.unwrap_or(50);
    let candidates = args.next().transpose()?.unwrap_or(20_000);
    let candidates = usize::try_from(candidates).map_err(io::Error::other)?;
    let shape = large::Shape { episodes, candidates };
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut writer = Writer::start(stdout, &large::info())?;
    let mut written = Ok(());
    large::each(shape, |observation| {
        if written.is_ok() {
            written = writer.observation(&observation);
        }
    });
    written?;
    writer.end(&large::end(shape)).map(drop)
}
