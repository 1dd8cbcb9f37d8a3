//! Any bytes as a kernel's log: from lines to explained episodes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use oomtrace::assemble::Assembler;
use oomtrace::explain::explain;
use oomtrace::model::{Observation, SourceKind};
use oomtrace::source::klog::{Assumed, Klog, Lines};

fuzz_target!(|log: &[u8]| {
    let assumed = Assumed { utc_offset_seconds: 0, latest_unix_seconds: 1_795_000_000 };
    let mut klog = Klog::new(SourceKind::Import, assumed);
    let Ok(mut lines) = Lines::new(log) else { return };
    let mut observations = Vec::new();
    while let Ok(Some(line)) = lines.next_line(klog.in_report()) {
        klog.line(line, &mut observations);
    }
    klog.finish(&mut observations);
    let mut observations = observations.into_iter();
    let Some(Observation::Origin(info)) = observations.next() else { return };
    let mut assembler = Assembler::new(&info);
    let mut episodes: Vec<_> = observations.flat_map(|observation| assembler.push(observation)).collect();
    episodes.extend(assembler.finish());
    for episode in &episodes {
        let _ = explain(episode, &info, &[]);
    }
});
