//! Reads runs of candidates fast.
//!
//! Nearly all of a recording is candidates, and nearly all candidates are written the way [`Encode`](minicbor::Encode) of this
//! program writes them: maps of known length, known keys, plain values. That is read here in one go. Anything else (a newer
//! writer's keys, another encoder's forms, damage) is left to the general reader, which also says what is wrong: what this one
//! reads, that one would read alike.

use crate::model::Name;
use crate::model::observation::{Candidate, Candidates, Memory, Score, Stamp, Task, TaskFlags};

/// CBOR's major types.
const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const ARRAY: u8 = 4;
const MAP: u8 = 5;

/// The fewest bytes that a candidate takes: a length is not believed beyond what could be there.
const LEAST: usize = 15;

/// The run, or `None` when it has to be read the general way.
pub(super) fn read(payload: &[u8]) -> Option<Candidates> {
    let mut input = Input(payload);
    let (mut at, mut first, mut tasks) = (None, None, None);
    for _ in 0..input.head(MAP)? {
        match input.head(UNSIGNED)? {
            0 => at = Some(stamp(&mut input)?),
            1 => first = Some(input.unsigned()?),
            2 => {
                let len = usize::try_from(input.head(ARRAY)?).ok()?;
                let mut run = Vec::with_capacity(len.min(input.0.len() / LEAST));
                for _ in 0..len {
                    run.push(candidate(&mut input)?);
                }
                tasks = Some(run);
            }
            _ => return None,
        }
    }
    Some(Candidates { at: at?, first: first?, tasks: tasks? })
}

fn stamp(input: &mut Input<'_>) -> Option<Stamp> {
    let (mut boot_ns, mut episode) = (None, None);
    for _ in 0..input.head(MAP)? {
        match input.head(UNSIGNED)? {
            0 => boot_ns = Some(input.unsigned()?),
            1 => episode = Some(input.unsigned()?),
            _ => return None,
        }
    }
    Some(Stamp { boot_ns: boot_ns?, episode: episode? })
}

fn candidate(input: &mut Input<'_>) -> Option<Candidate> {
    let (mut who, mut found, mut flags) = (None, None, None);
    let mut holds = None;
    for _ in 0..input.head(MAP)? {
        match input.head(UNSIGNED)? {
            0 => who = Some(task(input)?),
            1 => found = Some(score(input)?),
            2 => holds = Some(memory(input)?),
            3 => flags = Some(TaskFlags(input.unsigned()?)),
            _ => return None,
        }
    }
    Some(Candidate { task: who?, score: found?, memory: holds, flags: flags? })
}

fn task(input: &mut Input<'_>) -> Option<Task> {
    let (mut pid, mut tid, mut comm) = (None, None, None);
    let (mut uid, mut oom_score_adj, mut cgroup) = (None, None, None);
    for _ in 0..input.head(MAP)? {
        match input.head(UNSIGNED)? {
            0 => pid = Some(input.signed()?),
            1 => tid = Some(input.signed()?),
            2 => comm = Some(Name::from(input.bytes()?)),
            3 => uid = Some(input.unsigned()?),
            4 => oom_score_adj = Some(input.signed()?),
            5 => cgroup = Some(input.unsigned()?),
            _ => return None,
        }
    }
    Some(Task { pid: pid?, tid: tid?, comm: comm?, uid, oom_score_adj, cgroup })
}

fn score(input: &mut Input<'_>) -> Option<Score> {
    if input.head(ARRAY)? != 2 {
        return None;
    }
    match (input.head(UNSIGNED)?, input.head(ARRAY)?) {
        (0, 0) => Some(Score::NotScored),
        (1, 0) => Some(Score::Unkillable),
        (2, 1) => Some(Score::Points(input.signed()?)),
        (3, 0) => Some(Score::Unknown),
        _ => None,
    }
}

