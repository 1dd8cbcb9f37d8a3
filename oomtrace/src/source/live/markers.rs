//! Puts offsets of this kernel into instructions that carry a marker in their place; see [`oomtrace_common::config::marker`].

use aya_obj::generated::bpf_insn;
use oomtrace_common::config::{ABSENT, Layout, marker};

use super::load;

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

/// `BPF_ALU64 | BPF_K`: a move, an addition.
const MOVE: u8 = 0xb7;
const ADD: u8 = 0x07;

/// The opcode and the immediate for a move or an addition that has a marker; `None` for any other instruction. What would be added for a
/// member that is not there makes an address of 0, where nothing can be read.
fn immediate(code: u8, immediate: i32, layout: &Layout) -> Option<(u8, i32)> {
    if code != MOVE && code != ADD {
        return None;
    }
    let at = usize::try_from(immediate.checked_sub(marker::IMMEDIATE)?).ok()?;
    let value = load::bytes_of(layout).get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))?;
    Some(if code == ADD && value == ABSENT { (MOVE, 0) } else { (code, value.cast_signed()) })
}

/// Puts offsets in place of markers.
pub(super) fn resolve(code: &mut [bpf_insn], layout: &Layout) {
    for insn in code {
        if let Some((code, value)) = immediate(insn.code, insn.imm, layout) {
            (insn.code, insn.imm) = (code, value);
        }
        if let Some(offset) = resolved(insn.code, insn.off, layout) {
            insn.off = offset;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_and_additions_get_the_number_of_the_member_that_their_marker_stands_for() {
        let layout = Layout { task_mm: 2344, ..Layout::UNSET };
        let mm = marker::immediate(std::mem::offset_of!(Layout, task_mm));
        assert_eq!(immediate(MOVE, mm, &layout), Some((MOVE, 2344)));
        assert_eq!(immediate(ADD, mm, &layout), Some((ADD, 2344)));
        let signal = marker::immediate(std::mem::offset_of!(Layout, task_signal));
        assert_eq!(immediate(MOVE, signal, &layout), Some((MOVE, ABSENT.cast_signed())));
        assert_eq!(immediate(ADD, signal, &layout), Some((MOVE, 0)), "nothing can be read at 0");
        assert_eq!(immediate(0xb4, mm, &layout), None, "a move of 32 bits");
        for other in [0, 2344, -1, i32::MIN, marker::immediate(size_of::<Layout>())] {
            assert_eq!(immediate(MOVE, other, &layout), None, "{other}");
        }
    }

    #[test]
    fn only_loads_with_a_marker_change() {
        let layout = Layout { task_mm: 2344, ..Layout::UNSET };
        assert_eq!(resolved(0x79, marker::TASK_MM, &layout), Some(2344));
        assert_eq!(resolved(0x61, marker::TASK_MM, &layout), Some(2344));
        assert_eq!(resolved(0x7b, marker::TASK_MM, &layout), None, "a store");
        assert_eq!(resolved(0x79, 2344, &layout), None, "an offset");
        assert_eq!(resolved(0x79, marker::TASK_SIGNAL, &layout), None, "a member that is not there");
        assert_eq!(resolved(0x79, 0x7fff, &layout), None, "no marker");
        let far = Layout { task_mm: 0x8000, ..Layout::UNSET };
        assert_eq!(resolved(0x79, marker::TASK_MM, &far), None, "out of reach");
    }
}
