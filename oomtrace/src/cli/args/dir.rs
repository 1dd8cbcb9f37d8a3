//! Recording to a directory of files, of which the oldest go.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;

use super::values::duration;

/// Where to, and how much of it is kept.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Recording for years")]
pub struct DirArgs {
    /// Record to files in DIR, which is made if it is not there, one after the other; SIGHUP begins another one
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// No file is longer than SIZE (less than 1MiB: but for one large episode)
    #[arg(long, value_name = "SIZE", default_value = "64MiB", value_parser = file_size, requires = "dir")]
    pub max_size: ByteSize,
    /// Keep N files; the oldest go first, and those without an episode before all others
    #[arg(long, value_name = "N", default_value = "8", value_parser = clap::value_parser!(u16).range(2..), requires = "dir")]
    pub max_files: u16,
    /// Keep what is no older than TIME, counted from the newest record
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "dir")]
    pub max_age: Option<Duration>,
}

/// Shorter ones would have to be left in the middle of an episode.
const LEAST: ByteSize = ByteSize::kib(64);

fn file_size(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse()?;
    if size < LEAST { Err("not less than 64KiB".to_owned()) } else { Ok(size) }
}
