//! Raw arrays as two kernels have them, made up here, and what becomes of them.

use core::mem::offset_of;

use oomtrace_common::{
    UNKNOWN_U32,
    evidence::{self as wire, STACK_DEPTH, variable},
    record::kind,
};
use proptest::prelude::*;

use crate::{
    decode::{
        DecodeError,
        context::{Context, Run, ZoneLayout},
        decode,
        symbols::Symbolizer,
    },
    model::{
        Name, Observation,
        evidence::{Frame, MemcgStat},
    },
};

const BASE: u64 = 0xffff_ffff_8100_0000;

fn record(kind: u16, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    put(&mut bytes, 0, &kind.to_le_bytes());
    put(&mut bytes, 4, &u32::try_from(len).unwrap().to_le_bytes());
    bytes
}

fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    bytes[offset..offset + value.len()].copy_from_slice(value);
}

fn all(record: &[u8], context: &Context) -> Result<Vec<Observation>, DecodeError> {
    let mut out = Vec::new();
    decode(record, context, &mut out)?;
    Ok(out)
}

/// Functions of 0x100 bytes each.
#[derive(Debug)]
struct Functions;

impl Symbolizer for Functions {
    fn frames(&self, addresses: &[u64]) -> Vec<Frame> {
        let frame = |address: &u64| {
            let inside = address.checked_sub(BASE + 1)?;
            let names = ["_stext", "out_of_memory", "charge", "fault"];
            let function = names.get(usize::try_from(inside / 0x100).ok()?)?;
            Some(Frame { function: Some(Name::from_padded(function.as_bytes())), ..Frame::default() })
        };
        addresses.iter().map(|address| frame(address).unwrap_or_default()).collect()
    }
}

fn symbols() -> Context {
    Context { symbols: Some(Box::new(Functions)), ..Context::default() }
}

fn stack(addresses: &[u64]) -> Vec<u8> {
    let mut bytes = record(kind::STACK, size_of::<wire::Stack>());
    put(&mut bytes, offset_of!(wire::Stack, count), &u32::try_from(addresses.len()).unwrap().to_le_bytes());
    for (i, address) in addresses.iter().enumerate() {
        put(&mut bytes, offset_of!(wire::Stack, addresses) + 8 * i, &address.to_le_bytes());
    }
    bytes
}

/// Names of the frames, and whether there were more.
fn names(addresses: &[u64], context: &Context) -> (Vec<String>, bool) {
    let found = all(&stack(addresses), context).unwrap();
    let [Observation::Stack(stack)] = found.as_slice() else { panic!("{found:?}") };
    let name = |frame: &Frame| {
        frame.function.as_ref().map_or("?".into(), |name| String::from_utf8_lossy(name).into_owned())
    };
    (stack.frames.iter().map(name).collect(), stack.cut)
}

#[test]
fn a_call_path_begins_with_the_caller_of_out_of_memory() {
    let context = symbols();
    let (charge, fault) = (BASE + 0x210, BASE + 0x320);
    let path: (Vec<String>, bool) = (vec!["charge".into(), "fault".into(), "?".into()], false);
    // By fentry: the program, its trampoline, and the function, of which only the first bytes have run.
    let fentry = [0xffff_ffff_c000_0100, 0xffff_ffff_c000_0200, BASE + 0x105, charge, fault, 7];
    assert_eq!(names(&fentry, &context), path);
    // The same on a kernel that leaves the function out.
    assert_eq!(names(&[0xffff_ffff_c000_0100, 0xffff_ffff_c000_0200, charge, fault, 7], &context), path);
    // By kprobe: where the probe is, first byte or second.
    assert_eq!(names(&[BASE + 0x100, charge, fault, 7], &context), path);
    assert_eq!(names(&[BASE + 0x101, charge, fault, 7], &context), path);
    // Without names everything is left as it is.
    assert_eq!(names(&fentry, &Context::default()), (vec!["?".into(); 6], false));
    let (frames, cut) = names(&[charge; STACK_DEPTH], &context);
    assert_eq!((frames.len(), cut), (super::FRAMES, true));
    assert!(all(&stack(&[]), &context).is_ok());
    let mut bytes = stack(&[charge]);
    put(&mut bytes, offset_of!(wire::Stack, count), &99u32.to_le_bytes());
    assert!(matches!(all(&bytes, &context), Err(DecodeError::Value { field: "count", value: 99, .. })));
}

