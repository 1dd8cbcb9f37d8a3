//! Samples of the state of memory.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::model::sample::{Item, Look, Psi, Sample};

use super::NameJson;

/// One sample. What the kernel does not tell is `null`.
pub(super) struct SampleJson<'a>(pub(super) &'a Sample);

impl Serialize for SampleJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(sample) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("boot_ns", &sample.boot_ns)?;
        for (item, _) in Item::ALL {
            map.serialize_entry(name(item), &sample.bytes(item))?;
        }
        map.serialize_entry("psi_some", &sample.some.map(PsiJson::from))?;
        map.serialize_entry("psi_full", &sample.full.map(PsiJson::from))?;
        map.serialize_entry("cgroups", &sample.cgroups.as_ref().map(LookJson::from))?;
        map.end()
    }
}

fn name(item: Item) -> &'static str {
    match item {
        Item::MemTotal => "mem_total_bytes",
        Item::MemFree => "mem_free_bytes",
        Item::MemAvailable => "mem_available_bytes",
        Item::Buffers => "buffers_bytes",
        Item::Cached => "cached_bytes",
        Item::AnonPages => "anon_pages_bytes",
        Item::Shmem => "shmem_bytes",
        Item::SReclaimable => "s_reclaimable_bytes",
        Item::SUnreclaim => "s_unreclaim_bytes",
        Item::PageTables => "page_tables_bytes",
        Item::SwapTotal => "swap_total_bytes",
        Item::SwapFree => "swap_free_bytes",
        Item::SwapCached => "swap_cached_bytes",
        Item::Dirty => "dirty_bytes",
        Item::Writeback => "writeback_bytes",
    }
}

#[derive(Serialize)]
struct PsiJson {
    avg10: f64,
    avg60: f64,
    avg300: f64,
    total_us: u64,
}

impl From<Psi> for PsiJson {
    fn from(psi: Psi) -> Self {
        let percent = |hundredths: u32| f64::from(hundredths) / 100.0;
        Self {
            avg10: percent(psi.avg10),
            avg60: percent(psi.avg60),
            avg300: percent(psi.avg300),
            total_us: psi.total_us,
        }
    }
}

#[derive(Serialize)]
struct LookJson<'a> {
    top: Vec<UsageJson<'a>>,
    cut: bool,
}

#[derive(Serialize)]
struct UsageJson<'a> {
    id: u64,
    path: NameJson<'a>,
    usage_bytes: u64,
    limit_bytes: Option<u64>,
}

impl<'a> From<&'a Look> for LookJson<'a> {
    fn from(look: &'a Look) -> Self {
        let usage = look.top.iter().map(|usage| UsageJson {
            id: usage.id,
            path: NameJson::from(&*usage.path),
            usage_bytes: usage.usage_bytes,
            limit_bytes: usage.limit_bytes,
        });
        Self { top: usage.collect(), cut: look.cut }
    }
}
