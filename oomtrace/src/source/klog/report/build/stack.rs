//! The call path without what the kernel adds by printing it.

use crate::model::Name;
use crate::model::evidence::Frame;

/// From the caller of `out_of_memory()` outwards: what lies within is how the kernel prints.
pub(super) fn outwards(frames: &[Frame]) -> &[Frame] {
    let inner =
        [&b"out_of_memory"[..], b"__out_of_memory", b"pagefault_out_of_memory", b"mem_cgroup_out_of_memory"];
    let is = |frame: &Frame, names: &[&[u8]]| {
        // A part that the compiler has split off (`.cold`) goes by the name of the whole.
        let whole = |function: &Name| {
            names.contains(&function.split(|&byte| byte == b'.').next().unwrap_or_default())
        };
        frame.function.as_ref().is_some_and(whole)
    };
    // The last one within: a trampoline of a tracer puts the function there twice.
    let last = frames.iter().rposition(|frame| is(frame, &inner[..2]));
    let last = last.or_else(|| {
        let printing = [
            &b"dump_header"[..],
            b"oom_kill_process",
            b"dump_stack",
            b"dump_stack_lvl",
            b"show_stack",
            b"moom_callback",
        ];
        frames.iter().rposition(|frame| is(frame, &printing[..5]))
    });
    let mut outer = last.map_or(frames, |last| &frames[last + 1..]);
    // A tracer's, between the function and its caller.
    while let Some((first, rest)) = outer.split_first()
        && first.function.as_ref().is_some_and(|function| function.starts_with(b"bpf_trampoline"))
    {
        outer = rest;
    }
    outer
}