#[test]
fn what_is_not_known_of_the_situation_is_none() {
    let mut bytes = record(kind::SITUATION, size_of::<wire::Situation>());
    let situation = |bytes: &[u8]| {
        let found = all(bytes, &Context::default()).unwrap();
        let [Observation::Situation(found)] = found.as_slice() else { panic!("{found:?}") };
        found.clone()
    };
    let absent = 1u32 << variable::TAINTED | 1 << variable::CMA | 1 << variable::SWAPPINESS;
    put(&mut bytes, offset_of!(wire::Situation, absent), &absent.to_le_bytes());
    let swap_free = offset_of!(wire::Situation, variables) + variable::SWAP_FREE * 8;
    put(&mut bytes, swap_free, &(-5i64).to_le_bytes());
    put(&mut bytes, offset_of!(wire::Situation, nodemask_set), &UNKNOWN_U32.to_le_bytes());
    put(&mut bytes, offset_of!(wire::Situation, mems_allowed), &0b101u64.to_le_bytes());
    put(&mut bytes, offset_of!(wire::Situation, online) + 8, &0b11u64.to_le_bytes());
    put(&mut bytes, offset_of!(wire::Situation, cpu), &3u32.to_le_bytes());

    let found = situation(&bytes);
    assert_eq!((found.tainted, found.cma_pages, found.swap_free_pages), (None, None, Some(0)));
    assert_eq!((found.settings.swappiness, found.settings.panic_on_oom), (None, Some(0)));
    assert_eq!((found.nodemask_set, found.mems_allowed, found.cpuset), (None, None, None));
    assert_eq!((found.nodes_left_out, found.cpu), (2, Some(3)));

    for known in [offset_of!(wire::Situation, mems_allowed_known), offset_of!(wire::Situation, cpuset_known)]
    {
        put(&mut bytes, known, &1u32.to_le_bytes());
    }
    put(&mut bytes, offset_of!(wire::Situation, nodemask_set), &1u32.to_le_bytes());
    put(&mut bytes, offset_of!(wire::Situation, nodemask) + 8, &1u64.to_le_bytes());
    let found = situation(&bytes);
    assert_eq!((found.nodemask_set, found.nodemask), (Some(true), vec![64]));
    assert_eq!(found.mems_allowed, Some(vec![0, 2]));
    assert_eq!(found.cpuset.unwrap()[..], *b"/");

    put(&mut bytes, offset_of!(wire::Situation, read_failed), &1u32.to_le_bytes());
    let found = situation(&bytes);
    assert_eq!((found.settings.panic_on_oom, found.swap_total_pages), (None, None));
    assert_eq!((found.mems_allowed, found.cpuset), (None, None));
}

/// Three zones of 64 bytes; the first is empty.
fn node() -> (Vec<u8>, Context) {
    let head = size_of::<wire::Node>();
    let mut bytes = record(kind::NODE, head + 16 + 3 * 64);
    for (offset, value) in [
        (offset_of!(wire::Node, node), 1u32),
        (offset_of!(wire::Node, stats), 16),
        (offset_of!(wire::Node, zones), 3),
        (offset_of!(wire::Node, zone_len), 64),
    ] {
        put(&mut bytes, offset, &value.to_le_bytes());
    }
    put(&mut bytes, offset_of!(wire::Node, names), b"DMA\0");
    put(&mut bytes, offset_of!(wire::Node, names) + 16, b"DMA32\0");
    put(&mut bytes, offset_of!(wire::Node, names) + 32, b"Normal\0");
    put(&mut bytes, head, &7i64.to_le_bytes());
    put(&mut bytes, head + 8, &(-1i64).to_le_bytes());
    for zone in [1u8, 2] {
        let start = head + 16 + 64 * usize::from(zone);
        for word in 0..8u8 {
            put(&mut bytes, start + 8 * usize::from(word), &u64::from(zone * 10 + word).to_le_bytes());
        }
    }
    let zone = ZoneLayout {
        min: Some(0),
        present: Some(8),
        managed: Some(64),
        lowmem_reserve: Some(Run { start: 16, stride: 8, count: 2 }),
        free_blocks: Some(Run { start: 32, stride: 16, count: 2 }),
        stats: Some(Run { start: 56, stride: 8, count: 3 }),
        ..ZoneLayout::default()
    };
    (bytes, Context { zone, ..Context::default() })
}

