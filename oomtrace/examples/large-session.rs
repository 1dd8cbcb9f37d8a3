//! Writes a large made-up session to stdout, to measure with:
//!
//! ```text
//! cargo run --release -p oomtrace --example large-session -- 50 20000 > large.oomtrace
//! ```
//!
//! Arguments: episodes (50), candidates of each (20,000), `zstd` to compress.

#[path = "../tests/support/large.rs"]
mod large;
#[path = "../tests/support/made_up.rs"]
mod made_up;

use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use oomtrace::session::{Compression, Writer};

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let mut number = |default| args.next().map_or(Ok(default), |arg| arg.parse().map_err(io::Error::other));
    let shape = large::Shape { episodes: number(50)?, candidates: number(20_000)? as usize };
    let compression = match args.next().as_deref() {
        Some("zstd") => Compression::Zstd,
        _ => Compression::None,
    };
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut writer = Writer::start(stdout, &large::info(), compression)?;
    let mut written = Ok(());
    large::each(shape, |observation| {
        if written.is_ok() {
            written = writer.observation(&observation);
        }
    });
    written?;
    writer.end(&large::end(shape)).map(drop)
}
