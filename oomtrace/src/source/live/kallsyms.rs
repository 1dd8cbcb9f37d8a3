//! `/proc/kallsyms`, read once: split copies of the scorer, names of the kernel's functions, addresses of a few variables.
//!
//! It costs more than all the rest of the start-up outside the verifier, so everything that is wanted of it is taken in one
//! pass. It has names even where it hides addresses; those are all zero then.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
};

use super::hooks;
use crate::decode::symbols::Symbols;

/// Variables whose addresses are wanted, in no order.
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

/// Symbols and bytes of names that room is made for at the start: what Debian's 7.3 has, and some modules.
const SYMBOLS: usize = 128 << 10;
const NAMES: usize = 2 << 20;

/// The kernel's code is between these; `__init` functions, which are gone, and data are not.
const FIRST: &[u8] = b"_stext";
const LAST: &[u8] = b"_etext";
/// Bytes before a function for the use of patching. No code runs there; they only end what is before them.
const PADDING: &[u8] = b"__pfx_";
/// What is listed like modules and is none.
const TRANSIENT: [&[u8]; 3] = [b"\t[bpf]", b"\t[__builtin__ftrace]", b"\t[__builtin__kprobes]"];

/// What was found.
#[derive(Debug, Default)]
pub struct Kallsyms {
    /// Copies of the scorer that the compiler split off; see [`hooks::split_copy`].
    pub split_copies: Vec<String>,
    /// Functions; empty where addresses are hidden.
    pub symbols: Symbols,
    /// Variables.
    pub addresses: Addresses,
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

impl Kallsyms {
    /// Reads the running kernel's.
    ///
    /// # Errors
    /// When the list of symbols cannot be read.
    pub fn read() -> io::Result<Self> {
        Self::from(BufReader::with_capacity(1 << 16, File::open("/proc/kallsyms")?))
    }

    fn from(mut list: impl BufRead) -> io::Result<Self> {
        let mut found = Self { symbols: Symbols::with_capacity(SYMBOLS, NAMES), ..Self::default() };
        let mut modules = Vec::new();
        let mut within = false;
        let mut line = Vec::with_capacity(512);
        while list.read_until(b'\n', &mut line)? > 0 {
            found.take(&line, &mut within, &mut modules);
            line.clear();
        }
        // Modules are listed in the order of loading, the kernel in that of addresses.
        modules.sort_unstable();
        for (address, name) in modules {
            found.symbols.push(address, &name);
        }
        found.symbols.shrink();
        Ok(found)
    }

    /// Takes a line: `address type name`, and `\t[module]` after a module's.
    fn take(&mut self, line: &[u8], within: &mut bool, modules: &mut Vec<(u64, Vec<u8>)>) {
        let Some((address, kind, name)) = fields(line) else { return };
        if let Some(copy) = hooks::split_copy(name)
            && !self.split_copies.contains(&copy)
        {
            self.split_copies.push(copy);
        }
        if address == 0 {
            return;
        }
        if let Some(index) = VARIABLES.iter().position(|variable| variable.as_bytes() == name)
            && let Some(slot) = self.addresses.0.get_mut(index)
        {
            // Of several with this name, the first: the kernel's own comes before modules'.
            slot.get_or_insert(address);
        }
        if name == FIRST {
            *within = true;
        }
        if matches!(kind, b't' | b'T' | b'w' | b'W') {
            if name.contains(&b'\t') {
                // Programs and trampolines of BPF and ftrace come and go.
                if !TRANSIENT.iter().any(|owner| name.ends_with(owner)) {
                    modules.push((address, name.to_vec()));
                }
            } else if *within {
                let name = if name.starts_with(PADDING) || name == LAST { b"" } else { name };
                self.symbols.push(address, name);
            }
        }
        if name == LAST {
            *within = false;
        }
    }
}

/// Address, type and name on a line.
fn fields(line: &[u8]) -> Option<(u64, u8, &[u8])> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let (address, rest) = line.split_at_checked(line.iter().position(|&byte| byte == b' ')?)?;
    let [b' ', kind, b' ', name @ ..] = rest else { return None };
    let digit =
        |value: u64, &byte: &u8| Some(value.checked_mul(16)? + u64::from(char::from(byte).to_digit(16)?));
    Some((address.iter().try_fold(0, digit)?, *kind, name))
}

#[cfg(test)]
mod tests {
    use super::Kallsyms;

    const LIST: &str = "0000000000000000 A fixed_percpu_data\n\
        ffffffff81000000 T _stext\n\
        ffffffff81000000 T _text\n\
        ffffffff81000100 t __pfx_out_of_memory\n\
        ffffffff81000110 T out_of_memory\n\
        ffffffff81000310 t oom_badness.part.0\n\
        ffffffff81000400 T _etext\n\
        ffffffff81200000 t vm_swappiness\n\
        ffffffff81300000 t freed_init\n\
        ffffffffc0200000 t late\t[b]\n\
        ffffffffc0100000 t early\t[a]\n\
        ffffffffc0100010 t vm_swappiness\t[a]\n\
        ffffffffc0300000 t bpf_prog_0_x\t[bpf]\n\
        a line of something else\n";

    fn name(found: &Kallsyms, address: u64) -> Option<String> {
        let frame = found.symbols.frame(address);
        frame.function.map(|name| String::from_utf8_lossy(&name).into_owned())
    }

    #[test]
    fn one_pass_gives_everything() {
        let found = Kallsyms::from(LIST.as_bytes()).unwrap();
        assert_eq!(found.split_copies, ["oom_badness.part.0"]);
        assert_eq!(found.addresses.of("vm_swappiness"), Some(0xffff_ffff_8120_0000));
        assert_eq!(found.addresses.of("node_data"), None);
        assert_eq!(name(&found, 0xffff_ffff_8100_0080).as_deref(), Some("_stext"));
        assert_eq!(name(&found, 0xffff_ffff_8100_0108), None);
        assert_eq!(name(&found, 0xffff_ffff_8100_0120).as_deref(), Some("out_of_memory"));
        assert_eq!(name(&found, 0xffff_ffff_8130_0010), None);
        assert_eq!(name(&found, 0xffff_ffff_c010_0008).as_deref(), Some("early"));
        assert_eq!(name(&found, 0xffff_ffff_c020_0008).as_deref(), Some("late"));
        assert_eq!(name(&found, 0xffff_ffff_c030_0008), None);
    }

    #[test]
    fn hidden_addresses_leave_the_names() {
        let hidden: String =
            LIST.lines().filter_map(|line| Some(format!("{:016}{}\n", 0, line.get(16..)?))).collect();
        let found = Kallsyms::from(hidden.as_bytes()).unwrap();
        assert_eq!(found.split_copies, ["oom_badness.part.0"]);
        assert!(found.symbols.is_empty());
        assert_eq!(found.addresses.of("vm_swappiness"), None);
    }
}
