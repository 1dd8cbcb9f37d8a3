//! `fill FILE MB`: writes MB mebibytes of zeros to FILE and then says `ready` and how the last write ended.
//!
//! On tmpfs the pages are charged inside `write()`, which can fail: unlike a page fault, which the kernel would retry for ever
//! when nobody can be killed. `--adj A` sets its `oom_score_adj`. It stays alive afterwards.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::{Arguments, die_with_parent, park, say_ready, set_adj};

pub(super) fn main(mut arguments: Arguments) -> Result<()> {
    let adj = arguments.option("--adj")?;
    let path: PathBuf = arguments.next("FILE")?;
    let megabytes: usize = arguments.next("MB")?;
    arguments.end()?;
    die_with_parent()?;
    set_adj(adj)?;
    let mut file = File::create(&path).with_context(|| format!("failed to create {}", path.display()))?;
    let block = vec![0; 64 * 1024];
    let mut verdict = "complete".to_owned();
    for _ in 0..megabytes * 16 {
        if let Err(error) = file.write_all(&block) {
            // The name and not the number: ENOMEM and ENOSPC are different stories for whoever reads the test's output.
            verdict = error.to_string();
            break;
        }
    }
    // Room again: what is said goes through a pipe, whose pages are charged as well.
    file.set_len(0).with_context(|| format!("failed to empty {}", path.display()))?;
    say_ready(&verdict)?;
    park();
}
