//! The release of the running kernel.

use anyhow::{Context as _, Result, bail};

/// Major and minor number.
pub fn numbers() -> Result<(u32, u32)> {
    let release =
        std::fs::read_to_string("/proc/sys/kernel/osrelease").context("failed to read the release")?;
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => bail!("not a release: {release}"),
    }
}

/// Whether it is older than this one.
pub fn is_before(major: u32, minor: u32) -> Result<bool> {
    Ok(numbers()? < (major, minor))
}
