//! Names for addresses of kernel code: what can give them, and how the kernel prints one.

use crate::model::{Name, evidence::Frame};

/// Gives names to the frames of call paths.
pub trait Symbolizer: core::fmt::Debug {
    /// The frames of return addresses, one for each. They are looked up one byte before: behind a call that does not return
    /// there is another function.
    fn frames(&self, addresses: &[u64]) -> Vec<Frame>;
}

/// Bytes before a function for the use of patching: no code runs there.
const PADDING: &[u8] = b"__pfx_";
/// What the kernel lists like modules and is none.
pub(crate) const TRANSIENT: [&[u8]; 3] = [b"bpf", b"__builtin__ftrace", b"__builtin__kprobes"];

/// Takes apart what the kernel prints for a return address (`%pB`): `function+0x12/0x34 [module]`. `None` for what is no
/// function: an address without a name, padding, and code outside of the kernel's own (`inside`) that is no module's,
/// which is a program's or a trampoline's that comes and goes.
#[must_use]
pub fn parse(text: &[u8], inside: bool) -> Option<Frame> {
    let text = text.trim_ascii_end();
    let (place, module) = match text.strip_suffix(b"]") {
        Some(rest) => {
            let at = rest.iter().rposition(|&byte| byte == b'[')?;
            let (place, module) = rest.split_at(at);
            (place.trim_ascii_end(), Some(module.get(1..)?))
        }
        None => (text, None),
    };
    if module.map_or(!inside, |module| TRANSIENT.contains(&module)) {
        return None;
    }
    let (function, numbers) = place.split_at(place.iter().rposition(|&byte| byte == b'+')?);
    let (offset, size) = str::from_utf8(numbers.get(1..)?).ok()?.split_once('/')?;
    let number = |text: &str| u32::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    if function.is_empty() || is_padding(function) {
        return None;
    }
    Some(Frame {
        function: Some(Name::from_padded(function)),
        offset: Some(number(offset)?),
        size: Some(number(size)?),
        module: module.map(Name::from_padded),
    })
}

/// Whether a symbol is that of the bytes before a function.
#[must_use]
pub fn is_padding(symbol: &[u8]) -> bool {
    symbol.starts_with(PADDING)
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn shown(text: &str, inside: bool) -> String {
        let Some(frame) = parse(text.as_bytes(), inside) else { return "?".to_owned() };
        let name = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let module = frame.module.map_or(String::new(), |module| format!(" in {}", name(&module)));
        format!("{} {:?} {:?}{module}", name(&frame.function.unwrap()), frame.offset, frame.size)
    }

    #[test]
    fn what_the_kernel_prints_is_taken_apart() {
        assert_eq!(shown("out_of_memory+0x8/0x100", true), "out_of_memory Some(8) Some(256)");
        assert_eq!(shown("f.isra.0+0x10/0x10", true), "f.isra.0 Some(16) Some(16)");
        assert_eq!(shown("open+0x80/0x100 [ext4]", false), "open Some(128) Some(256) in ext4");
        // A module's code is never the kernel's own.
        assert_eq!(shown("open+0x80/0x100 [ext4]", true), "open Some(128) Some(256) in ext4");
        for nothing in [
            "",
            "0xffffffff81000000",
            "__pfx_out_of_memory+0x3/0x10",
            "bpf_prog_1234_oom+0x10/0x80 [bpf]",
            "ftrace_trampoline+0x10/0x80 [__builtin__ftrace]",
            "out_of_memory",
            "out_of_memory+0x8",
            "out_of_memory+8/0x100",
            "+0x8/0x100",
            "]",
            "open+0x80/0x100 ext4]",
        ] {
            assert_eq!(shown(nothing, true), "?", "{nothing}");
        }
        assert_eq!(shown("bpf_prog_1234_oom+0x10/0x80", false), "?");
    }
}
