//! `/proc/kallsyms`, read line by line, for what is wanted of it: a pass at the start, and one for each call path with new
//! addresses. It has names even where it hides addresses; those are all zero then.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek as _},
};

use super::{FIRST, LAST, VARIABLES, hooks};
use crate::{
    decode::symbols::{TRANSIENT, is_padding},
    model::{Name, evidence::Frame},
};

/// Modules' code is allocated in pages: what lies beyond that of a module's last symbol is not known to be its own.
const PAGE: u64 = 4096;

/// The list.
pub(super) struct List(File);

impl List {
    pub(super) fn open() -> io::Result<Self> {
        File::open("/proc/kallsyms").map(Self)
    }

    /// Reads it again, as the kernel has it now.
    pub(super) fn rewound(&self) -> io::Result<&File> {
        let mut list = &self.0;
        list.rewind().map(|()| list)
    }
}

/// What is wanted at the start.
#[derive(Debug, Default)]
pub(super) struct Start {
    pub(super) split_copies: Vec<String>,
    /// In the order of [`VARIABLES`].
    pub(super) addresses: [Option<u64>; VARIABLES.len()],
    /// Whether the list has addresses.
    pub(super) shows_addresses: bool,
}

impl Start {
    pub(super) fn read(list: impl Read) -> io::Result<Self> {
        let mut found = Self::default();
        each(list, |symbol| {
            if let Some(copy) = hooks::split_copy(symbol.name)
                && symbol.module.is_none()
                && !found.split_copies.contains(&copy)
            {
                found.split_copies.push(copy);
            }
            if symbol.address == 0 {
                return;
            }
            found.shows_addresses = true;
            // Modules may have variables of the same names.
            if symbol.module.is_none()
                && let Some(index) = VARIABLES.iter().position(|name| name.as_bytes() == symbol.name)
                && let Some(slot) = found.addresses.get_mut(index)
            {
                slot.get_or_insert(symbol.address);
            }
        })?;
        Ok(found)
    }
}

/// The symbol that an address is in, as far as the list was read.
#[derive(Clone, Default)]
struct Nearest {
    start: u64,
    /// Of the symbol at `start`; empty when no code runs there.
    name: Vec<u8>,
    module: Option<Vec<u8>>,
    /// The next symbol, and whether it is of the same module.
    end: Option<(u64, bool)>,
}

/// Frames for return addresses, which are looked up one byte before.
pub(super) fn frames(list: impl Read, addresses: &[u64]) -> io::Result<Vec<Frame>> {
    let mut nearest = vec![Nearest::default(); addresses.len()];
    let mut within = false;
    each(list, |symbol| {
        if symbol.module.is_none() && symbol.name == FIRST.as_bytes() {
            within = true;
        }
        let last = symbol.module.is_none() && symbol.name == LAST.as_bytes();
        let of_a_program = symbol.module.is_some_and(|module| TRANSIENT.contains(&module));
        let is_code = symbol.is_code && (within || symbol.module.is_some()) && !of_a_program;
        if is_code && symbol.address != 0 {
            for (near, address) in nearest.iter_mut().zip(addresses) {
                near.take(&symbol, address.saturating_sub(1), last);
            }
        }
        if last {
            within = false;
        }
    })?;
    Ok(nearest
        .iter()
        .zip(addresses)
        .map(|(near, &address)| near.frame(address).unwrap_or_default())
        .collect())
}

impl Nearest {
    /// Of several symbols at one address the first counts, as in the kernel.
    fn take(&mut self, symbol: &Symbol<'_>, inside: u64, last: bool) {
        let module = symbol.module;
        if symbol.address <= inside {
            if symbol.address > self.start {
                self.start = symbol.address;
                let name = if last || is_padding(symbol.name) { b"" } else { symbol.name };
                self.name.clear();
                self.name.extend_from_slice(name);
                let of = self.module.take();
                self.module = module.map(<[u8]>::to_vec);
                if of != self.module {
                    self.end = self.end.map(|(end, _)| (end, false));
                }
            }
        } else if self.end.is_none_or(|(end, _)| symbol.address < end) {
            self.end = Some((symbol.address, module == self.module.as_deref()));
        }
    }

    fn frame(&self, address: u64) -> Option<Frame> {
        if self.name.is_empty() {
            return None;
        }
        let end = match (&self.module, self.end) {
            (None, end) => end?.0,
            (Some(_), Some((end, true))) => end,
            (Some(_), _) => self.start / PAGE * PAGE + PAGE,
        };
        if address > end {
            return None;
        }
        Some(Frame {
            function: Some(Name::from_padded(&self.name)),
            offset: u32::try_from(address - self.start).ok(),
            size: u32::try_from(end - self.start).ok(),
            module: self.module.as_deref().map(Name::from_padded),
        })
    }
}

