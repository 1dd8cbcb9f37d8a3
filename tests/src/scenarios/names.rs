//! Names of any bytes: the JSON stays valid and loses nothing.

use anyhow::{Context as _, Result, ensure};

use super::common::{MIB, only_episode};
use crate::harness::bytes::to_hex;
use crate::harness::cgroup::Cgroup;
use crate::harness::compare::{self, Basis};
use crate::harness::process::{Launch, Running};
use crate::harness::stage::Stage;
use crate::oracle::formula::PAGE_BYTES;

/// The kernel keeps 15 bytes of a name.
const KEPT: usize = 15;

const NAMES: &[&[u8]] = &[
    b"two words",
    b" leads with one",
    b"trails ",
    b"(sd-pam)",
    b"a) total-vm:1kB",
    b"new\nline",
    b"tab\tand\rreturn",
    b"br]ack[et",
    b"quote\"'s",
    b"back\\slash\\x41",
    b"\xff\xfe\x80latin\xe9",
    "né☃".as_bytes(),
    // Sixteen bytes: the kernel cuts the last letter in two.
    "12345678901234é".as_bytes(),
    b"\x1b[31mred",
    b"\x7f\x01",
    b"{\"type\":\"end\"}",
    b"task=a,pid=1,b",
    b"",
];

pub(super) fn run(stage: &Stage) -> Result<()> {
    let cgroup = Cgroup::new("names")?;
    let sleepers = NAMES.iter().map(|name| named(name, &[], &cgroup)).collect::<Result<Vec<_>>>()?;
    let hog_name = b"b\xe4d \"h)o\ng";
    let mut hog = named(hog_name, &["--hog", "--adj", "1000"], &cgroup)?;
    let totalpages = cgroup.limit_above_usage(4 * MIB)? / PAGE_BYTES;
    let watch = stage.watch(&[])?;
    hog.go()?;
    watch.await_episode("of the named", |episode| episode.is_of(cgroup.path()))?;
    hog.wait()?;
    let lines = watch.end_json(0)?;

    let episode = only_episode(&lines)?;
    for (name, sleeper) in NAMES.iter().zip(&sleepers) {
        let kept = &name[..name.len().min(KEPT)];
        let candidate = episode.candidate(sleeper.pid()).context("a sleeper is no candidate")?;
        let shown = &candidate.task.comm;
        ensure!(shown == kept, "{} came out as {}", kept.escape_ascii(), shown.escape_ascii());
    }
    let victim = &episode.victims.first().context("there is no victim")?.task.comm;
    ensure!(victim == hog_name, "the victim came out as {}", victim.escape_ascii());
    let report = stage.report("of the named", |report| report.is_of(cgroup.path()))?;
    compare::with_report(episode, &report, &Basis::new(totalpages)?)
}

fn named(name: &[u8], options: &[&str], cgroup: &Cgroup) -> Result<Running> {
    let hex = if name.is_empty() { "-".to_owned() } else { to_hex(name) };
    Ok(Launch::guest("named")?.args(options).arg(hex).inside(cgroup).start_ready()?.0)
}
