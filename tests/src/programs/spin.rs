//! `spin`: keeps its processor busy, so that nothing of lower precedence runs there, until it is killed.
//!
//! `--cpu N` and `--fifo P` say where and with what precedence. Says `ready` first. Ends by itself after half a minute: a
//! processor that is never given up ends the whole guest.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Arguments, die_with_parent, say_ready, scheduling};

const AT_MOST: Duration = Duration::from_secs(30);

pub(super) fn main(mut arguments: Arguments) -> Result<()> {
    die_with_parent()?;
    // What is said goes through a pipe, and the reader may be kept waiting otherwise.
    say_ready("")?;
    scheduling::obey(&mut arguments)?;
    arguments.end()?;
    let started = Instant::now();
    while started.elapsed() < AT_MOST {
        std::hint::spin_loop();
    }
    Ok(())
}