/// A line.
struct Symbol<'a> {
    address: u64,
    is_code: bool,
    name: &'a [u8],
    module: Option<&'a [u8]>,
}

impl<'a> Symbol<'a> {
    /// `address type name`, and `\t[module]` after a module's.
    fn of(line: &'a [u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let (address, rest) = line.split_at_checked(line.iter().position(|&byte| byte == b' ')?)?;
        let [b' ', kind, b' ', name @ ..] = rest else { return None };
        let digit =
            |value: u64, &byte: &u8| Some(value.checked_mul(16)? + u64::from(char::from(byte).to_digit(16)?));
        let (name, module) = match name.strip_suffix(b"]") {
            Some(rest) => {
                let at = rest.iter().position(|&byte| byte == b'\t')?;
                let (name, module) = rest.split_at(at);
                (name, Some(module.strip_prefix(b"\t[")?))
            }
            None => (name, None),
        };
        Some(Self {
            address: address.iter().try_fold(0, digit)?,
            is_code: matches!(kind, b't' | b'T' | b'w' | b'W'),
            name,
            module,
        })
    }
}

/// Calls `take` for each symbol.
fn each(list: impl Read, mut take: impl FnMut(Symbol<'_>)) -> io::Result<()> {
    let mut list = BufReader::with_capacity(1 << 14, list);
    let mut line = Vec::with_capacity(512);
    while list.read_until(b'\n', &mut line)? > 0 {
        if let Some(symbol) = Symbol::of(&line) {
            take(symbol);
        }
        line.clear();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Start, VARIABLES, frames};

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

    /// Function, offset, size and module, as the kernel prints them.
    fn shown(address: u64) -> String {
        let found = frames(LIST.as_bytes(), &[0, address, address]).unwrap();
        assert_eq!(found[1], found[2]);
        let text = |name: &Option<crate::model::Name>| {
            name.as_ref().map_or("?".to_owned(), |name| String::from_utf8_lossy(name).into_owned())
        };
        let frame = &found[1];
        if frame.function.is_none() {
            assert_eq!((frame.offset, frame.size), (None, None));
            return "?".to_owned();
        }
        let place =
            format!("{}+{:#x}/{:#x}", text(&frame.function), frame.offset.unwrap(), frame.size.unwrap());
        frame.module.as_ref().map_or(place.clone(), |_| format!("{place} [{}]", text(&frame.module)))
    }

    #[test]
    fn one_pass_gives_what_the_start_wants() {
        let found = Start::read(LIST.as_bytes()).unwrap();
        assert_eq!(found.split_copies, ["oom_badness.part.0"]);
        assert!(found.shows_addresses);
        let of = |name| found.addresses[VARIABLES.iter().position(|&known| known == name).unwrap()];
        assert_eq!(of("vm_swappiness"), Some(0xffff_ffff_8120_0000));
        assert_eq!(of("node_data"), None);
    }

    #[test]
    fn hidden_addresses_leave_the_names() {
        let hidden: String =
            LIST.lines().filter_map(|line| Some(format!("{:016}{}\n", 0, line.get(16..)?))).collect();
        let found = Start::read(hidden.as_bytes()).unwrap();
        assert_eq!(found.split_copies, ["oom_badness.part.0"]);
        assert!(!found.shows_addresses);
        assert_eq!(found.addresses, [None; VARIABLES.len()]);
    }

    #[test]
    fn an_address_is_in_the_symbol_before_it() {
        for (address, expected) in [
            (0xffff_ffff_8100_0080, "_stext+0x80/0x100"),
            (0xffff_ffff_8100_0108, "?"),
            (0xffff_ffff_8100_0120, "out_of_memory+0x10/0x200"),
            // The call was the last instruction of the function.
            (0xffff_ffff_8100_0310, "out_of_memory+0x200/0x200"),
            (0xffff_ffff_8100_0400, "oom_badness.part.0+0xf0/0xf0"),
            (0xffff_ffff_8100_0401, "?"),
            (0xffff_ffff_8130_0010, "?"),
            // In the list late is before early; the last symbol of a module ends with its page.
            (0xffff_ffff_c010_0008, "early+0x8/0x10 [a]"),
            (0xffff_ffff_c010_0018, "vm_swappiness+0x8/0xff0 [a]"),
            (0xffff_ffff_c020_0008, "late+0x8/0x1000 [b]"),
            (0xffff_ffff_c020_1008, "?"),
            (0xffff_ffff_c030_0008, "?"),
            (0, "?"),
            (u64::MAX, "?"),
        ] {
            assert_eq!(shown(address), expected, "{address:x}");
        }
    }
}