fn memory(input: &mut Input<'_>) -> Option<Memory> {
    let mut memory = Memory::default();
    for _ in 0..input.head(MAP)? {
        let field = match input.head(UNSIGNED)? {
            0 => &mut memory.rss_anon_pages,
            1 => &mut memory.rss_file_pages,
            2 => &mut memory.rss_shmem_pages,
            3 => &mut memory.swap_entries,
            4 => &mut memory.pgtables_bytes,
            5 => &mut memory.total_vm_pages,
            _ => return None,
        };
        *field = Some(input.unsigned()?);
    }
    Some(memory)
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// The next item's major type, and the number in its head.
    #[inline(always)]
    fn item(&mut self) -> Option<(u8, u64)> {
        let (&first, rest) = self.0.split_first()?;
        let major = first >> 5;
        let small = first & 0x1f;
        if small < 24 {
            self.0 = rest;
            return Some((major, u64::from(small)));
        }
        let (value, rest) = match small {
            24 => rest.split_first().map(|(&byte, rest)| (u64::from(byte), rest))?,
            25 => rest.split_first_chunk().map(|(bytes, rest)| (u16::from_be_bytes(*bytes).into(), rest))?,
            26 => rest.split_first_chunk().map(|(bytes, rest)| (u32::from_be_bytes(*bytes).into(), rest))?,
            27 => rest.split_first_chunk().map(|(bytes, rest)| (u64::from_be_bytes(*bytes), rest))?,
            // Of unknown length, or no CBOR.
            _ => return None,
        };
        self.0 = rest;
        Some((major, value))
    }

    /// The number in the head of an item that must be of that type.
    #[inline(always)]
    fn head(&mut self, major: u8) -> Option<u64> {
        self.item().filter(|(found, _)| *found == major).map(|(_, value)| value)
    }

    #[inline(always)]
    fn unsigned<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.head(UNSIGNED)?).ok()
    }

    #[inline(always)]
    fn signed<T: TryFrom<i64>>(&mut self) -> Option<T> {
        let (major, value) = self.item()?;
        let value = i64::try_from(value).ok()?;
        match major {
            UNSIGNED => T::try_from(value).ok(),
            NEGATIVE => T::try_from(-1 - value).ok(),
            _ => None,
        }
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.head(BYTES)?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn general(payload: &[u8]) -> Option<Candidates> {
        minicbor::decode(payload).ok()
    }

    fn any_memory() -> impl Strategy<Value = Memory> {
        let part = || prop::option::of(any::<u64>());
        (part(), part(), part(), part(), part(), part()).prop_map(|(a, b, c, d, e, f)| Memory {
            rss_anon_pages: a,
            rss_file_pages: b,
            rss_shmem_pages: c,
            swap_entries: d,
            pgtables_bytes: e,
            total_vm_pages: f,
        })
    }

    fn any_score() -> impl Strategy<Value = Score> {
        prop_oneof![
            Just(Score::NotScored),
            Just(Score::Unkillable),
            Just(Score::Unknown),
            any::<i64>().prop_map(Score::Points)
        ]
    }

    prop_compose! {
        fn any_candidate()(
            pid in any::<i32>(), tid in any::<i32>(), comm in prop::collection::vec(any::<u8>(), 0..40),
            uid in prop::option::of(any::<u32>()), oom_score_adj in prop::option::of(any::<i16>()),
            cgroup in prop::option::of(any::<u64>()), score in any_score(),
            memory in prop::option::of(any_memory()), flags in any::<u32>(),
        ) -> Candidate {
            let task = Task { pid, tid, comm: Name::from(comm), uid, oom_score_adj, cgroup };
            Candidate { task, score, memory, flags: TaskFlags(flags) }
        }
    }

    prop_compose! {
        fn any_run()(
            boot_ns in any::<u64>(), episode in any::<u64>(), first in any::<u32>(),
            tasks in prop::collection::vec(any_candidate(), 0..6),
        ) -> Candidates {
            Candidates { at: Stamp { boot_ns, episode }, first, tasks }
        }
    }

    proptest! {
        #[test]
        fn what_this_program_writes_is_read(run in any_run()) {
            let payload = minicbor::to_vec(&run).expect("memory does not fail");
            prop_assert_eq!(read(&payload), Some(run));
        }

        #[test]
        fn whatever_is_read_the_general_reader_reads_alike(
            run in any_run(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
        ) {
            let mut payload = minicbor::to_vec(&run).expect("memory does not fail");
            let place = at.index(payload.len());
            payload[place] = byte;
            if let Some(found) = read(&payload) {
                prop_assert_eq!(Some(found), general(&payload));
            }
            payload.truncate(cut.index(payload.len()));
            if let Some(found) = read(&payload) {
                prop_assert_eq!(Some(found), general(&payload));
            }
        }
    }

    #[test]
    fn other_forms_are_left_to_the_general_reader() {
        // A map of unknown length, a null, and a key that a newer writer may have.
        for payload in [
            &b"\xbf\x00\xa2\x00\x05\x01\x06\x01\x00\x02\x80\xff"[..],
            b"\xa3\x00\xa2\x00\x05\x01\x06\x01\x00\x02\x81\xa4\x00\xa4\x00\x01\x01\x01\x02\x41a\x03\xf6\x01\x82\x00\x80\x02\xf6\x03\x00",
            b"\xa4\x00\xa2\x00\x05\x01\x06\x01\x00\x02\x80\x18\x63\x00",
        ] {
            assert_eq!(read(payload), None);
            assert!(general(payload).is_some(), "{payload:x?}");
        }
    }

    #[test]
    fn a_length_is_not_believed() {
        // It says 2^40 candidates.
        assert_eq!(read(b"\xa1\x02\x9b\x00\x00\x01\x00\x00\x00\x00\x00"), None);
    }
}
