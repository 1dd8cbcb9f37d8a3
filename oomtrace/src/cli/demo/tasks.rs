//! The processes of the demonstration: this program again, as `demo-task`, inside the throw-away cgroup.
//!
//! Each enters the cgroup itself, takes a name and an `oom_score_adj`, touches its memory, says so, and stays.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, bail};

use crate::exit::Exit;

use super::memcg::Memcg;
use crate::cli::args::DemoTaskArgs;

/// Name, MiB to begin with, and `oom_score_adj`.
const STEADY: [(&str, usize, i32); 3] = [("web", 3, 0), ("build-cache", 8, 500), ("database", 14, -900)];
/// The one that grows.
const LEAK: &str = "leak";

/// The running processes; killed and reaped when dropped.
pub(super) struct Tasks(Vec<Child>);

impl Tasks {
    /// Starts them: the growing one last, once the others have their memory.
    pub(super) fn start(memcg: &Memcg) -> anyhow::Result<Self> {
        let mut tasks = Self(Vec::new());
        for (name, mib, adj) in STEADY {
            let mut child = spawn(memcg, name, mib, adj, false)?;
            let ready = child.stdout.take().context("no pipe")?.read(&mut [0]);
            tasks.0.push(child);
            if ready? == 0 {
                bail!("`{name}` ended before it had its memory");
            }
        }
        tasks.0.push(spawn(memcg, LEAK, 1, 0, true)?);
        Ok(tasks)
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Those that the OOM killer got are gone already.
            let _gone = child.kill();
            let _status = child.wait();
        }
    }
}

fn spawn(memcg: &Memcg, name: &str, mib: usize, adj: i32, grow: bool) -> anyhow::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.arg("demo-task").arg(memcg.path()).arg(name).arg(mib.to_string()).arg(format!("--adj={adj}"));
    if grow {
        command.arg("--grow");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.spawn().with_context(|| format!("cannot start `{name}`"))
}

/// What `demo-task` does. Ends only by being killed, or when it cannot enter the cgroup.
pub(in crate::cli) fn run(args: &DemoTaskArgs) -> anyhow::Result<Exit> {
    // First of all: outside of the cgroup it must not take memory.
    let procs = args.memcg.join("cgroup.procs");
    fs::write(&procs, "0").with_context(|| format!("cannot enter {}", procs.display()))?;
    let name = std::ffi::CString::new(args.name.clone()).context("a name cannot hold a NUL")?;
    rustix::thread::set_name(&name)?;
    // Lowering it takes a capability; without, the demonstration goes on with an unprotected database.
    let _unprotected = fs::write("/proc/self/oom_score_adj", args.adj.to_string());
    let mut memory = Vec::new();
    take(&mut memory, args.mib);
    io::stdout().write_all(b".")?;
    io::stdout().flush()?;
    loop {
        if args.grow {
            take(&mut memory, 1);
        } else {
            thread::sleep(Duration::from_secs(3600));
        }
    }
}

/// Takes memory and touches every page of it.
fn take(memory: &mut Vec<Vec<u8>>, mib: usize) {
    const PAGE: usize = 4096;
    for _ in 0..mib {
        let mut block = vec![0; 1 << 20];
        for byte in block.iter_mut().step_by(PAGE) {
            *byte = 1;
        }
        memory.push(block);
    }
}
