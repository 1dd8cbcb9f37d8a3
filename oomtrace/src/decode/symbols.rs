//! Names for addresses of kernel code: a compact table, filled once at the start.
//!
//! A kernel has some 60,000 functions. They are kept as sorted offsets from the lowest one and one run of NUL-terminated names,
//! with a position in it for every [`STEP`]th: about 2 MB, and two allocations that do not move any more once it is whole.

use crate::model::{Name, evidence::Frame};

/// Names between two known positions.
const STEP: usize = 64;
/// Modules' code is allocated in pages: what lies beyond that of a module's last symbol is not known to be its own.
const PAGE: u64 = 4096;

/// The table.
#[derive(Debug, Default)]
pub struct Symbols {
    /// Address of offset 0.
    base: u64,
    offsets: Vec<u32>,
    /// Positions in `names` of every `STEP`th name.
    positions: Vec<u32>,
    /// `name\0`, or `name\t[module]\0`, as `/proc/kallsyms` has them; empty for what only bounds its neighbour.
    names: Vec<u8>,
}

impl Symbols {
    /// A table with room for this many symbols and bytes of names.
    #[must_use]
    pub fn with_capacity(symbols: usize, names: usize) -> Self {
        Self {
            base: 0,
            offsets: Vec::with_capacity(symbols),
            positions: Vec::with_capacity(symbols / STEP + 1),
            names: Vec::with_capacity(names),
        }
    }

    /// Adds a symbol, in the order of addresses; of several at one address the first counts, as in the kernel. `name` may be
    /// empty, and may have a module after it. Returns whether it was taken.
    pub fn push(&mut self, address: u64, name: &[u8]) -> bool {
        if self.offsets.is_empty() {
            self.base = address;
        }
        let Some(offset) = address.checked_sub(self.base).and_then(|offset| u32::try_from(offset).ok())
        else {
            return false;
        };
        let Ok(position) = u32::try_from(self.names.len()) else { return false };
        if self.offsets.last().is_some_and(|&last| last >= offset) {
            return false;
        }
        if self.offsets.len().is_multiple_of(STEP) {
            self.positions.push(position);
        }
        self.offsets.push(offset);
        self.names.extend_from_slice(name);
        self.names.push(0);
        true
    }

    /// Gives back what was reserved and not used.
    pub fn shrink(&mut self) {
        self.offsets.shrink_to_fit();
        self.positions.shrink_to_fit();
        self.names.shrink_to_fit();
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.offsets.len() * size_of::<u32>() + self.positions.len() * size_of::<u32>() + self.names.len()
    }

    /// The frame of a return address. It is looked up one byte before: behind a call that does not return there is another
    /// function.
    #[must_use]
    pub fn frame(&self, address: u64) -> Frame {
        self.find(address).unwrap_or_default()
    }

    fn find(&self, address: u64) -> Option<Frame> {
        let inside = u32::try_from(address.checked_sub(1)?.checked_sub(self.base)?).ok()?;
        let index = self.offsets.partition_point(|&offset| offset <= inside).checked_sub(1)?;
        let start = *self.offsets.get(index)?;
        let (function, module) = split(self.name(index)?);
        if function.is_empty() {
            return None;
        }
        let next = self.offsets.get(index + 1).copied();
        let end = match (module, next) {
            (None, next) => u64::from(next?),
            (Some(module), next) => {
                let page_end = (self.base + u64::from(start)) / PAGE * PAGE + PAGE - self.base;
                let same =
                    next.filter(|_| self.name(index + 1).is_some_and(|name| split(name).1 == Some(module)));
                same.map_or(page_end, u64::from)
            }
        };
        if u64::from(inside) >= end {
            return None;
        }
        Some(Frame {
            function: Some(Name::from_padded(function)),
            offset: Some(inside + 1 - start),
            size: u32::try_from(end - u64::from(start)).ok(),
            module: module.map(Name::from_padded),
        })
    }

