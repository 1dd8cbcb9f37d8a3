//! The situation around a choice, against the kernel's report of it.
//!
//! What cannot change between the two readings has to be equal. Counters go on changing: oomtrace reads them at the entry of
//! `oom_kill_process()`, the kernel prints them a little later, and the other CPUs go on. Each may fold what it has gathered of a
//! counter (125 pages at most, the limit of `calculate_normal_threshold()`) or move a batch of free pages (63) meanwhile.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::view::Episode;
use crate::oracle::details::{Details, Values, Zone};
use crate::oracle::formula::PAGE_BYTES;

/// Pages that a counter may move for each CPU: a threshold and a batch, and the same once more in the other direction.
const MOVES: i64 = 2 * (125 + 63);

/// Kilobytes in a page.
const PAGE_KB: i64 = (PAGE_BYTES / 1024).cast_signed();

/// Lists that pages go to and fro between.
const AGED: [[&str; 2]; 2] = [["active_anon", "inactive_anon"], ["active_file", "inactive_file"]];

fn is_aged(key: &str) -> bool {
    AGED.as_flattened().contains(&key)
}

/// Gathers differences.
pub struct Comparison {
    /// What differs, in words.
    pub differences: Vec<String>,
    /// How many values were compared.
    pub compared: usize,
    tolerance: i64,
}

impl Comparison {
    /// For this guest.
    pub fn new() -> Result<Self> {
        let cpus = i64::try_from(std::thread::available_parallelism()?.get())?;
        Ok(Self { differences: Vec::new(), compared: 0, tolerance: MOVES * cpus })
    }

    fn pages(&mut self, what: &str, ours: Option<i64>, kernels: i64, tolerance: i64) {
        self.compared += 1;
        if ours.is_none_or(|ours| (ours - kernels).abs() > tolerance) {
            self.differences.push(format!("{what}: {ours:?}, and {kernels} by the kernel"));
        }
    }

    /// A value that cannot change.
    pub fn constant(&mut self, what: &str, ours: Option<i64>, kernels: i64) {
        self.pages(what, ours, kernels, 0);
    }

    /// A value that moves.
    pub fn moving(&mut self, what: &str, ours: Option<i64>, kernels: i64) {
        self.pages(what, ours, kernels, self.tolerance);
    }

    /// CPU, taint, node masks, cpuset.
    pub fn situation(&mut self, episode: &Episode, kernels: &Details) -> Result<()> {
        let ours = &episode.json["situation"];
        self.constant("CPU", ours["cpu"].as_i64(), kernels.cpu.context("the report names no CPU")?);
        let tainted = kernels.tainted.context("the report does not tell of taint")?;
        let said = ours["tainted"].as_u64().map(|mask| i64::from(mask != 0));
        self.constant("tainted", said, i64::from(tainted));
        let nodemask = match ours["nodemask_set"].as_bool() {
            Some(true) => list(&ours["nodemask"])?,
            Some(false) => "(null)".to_owned(),
            None => "unknown".to_owned(),
        };
        let cpuset = ours["cpuset"].as_str().unwrap_or("unknown").to_owned();
        for (what, ours, kernels) in [
            ("nodemask", nodemask, &kernels.nodemask),
            ("cpuset", cpuset, &kernels.cpuset),
            ("mems_allowed", list(&ours["mems_allowed"])?, &kernels.mems_allowed),
        ] {
            self.compared += 1;
            if Some(&ours) != kernels.as_ref() {
                self.differences.push(format!("{what}: {ours}, and {kernels:?} by the kernel"));
            }
        }
        Ok(())
    }

