//! A call path, against the `Call Trace:` of the kernel's report.

use anyhow::{Context as _, Result, ensure};

use super::release;
use super::stage::Flavour;
use super::view::Episode;
use crate::oracle::details::{Details, TraceLine};

/// The names of the frames, once they have been found to be the kernel's.
///
/// The kernel's trace is taken further inside: what comes before the caller of `out_of_memory()` is left away, and so is the code by
/// which BPF is called. Lines with a question mark are what lies on the stack and was not called from there.
pub fn compared(episode: &Episode, kernels: &Details, flavour: Flavour) -> Result<Vec<String>> {
    let stack = episode.json["trigger"]["stack"].as_array().context("there is no call path")?;
    let mut names = Vec::new();
    let mut ours = Vec::new();
    for frame in stack {
        let name = frame["function"].as_str().with_context(|| format!("a frame has no name: {frame}"))?;
        let number =
            |key: &str| frame[key].as_u64().with_context(|| format!("a frame has no {key}: {frame}"));
        ours.push(format!("{name}+{:#x}/{:#x}", number("offset")?, number("size")?));
        names.push(name.to_owned());
    }
    ensure!(ours.len() >= 4, "the call path has only {ours:?}");
    ensure!(episode.json["trigger"]["stack_cut"] == false, "the call path is cut");
    let theirs = outside(&kernels.trace)?;
    if flavour == Flavour::Kprobe && release::is_before(5, 15)? {
        // The kernel cannot see past a return probe there, which has replaced the first return address.
        let mut rest = theirs.iter();
        for place in ours.iter().skip(1) {
            let found = rest.any(|line| line.place == *place);
            ensure!(found, "{place} of {ours:#?} is not in the kernel's {theirs:#?}");
        }
    } else {
        let mut theirs: Vec<&str> =
            theirs.iter().filter(|line| line.reliable).map(|line| line.place.as_str()).collect();
        // Later kernels see past it, yet print it in the place of the address that it has replaced.
        if flavour == Flavour::Kprobe
            && let (Some(first), Some(replaced)) = (ours.first(), theirs.first_mut())
        {
            *replaced = first;
        }
        ensure!(ours == theirs, "the call path is {ours:#?}, and {theirs:#?} by the kernel");
    }
    Ok(names)
}

/// The lines outside of `out_of_memory()`, without BPF's.
fn outside(trace: &[TraceLine]) -> Result<Vec<&TraceLine>> {
    let is_it = |line: &TraceLine| line.place.split(['+', '.']).next() == Some("out_of_memory");
    let last = trace.iter().rposition(is_it).with_context(|| format!("not in an OOM: {trace:#?}"))?;
    Ok(trace.iter().skip(last + 1).filter(|line| !line.place.starts_with("bpf_")).collect())
}
