//! What a report says beside the choice: CPU, call trace, state of memory, a memcg's counters, masks.
//!
//! Read without rigour, unlike the rest of a report: lines that are not known are passed over, because kernels add to them;
//! a scenario names what has to be there.

use std::collections::BTreeMap;

/// Values by the kernel's own names, in the kernel's own units: pages, or kB where the line says so.
pub type Values = BTreeMap<String, i64>;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// CPU of the trigger.
    pub cpu: Option<i64>,
    /// Whether the kernel is tainted.
    pub tainted: Option<bool>,
    /// `Call Trace:` (on arm64 `Call trace:`), innermost first.
    pub trace: Vec<TraceLine>,
    /// The first lines below `Mem-Info:`, pages.
    pub machine: Values,
    /// The totals at its end under their words: `pages RAM`, `Free swap`; pages, swap in kB.
    pub totals: Values,
    /// `Node N`, by number, kB.
    pub nodes: BTreeMap<i64, Values>,
    /// `Node N ZONE`.
    pub zones: Vec<Zone>,
    /// `Memory cgroup stats for`.
    pub memcg: Values,
    /// `nodemask=` of the `oom-kill:` line.
    pub nodemask: Option<String>,
    /// `cpuset=`
    pub cpuset: Option<String>,
    /// `mems_allowed=`
    pub mems_allowed: Option<String>,
    section: Section,
}

/// A line of the call trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceLine {
    /// `function+0xOFFSET/0xSIZE`, without the module.
    pub place: String,
    /// The kernel vouches for it: no question mark.
    pub reliable: bool,
}

/// A zone of `Mem-Info`.
#[derive(Clone, Debug, Default)]
pub struct Zone {
    /// Its node.
    pub node: i64,
    /// Its name.
    pub name: String,
    /// kB.
    pub values: Values,
    /// `lowmem_reserve[]`, pages.
    pub lowmem_reserve: Vec<i64>,
    /// Free blocks of each order.
    pub blocks: Vec<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Section {
    #[default]
    Outside,
    Trace,
    Memory,
    Memcg,
}

impl Details {
    /// Takes a message of the report.
    pub fn take(&mut self, message: &[u8]) {
        // Older kernels print several lines at once.
        for line in String::from_utf8_lossy(message).lines() {
            self.line(line);
        }
    }

    fn line(&mut self, line: &str) {
        match line {
            _ if line.starts_with("CPU: ") && self.cpu.is_none() => {
                self.cpu = after(line, "CPU: ");
                self.tainted = Some(!line.contains(" Not tainted "));
            }
            "Call Trace:" | "Call trace:" if self.trace.is_empty() => self.section = Section::Trace,
            "Mem-Info:" => self.section = Section::Memory,
            _ if line.starts_with("Memory cgroup stats for ") => self.section = Section::Memcg,
            _ if line.starts_with("Tasks state ") => self.section = Section::Outside,
            _ if line.starts_with("oom-kill:") => self.masks(line),
            _ => self.within(line),
        }
    }

    fn within(&mut self, line: &str) {
        match self.section {
            Section::Outside => {}
            Section::Trace => match line.strip_prefix(' ') {
                Some(frame) => self.frame(frame.trim()),
                None => self.section = Section::Outside,
            },
            Section::Memory => self.memory(line),
            Section::Memcg => {
                if let Some((name, value)) = line.split_once(' ')
                    && let Ok(value) = value.parse()
                {
                    self.memcg.insert(name.to_owned(), value);
                }
            }
        }
    }

    fn frame(&mut self, frame: &str) {
        let (frame, reliable) = match frame.strip_prefix("? ") {
            Some(frame) => (frame, false),
            None => (frame, true),
        };
        let place = frame.split(' ').next().unwrap_or_default();
        // The others name the stack that begins or ends here.
        if place.contains("+0x") {
            self.trace.push(TraceLine { place: place.to_owned(), reliable });
        }
    }

    fn memory(&mut self, line: &str) {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("Node ") {
            self.node(rest);
        } else if let Some(rest) = line.strip_prefix("lowmem_reserve[]:") {
            if let Some(zone) = self.zones.last_mut() {
                zone.lowmem_reserve = rest.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            }
        } else if let Some((words, kb)) = line.split_once('=') {
            if let Ok(kb) = kb.trim().trim_end_matches("kB").parse() {
                self.totals.insert(words.trim().to_owned(), kb);
            }
        } else if let Some((number, words)) = line.split_once(' ')
            && let Ok(number) = number.parse()
        {
            self.totals.insert(words.to_owned(), number);
        } else {
            self.machine.extend(pairs(line));
        }
    }

    /// `0 active_anon:1kB …`, `0 DMA free:1kB …`, `0 DMA: 1*4kB …`, `0 hugepages_total=1 …`.
    fn node(&mut self, rest: &str) {
        let Some((node, rest)) = rest.split_once(' ') else { return };
        let Ok(node) = node.parse() else { return };
        let (word, others) = rest.split_once(' ').unwrap_or((rest, ""));
        if let Some(name) = word.strip_suffix(':') {
            let blocks = others.split_whitespace().take_while(|word| *word != "=");
            let blocks = blocks.filter_map(|word| word.split_once('*')?.0.parse().ok()).collect();
            if let Some(zone) = self.zones.iter_mut().find(|zone| zone.node == node && zone.name == name) {
                zone.blocks = blocks;
            }
        } else if word.contains(':') {
            self.nodes.insert(node, pairs(rest).collect());
        } else if !word.contains('=') {
            let values = pairs(others).collect();
            self.zones.push(Zone { node, name: word.to_owned(), values, ..Zone::default() });
        }
    }

    fn masks(&mut self, line: &str) {
        self.section = Section::Outside;
        let word = |key: &str| {
            let (_, rest) = line.split_once(key)?;
            Some(rest.to_owned())
        };
        let end = |rest: String, next: &str| rest.split_once(next).map(|(value, _)| value.to_owned());
        self.nodemask = word("nodemask=").and_then(|rest| end(rest, ",cpuset="));
        self.cpuset = word(",cpuset=").and_then(|rest| end(rest, ",mems_allowed="));
        self.mems_allowed = word(",mems_allowed=")
            .and_then(|rest| end(rest.clone(), ",global_oom").or_else(|| end(rest, ",oom_memcg=")));
    }
}

/// `name:1kB other: 2kB`: some kernels put a space in between.
fn pairs(line: &str) -> impl Iterator<Item = (String, i64)> {
    let mut words = line.split_whitespace();
    std::iter::from_fn(move || {
        loop {
            let (name, value) = words.next()?.rsplit_once(':')?;
            let value = if value.is_empty() { words.next()? } else { value };
            if let Ok(value) = value.trim_end_matches(['k', 'K', 'B']).parse() {
                return Some((name.to_owned(), value));
            }
        }
    })
}

/// The number behind `key`.
fn after(line: &str, key: &str) -> Option<i64> {
    let (_, rest) = line.split_once(key)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests;
