//! Symbols of the kernel: addresses of a few variables, split copies of the scorer, names for call paths.
//!
//! The kernel is asked for each of them by two small programs ([`program`]) where it can be (from 5.16 on): a list of all of its
//! symbols takes longer to print than all the rest of the start. Where it cannot, one pass over that list ([`text`]) finds
//! what is wanted at the start, and another one finds names when there is a call path to name. No table of names is kept.
//!
//! What `kernel.kptr_restrict` hides is hidden here too: without addresses there are no variables and no names.

use std::{cell::RefCell, collections::HashMap, fmt, io};

use super::hooks;
use crate::{
    decode::symbols::{Symbolizer, parse},
    model::evidence::Frame,
};

mod program;
mod text;

use program::Lookup;

/// Variables whose addresses are wanted.
const VARIABLES: [&str; 14] = [
    "tainted_mask",
    "nr_swap_pages",
    "total_swap_pages",
    "totalcma_pages",
    "num_poisoned_pages",
    "sysctl_panic_on_oom",
    "sysctl_oom_kill_allocating_task",
    "sysctl_oom_dump_tasks",
    "sysctl_overcommit_memory",
    "vm_swappiness",
    "node_data",
    "contig_page_data",
    "node_states",
    "mem_cgroup_stats_index",
];

/// The kernel's code is between these; `__init` functions, which are gone, and data are not.
const FIRST: &str = "_stext";
const LAST: &str = "_etext";

/// Names that are remembered. A machine has a few dozen ways into the OOM killer.
const CACHE: usize = 4096;

/// What was found at the start, and what gives names later.
#[derive(Debug)]
pub struct Symbols {
    /// Copies of the scorer that the compiler split off; see [`hooks::split_copy`].
    pub split_copies: Vec<String>,
    /// Variables.
    pub addresses: Addresses,
    /// For call paths; `None` where addresses are hidden.
    pub names: Option<Names>,
}

/// Addresses of the kernel's variables.
#[derive(Debug, Default)]
pub struct Addresses([Option<u64>; VARIABLES.len()]);

impl Addresses {
    /// The address of one; `None` when this kernel does not have it, or hides it.
    #[must_use]
    pub fn of(&self, variable: &str) -> Option<u64> {
        let index = VARIABLES.iter().position(|&name| name == variable)?;
        *self.0.get(index)?
    }
}

impl Symbols {
    /// Of the running kernel.
    ///
    /// # Errors
    /// When the kernel can neither be asked nor lists its symbols.
    pub fn find() -> io::Result<Self> {
        match Lookup::new().and_then(Self::asked) {
            Some(found) => Ok(found),
            None => Self::listed(text::List::open()?),
        }
    }

    /// By asking; `None` where the kernel does not answer.
    fn asked(lookup: Lookup) -> Option<Self> {
        let address = |name: &str| lookup.address(name).ok();
        let code = (address(FIRST)??, address(LAST)??);
        let mut addresses = Addresses::default();
        for (slot, variable) in addresses.0.iter_mut().zip(VARIABLES) {
            *slot = address(variable)?;
        }
        let split_copies =
            hooks::likely_split_copies().filter(|name| address(name).flatten().is_some()).collect();
        let names = Names { from: From::Program { lookup, code }, known: RefCell::default() };
        Some(Self { split_copies, addresses, names: Some(names) })
    }

    /// By one pass over the list of all symbols.
    fn listed(list: text::List) -> io::Result<Self> {
        let found = text::Start::read(list.rewound()?)?;
        let names = Names { from: From::Text(list), known: RefCell::default() };
        Ok(Self {
            split_copies: found.split_copies,
            addresses: Addresses(found.addresses),
            names: found.shows_addresses.then_some(names),
        })
    }
}

/// Gives names to addresses of kernel code, and remembers them.
pub struct Names {
    from: From,
    known: RefCell<HashMap<u64, Frame>>,
}

enum From {
    /// By asking, with the bounds of the kernel's own code.
    Program { lookup: Lookup, code: (u64, u64) },
    /// By a pass over the list of all symbols, which stays open: what it shows is decided when it is opened.
    Text(text::List),
}

impl Names {
    /// What the kernel is asked through, for people.
    #[must_use]
    pub fn source(&self) -> &'static str {
        match self.from {
            From::Program { .. } => "a BPF program",
            From::Text(_) => "/proc/kallsyms",
        }
    }

    fn find(&self, addresses: &[u64]) -> Vec<Frame> {
        match &self.from {
            From::Program { lookup, code } => {
                let frame = |&address: &u64| {
                    let inside = (code.0 + 1..=code.1).contains(&address);
                    lookup.name(address).ok().and_then(|text| parse(&text, inside)).unwrap_or_default()
                };
                addresses.iter().map(frame).collect()
            }
            From::Text(list) => list
                .rewound()
                .and_then(|list| text::frames(list, addresses))
                .unwrap_or_else(|_| vec![Frame::default(); addresses.len()]),
        }
    }
}

impl Symbolizer for Names {
    fn frames(&self, addresses: &[u64]) -> Vec<Frame> {
        let mut known = self.known.borrow_mut();
        let mut missing: Vec<u64> =
            addresses.iter().copied().filter(|address| !known.contains_key(address)).collect();
        missing.sort_unstable();
        missing.dedup();
        if !missing.is_empty() {
            if known.len() + missing.len() > CACHE {
                known.clear();
            }
            let found = self.find(&missing);
            known.extend(missing.into_iter().zip(found));
        }
        // Those that were forgotten to make room are not: they were looked up before, with the others.
        addresses.iter().map(|address| known.get(address).cloned().unwrap_or_default()).collect()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Names from {}", self.source())
    }
}

#[cfg(test)]
mod tests {
    use super::{Lookup, Symbols, text};
    use crate::decode::symbols::Symbolizer as _;

    /// Where the machine that runs the tests allows both, asking the kernel and reading its list give the same.
    #[test]
    fn asking_and_reading_the_list_agree() {
        let Some(asked) = Lookup::new().and_then(Symbols::asked) else { return };
        let listed = Symbols::listed(text::List::open().unwrap()).unwrap();
        let Some(names) = listed.names else { return };
        assert_eq!(asked.addresses.0, listed.addresses.0);
        assert_eq!(asked.split_copies, listed.split_copies);
        let list = std::fs::read_to_string("/proc/kallsyms").unwrap();
        let code = list.lines().skip_while(|line| !line.ends_with(" _stext"));
        let code = code.take_while(|line| !line.ends_with(" _etext"));
        let starts = code.filter_map(|line| u64::from_str_radix(line.split(' ').next()?, 16).ok());
        // The first place may have other names before `_stext`, where the list is not looked at yet.
        let addresses: Vec<u64> = starts.skip(16).step_by(499).map(|start| start + 3).collect();
        assert!(addresses.len() > 50, "{}", addresses.len());
        for (one, other) in asked.names.unwrap().frames(&addresses).iter().zip(names.frames(&addresses)) {
            assert_eq!(one, &other);
        }
    }
}