    /// Everything below `Mem-Info:` that has a field.
    pub fn memory(&mut self, episode: &Episode, kernels: &Details) -> Result<()> {
        let ours = &episode.json["memory"];
        for (key, &pages) in &kernels.machine {
            let field = format!("{key}_pages");
            // Pages on the lists of the CPUs: not captured.
            if key != "free_pcp" && !is_aged(key) {
                ensure!(ours.get(&field).is_some(), "the report has {key}, and there is no {field}");
                // Kernels that do not bounce any more still print a 0, of no counter.
                if key == "bounce" && ours[&field].is_null() && pages == 0 {
                    continue;
                }
                self.moving(&field, ours[&field].as_i64(), pages);
            }
        }
        self.aged("machine", |key| ours[format!("{key}_pages")].as_i64(), &kernels.machine, 1)?;
        ensure!(kernels.machine.len() > 12, "only {:?} below Mem-Info", kernels.machine);
        for (words, field, unit) in [
            ("pages RAM", "ram_pages", 1),
            ("pages HighMem/MovableOnly", "highmem_pages", 1),
            ("pages reserved", "reserved_pages", 1),
            ("Total swap", "swap_total_pages", PAGE_KB),
        ] {
            let kernels = kernels.totals.get(words).with_context(|| format!("the report has no {words}"))?;
            self.constant(field, ours[field].as_i64().map(|pages| pages * unit), *kernels);
        }
        for (words, field) in [("pages cma reserved", "cma_pages"), ("pages hwpoisoned", "hwpoisoned_pages")]
        {
            if let Some(kernels) = kernels.totals.get(words) {
                self.constant(field, ours[field].as_i64(), *kernels);
            }
        }
        for (words, field, unit) in
            [("total pagecache pages", "pagecache_pages", 1), ("Free swap", "swap_free_pages", PAGE_KB)]
        {
            let kernels = kernels.totals.get(words).with_context(|| format!("the report has no {words}"))?;
            self.moving(field, ours[field].as_i64(), *kernels / unit);
        }
        self.nodes(ours, kernels)?;
        ensure!(!kernels.zones.is_empty(), "the report has no zones");
        let zones = ours["zones"].as_array().context("zones is no list")?;
        let populated = i64::try_from(zones.len())?;
        self.constant("zones", Some(populated), i64::try_from(kernels.zones.len())?);
        for theirs in &kernels.zones {
            let found = zones
                .iter()
                .find(|zone| zone["node"] == theirs.node && zone["zone"] == theirs.name.as_str())
                .with_context(|| format!("there is no zone {} of node {}", theirs.name, theirs.node))?;
            self.zone(found, theirs)?;
        }
        Ok(())
    }

    /// The lists of active and inactive pages. kswapd on another CPU moves thousands of pages from one to the other meanwhile, so
    /// that it is their sum that stays; each has to be known.
    fn aged(
        &mut self,
        what: &str,
        ours: impl Fn(&str) -> Option<i64>,
        kernels: &Values,
        unit: i64,
    ) -> Result<()> {
        for [active, inactive] in AGED {
            let kernels =
                |key| kernels.get(key).with_context(|| format!("the report has no {key} of {what}"));
            let sum = ours(active).zip(ours(inactive)).map(|(active, inactive)| active + inactive);
            let kernels = (kernels(active)? + kernels(inactive)?) / unit;
            self.moving(&format!("{what}: {active} and {inactive}"), sum, kernels);
        }
        Ok(())
    }

    fn nodes(&mut self, ours: &Value, kernels: &Details) -> Result<()> {
        ensure!(!kernels.nodes.is_empty(), "the report has no nodes");
        for (node, values) in &kernels.nodes {
            let nodes = ours["nodes"].as_array().context("nodes is no list")?;
            let found = nodes
                .iter()
                .find(|found| found["node"] == *node)
                .with_context(|| format!("there is no node {node}"))?;
            let counter = |key: &str| found["stats"][format!("NR_{}", key.to_uppercase())].as_i64();
            self.aged(&format!("node {node}"), counter, values, PAGE_KB)?;
            for (item, key) in [
                ("NR_UNEVICTABLE", "unevictable"),
                ("NR_FILE_MAPPED", "mapped"),
                ("NR_FILE_DIRTY", "dirty"),
                ("NR_WRITEBACK", "writeback"),
                ("NR_SHMEM", "shmem"),
            ] {
                let kb =
                    values.get(key).with_context(|| format!("node {node} has no {key} in the report"))?;
                self.moving(&format!("node {node} {key}"), found["stats"][item].as_i64(), kb / PAGE_KB);
            }
            let kb = values.get("kernel_stack").context("a node has no kernel_stack in the report")?;
            let ours = found["stats"]["NR_KERNEL_STACK_KB"].as_i64();
            self.moving(&format!("node {node} kernel_stack"), ours.map(|kb| kb / PAGE_KB), kb / PAGE_KB);
        }
        Ok(())
    }