    /// The name of a symbol.
    fn name(&self, index: usize) -> Option<&[u8]> {
        let position = usize::try_from(*self.positions.get(index / STEP)?).ok()?;
        self.names.get(position..)?.split(|&byte| byte == 0).nth(index % STEP)
    }
}

/// A name and its module.
fn split(name: &[u8]) -> (&[u8], Option<&[u8]>) {
    match name.iter().position(|&byte| byte == b'\t') {
        Some(at) => {
            let (name, rest) = name.split_at(at);
            (name, rest.strip_prefix(b"\t[").and_then(|module| module.strip_suffix(b"]")))
        }
        None => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::{STEP, Symbols};

    const BASE: u64 = 0xffff_fffe_8100_0000;

    fn shown(symbols: &Symbols, address: u64) -> String {
        let frame = symbols.frame(address);
        let text = |name: Option<crate::model::Name>| {
            name.map_or("?".to_owned(), |name| String::from_utf8_lossy(&name).into_owned())
        };
        let number = |n: Option<u32>| n.map_or("?".to_owned(), |n| format!("{n:#x}"));
        let module = frame.module.clone();
        let at = format!("{}+{}/{}", text(frame.function), number(frame.offset), number(frame.size));
        module.map_or(at.clone(), |module| format!("{at} [{}]", String::from_utf8_lossy(&module)))
    }

    #[test]
    fn an_address_is_in_the_symbol_before_it() {
        let mut symbols = Symbols::with_capacity(8, 64);
        assert!(symbols.is_empty());
        assert!(symbols.push(BASE, b"_stext"));
        assert!(!symbols.push(BASE, b"alias"));
        assert!(symbols.push(BASE + 0x40, b""));
        assert!(symbols.push(BASE + 0x50, b"out_of_memory"));
        assert!(symbols.push(BASE + 0x150, b"next"));
        assert!(!symbols.push(BASE - 1, b"below"));
        assert!(!symbols.push(BASE + 0x1_0000_0000, b"far"));
        assert_eq!(shown(&symbols, BASE + 0x58), "out_of_memory+0x8/0x100");
        // The call was the last instruction of the function.
        assert_eq!(shown(&symbols, BASE + 0x150), "out_of_memory+0x100/0x100");
        assert_eq!(shown(&symbols, BASE + 0x10), "_stext+0x10/0x40");
        for unknown in [0, BASE, BASE + 0x48, BASE + 0x160, u64::MAX] {
            assert_eq!(shown(&symbols, unknown), "?+?/?", "{unknown:x}");
        }
    }

    #[test]
    fn the_last_symbol_of_a_module_ends_with_its_page() {
        let mut symbols = Symbols::with_capacity(8, 64);
        symbols.push(BASE, b"_stext");
        symbols.push(BASE + 0x10_0100, b"open\t[ext4]");
        symbols.push(BASE + 0x10_0200, b"read\t[ext4]");
        symbols.push(BASE + 0x20_0000, b"init\t[zram]");
        assert_eq!(shown(&symbols, BASE + 0x10_0180), "open+0x80/0x100 [ext4]");
        assert_eq!(shown(&symbols, BASE + 0x10_0f00), "read+0xd00/0xe00 [ext4]");
        assert_eq!(shown(&symbols, BASE + 0x10_1001), "?+?/?");
        assert_eq!(shown(&symbols, BASE + 0x20_0010), "init+0x10/0x1000 [zram]");
    }

    #[test]
    fn every_name_is_found_beyond_the_steps() {
        let mut symbols = Symbols::default();
        let count = 3 * STEP as u64 + 5;
        for i in 0..count {
            assert!(symbols.push(BASE + i * 16, format!("f{i}").as_bytes()));
        }
        symbols.shrink();
        for i in 0..count - 1 {
            assert_eq!(shown(&symbols, BASE + i * 16 + 5), format!("f{i}+0x5/0x10"));
        }
    }
}