#[test]
fn a_node_gives_itself_and_its_populated_zones() {
    let (mut bytes, context) = node();
    let found = all(&bytes, &context).unwrap();
    let [Observation::NodeMemory(node), Observation::ZoneMemory(first), Observation::ZoneMemory(second)] =
        found.as_slice()
    else {
        panic!("{found:?}")
    };
    assert_eq!((node.node, node.stats.as_slice()), (1, [7, -1].as_slice()));
    assert_eq!((first.node, first.index, &first.name[..]), (1, 1, b"DMA32".as_slice()));
    assert_eq!((first.min_pages, first.present_pages, first.low_pages), (Some(10), Some(11), None));
    assert_eq!((second.index, second.lowmem_reserve_pages.as_slice()), (2, [22, 23].as_slice()));
    assert_eq!(second.free_blocks, [24, 26]);
    // What lies beyond the zone is not the next one's.
    assert_eq!((first.managed_pages, first.stats.as_slice()), (None, [17].as_slice()));

    put(&mut bytes, offset_of!(wire::Node, read_failed), &1u32.to_le_bytes());
    assert_eq!(all(&bytes, &context).unwrap(), []);
    put(&mut bytes, offset_of!(wire::Node, zone_len), &65u32.to_le_bytes());
    put(&mut bytes, offset_of!(wire::Node, read_failed), &0u32.to_le_bytes());
    assert!(matches!(all(&bytes, &context), Err(DecodeError::Short { kind: kind::NODE, .. })));
    put(&mut bytes, offset_of!(wire::Node, zones), &9u32.to_le_bytes());
    assert!(matches!(all(&bytes, &context), Err(DecodeError::Value { field: "zones", value: 9, .. })));
}

fn memcg(stats: &[i64], index: &[u8], failed: bool) -> MemcgStat {
    let head = size_of::<wire::MemcgStat>();
    let mut bytes = record(kind::MEMCG_STAT, head + stats.len() * 8 + index.len());
    for (offset, value) in [
        (offset_of!(wire::MemcgStat, stats), stats.len() * 8),
        (offset_of!(wire::MemcgStat, index), index.len()),
        (offset_of!(wire::MemcgStat, read_failed), usize::from(failed)),
    ] {
        put(&mut bytes, offset, &u32::try_from(value).unwrap().to_le_bytes());
    }
    put(&mut bytes, offset_of!(wire::MemcgStat, cgroup), &42u64.to_le_bytes());
    for (i, value) in stats.iter().enumerate() {
        put(&mut bytes, head + 8 * i, &value.to_le_bytes());
    }
    put(&mut bytes, head + stats.len() * 8, index);
    let found = all(&bytes, &Context::default()).unwrap();
    let [Observation::MemcgStat(stat)] = found.as_slice() else { panic!("{found:?}") };
    stat.clone()
}

#[test]
fn counters_of_a_memcg_are_in_the_order_of_the_items() {
    assert_eq!(memcg(&[5, -6], &[], false).stats, [Some(5), Some(-6)]);
    // 6.10: positions from 1, 0 for none. Later: from 0, 255 for none.
    assert_eq!(memcg(&[5, 6], &[2, 0, 1], false).stats, [Some(6), None, Some(5)]);
    assert_eq!(memcg(&[5, 6], &[1, 255, 0], false).stats, [Some(6), None, Some(5)]);
    assert_eq!(memcg(&[5, 6], &[1, 255, 9], false).stats, [Some(6), None, None]);
    assert_eq!(memcg(&[5, 6], &[], true).stats, []);
    assert_eq!(memcg(&[5], &[], false).cgroup, 42);
}

proptest! {
    /// Whatever the sizes say, there is an answer.
    #[test]
    fn no_bytes_are_a_reason_to_panic(
        mut body in proptest::collection::vec(any::<u8>(), 24..1024),
        kind in kind::STACK..=kind::MEMCG_STAT,
        small in any::<bool>(),
    ) {
        let len = u32::try_from(body.len()).unwrap();
        put(&mut body, 0, &kind.to_le_bytes());
        put(&mut body, 4, &len.to_le_bytes());
        if small {
            for byte in body.iter_mut().skip(24).take(24) {
                *byte &= if *byte % 2 == 0 { 0 } else { 3 };
            }
        }
        let (_, context) = node();
        let _result = all(&body, &context);
    }
}