    fn zone(&mut self, ours: &Value, theirs: &Zone) -> Result<()> {
        let of = |key: &str| {
            let kb = theirs.values.get(key);
            kb.copied().with_context(|| format!("zone {} has no {key} in the report", theirs.name))
        };
        let pages = |field: &str| ours[field].as_i64();
        let name = |what: &str| format!("zone {} {what}", theirs.name);
        // The kernel prints what it goes by: the boost is added.
        let boost = pages("boost_pages");
        for (key, field) in [("min", "min_pages"), ("low", "low_pages"), ("high", "high_pages")] {
            let sum = pages(field).zip(boost).map(|(pages, boost)| pages + boost);
            self.constant(&name(key), sum.map(|pages| pages * PAGE_KB), of(key)?);
        }
        for (key, field) in [("present", "present_pages"), ("managed", "managed_pages")] {
            self.constant(&name(key), pages(field).map(|pages| pages * PAGE_KB), of(key)?);
        }
        if theirs.values.contains_key("boost") {
            self.constant(&name("boost"), boost.map(|pages| pages * PAGE_KB), of("boost")?);
        }
        self.moving(&name("free"), pages("free_pages"), of("free")? / PAGE_KB);
        let highatomic = pages("reserved_highatomic_pages");
        self.moving(&name("reserved_highatomic"), highatomic, of("reserved_highatomic")? / PAGE_KB);
        let counter = |key: &str| ours["stats"][format!("NR_ZONE_{}", key.to_uppercase())].as_i64();
        self.aged(&name("lists"), counter, &theirs.values, PAGE_KB)?;
        for (key, item) in [
            ("unevictable", "NR_ZONE_UNEVICTABLE"),
            ("writepending", "NR_ZONE_WRITE_PENDING"),
            ("mlocked", "NR_MLOCK"),
        ] {
            self.moving(&name(key), ours["stats"][item].as_i64(), of(key)? / PAGE_KB);
        }
        let reserve = numbers(&ours["lowmem_reserve_pages"])?;
        ensure!(!reserve.is_empty(), "zone {} has no lowmem_reserve_pages", theirs.name);
        self.compared += 1;
        if reserve != theirs.lowmem_reserve {
            let kernels = &theirs.lowmem_reserve;
            self.differences.push(format!("{}: {reserve:?}, and {kernels:?} by the kernel", name("reserve")));
        }
        let blocks = numbers(&ours["free_blocks"])?;
        let sum = |blocks: &[i64]| blocks.iter().enumerate().map(|(order, count)| count << order).sum();
        let orders = i64::try_from(blocks.len())?;
        self.constant(&name("orders"), Some(orders), i64::try_from(theirs.blocks.len())?);
        self.moving(&name("free blocks"), Some(sum(&blocks)), sum(&theirs.blocks));
        Ok(())
    }
}

/// A list of node numbers, as `%*pbl` prints it.
fn list(nodes: &Value) -> Result<String> {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for node in numbers(nodes)? {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == node => *last = node,
            _ => ranges.push((node, node)),
        }
    }
    let range = |(first, last): (i64, i64)| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    Ok(ranges.into_iter().map(range).collect::<Vec<_>>().join(","))
}

fn numbers(list: &Value) -> Result<Vec<i64>> {
    let list = list.as_array().with_context(|| format!("not a list: {list}"))?;
    list.iter().map(|number| number.as_i64().with_context(|| format!("not a number: {number}"))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::list;

    #[test]
    fn lists_are_the_kernels() {
        for (nodes, text) in [(json!([0]), "0"), (json!([0, 1, 3]), "0-1,3"), (json!([]), "")] {
            assert_eq!(list(&nodes).unwrap(), text);
        }
        assert!(list(&json!(null)).is_err());
    }
}
