//! Puts offsets of this kernel into instructions that carry a marker in their place; see [`oomtrace_common::config::marker`].

use aya_obj::generated::bpf_insn;
use oomtrace_common::config::{Layout, marker};

/// `BPF_LDX | BPF_MEM`, and the bits of an opcode that say so; the others are the size.
const LOAD: u8 = 0x61;
const LOAD_BITS: u8 = 0xe7;

/// The offset for a load instruction that has a marker; `None` for any other. Without the member the marker stays: the verifier
/// then refuses the program, and the other flavour is tried.
fn resolved(code: u8, offset: i16, layout: &Layout) -> Option<i16> {
    if code & LOAD_BITS != LOAD || offset < marker::FIRST {
        return None;
    }
    marker::offset(offset, layout)
}

/// Puts offsets in place of markers.
pub(super) fn resolve(code: &mut [bpf_insn], layout: &Layout) {
    for insn in code {
        if let Some(offset) = resolved(insn.code, insn.off, layout) {
            insn.off = offset;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loads_with_a_marker_change() {
        let layout = Layout { task_mm: 2344, ..Layout::UNSET };
        assert_eq!(resolved(0x79, marker::TASK_MM, &layout), Some(2344));
        assert_eq!(resolved(0x61, marker::TASK_MM, &layout), Some(2344));
        assert_eq!(resolved(0x7b, marker::TASK_MM, &layout), None, "a store");
        assert_eq!(resolved(0x79, 2344, &layout), None, "an offset");
        assert_eq!(resolved(0x79, marker::TASK_SIGNAL, &layout), None, "a member that is not there");
        let far = Layout { task_mm: 0x8000, ..Layout::UNSET };
        assert_eq!(resolved(0x79, marker::TASK_MM, &far), None, "out of reach");
    }
}
