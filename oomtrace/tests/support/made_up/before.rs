//! The minutes before an OOM, as the heartbeat sees them.

use std::sync::Arc;

use oomtrace::model::sample::{CgroupUsage, Item, Look, Psi, Sample, Samples};
use oomtrace::model::{Name, Observation};

use super::{CONTAINER, KUBEPODS, MS, START, one_kill};

/// One container eats what there is, and a kill ends it.
pub fn minutes_before() -> Vec<Observation> {
    // The pass begins at 22.418 s; the last sample is 2.4 s before it.
    let end = START + 20_000 * MS;
    let times = (0..=120).map(|n| end - (120 - n) * 5000 * MS);
    let samples: Vec<Arc<Sample>> = times.zip(0..).map(|(ns, n)| Arc::new(sample(ns, n))).collect();
    // Handed on twice: what had been held back for long enough, and the rest.
    let (first, second) = samples.split_at(70);
    let samples = [first, second].map(|part| Observation::Samples(Samples(part.to_vec())));
    [samples.to_vec(), one_kill()].concat()
}

fn sample(boot_ns: u64, n: u64) -> Sample {
    let mut sample = Sample { boot_ns, ..Sample::default() };
    let mut set = |item: Item, kib: u64| sample.memory_kib[item as usize] = Some(kib);
    set(Item::MemTotal, 65_746_752);
    set(Item::MemFree, 20_000_000 - n * 160_000);
    set(Item::MemAvailable, 21_000_000 - n * 160_000);
    set(Item::Cached, 900_000);
    set(Item::AnonPages, 40_000_000 + n * 160_000);
    set(Item::Shmem, 1_200);
    set(Item::SwapTotal, 8_388_608);
    set(Item::SwapFree, 8_388_608 - n * 60_000);
    set(Item::Dirty, n % 3);
    // Kernels before 4.20 have no PSI; a line of meminfo may be missing on any.
    let avg = |n: u64| u32::try_from(n).unwrap_or(0);
    sample.some = Some(Psi {
        avg10: avg(n * 50),
        avg60: avg(n * 20),
        avg300: avg(n * 5),
        total_us: 40_960_614 + n * n * 300,
    });
    sample.full = Some(Psi {
        avg10: avg(n * 36),
        avg60: avg(n * 11),
        avg300: avg(n * 2),
        total_us: 12_010_970 + n * n * 200,
    });
    if n.is_multiple_of(6) {
        sample.cgroups = Some(Look { top: top(n), cut: n.is_multiple_of(12) });
    }
    sample
}

fn top(n: u64) -> Vec<CgroupUsage> {
    let usage = |id: u64, path: &[u8], usage_bytes: u64, limit_bytes| CgroupUsage {
        id,
        path: Arc::new(Name::from(path)),
        usage_bytes,
        limit_bytes,
    };
    vec![
        usage(90, b"/system.slice/postgresql.service", 9_663_676_416 + n * 4_096, None),
        usage(CONTAINER, b"/kubepods/pod\xff/9a1c", 100_000_000 + n * 3_500_000, Some(536_870_912)),
        usage(KUBEPODS, b"/kubepods", 104_857_600, Some(34_359_738_368)),
    ]
}
