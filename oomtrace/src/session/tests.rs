//! Round trips, and files that are not as they should be: everything before the damage, nothing wrong, no panic.

use proptest::prelude::*;

use crate::made_up;
use crate::model::{Observation, SessionEnd};

use super::block::FULL;
use super::format::{self, FRAME_HEADER_LEN, HEADER_LEN, Major, Minor, Version};
use super::*;

struct Read {
    observations: Vec<Observation>,
    ending: String,
    end: Option<SessionEnd>,
    tally: Tally,
}

fn read(bytes: &[u8]) -> Result<Read, OpenError> {
    let mut reader = Reader::open(bytes)?;
    let mut observations = Vec::new();
    while let Some(observation) = reader.next_observation() {
        observations.push(observation);
    }
    let ending = reader.ending().map_or_else(String::new, |ending| format!("{ending:?}"));
    Ok(Read { observations, ending, end: reader.end(), tally: reader.tally() })
}

fn open_error(bytes: &[u8]) -> String {
    match Reader::open(bytes) {
        Ok(_) => "it opened".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// A frame of any kind and flags.
fn frame(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_le_bytes().to_vec();
    bytes.extend(kind.to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    bytes.extend(payload);
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend(checksum.to_le_bytes());
    bytes
}

/// Header and description of a session.
fn start() -> Vec<u8> {
    let mut bytes = format::file_header(format::VERSION).to_vec();
    format::append(&mut bytes, format::FrameRef::Info(&made_up::info())).expect("it is short");
    bytes
}

#[test]
fn what_is_written_is_read() {
    for (name, observations) in made_up::scenarios() {
        let plain = made_up::file(&made_up::info(), &observations);
        let packed = made_up::file_as(&made_up::info(), &observations, Compression::Zstd);
        assert!(packed.len() < plain.len(), "{name}");
        for bytes in [&plain, &packed] {
            let read = read(bytes).expect(name);
            assert_eq!(read.observations, observations, "{name}");
            assert_eq!(read.ending, "Complete", "{name}");
            assert_eq!(read.end, Some(made_up::end(&observations)), "{name}");
            assert_eq!(read.tally.frames, observations.len() as u64 + 2, "{name}");
            assert_eq!(read.tally.bytes, bytes.len() as u64, "{name}");
            assert_eq!(read.tally.unpacked, plain.len() as u64, "{name}");
        }
    }
}

/// One kill and its storm, with a commit between the observations here and there, as the pipeline makes them.
fn in_blocks(observations: &[Observation]) -> Vec<u8> {
    let mut writer =
        Writer::start(Vec::new(), &made_up::info(), Compression::Zstd).expect("memory takes everything");
    for (i, observation) in observations.iter().enumerate() {
        writer.observation(observation).expect("memory takes everything");
        if i % 5 == 4 {
            writer.commit().expect("memory takes everything");
        }
    }
    writer.end(&made_up::end(observations)).expect("memory takes everything")
}

#[test]
fn a_compressed_file_cut_off_anywhere_gives_everything_up_to_the_last_whole_block() {
    let observations = made_up::storm();
    let bytes = in_blocks(&observations);
    let mut counts = std::collections::BTreeSet::new();
    for len in start().len()..bytes.len() {
        let read = read(&bytes[..len]).expect("the description is there");
        assert!(read.ending.starts_with("Torn") || read.ending.starts_with("Unfinished"), "{len}");
        assert_eq!(read.observations, observations[..read.observations.len()], "{len}");
        assert!(counts.last().is_none_or(|&most| read.observations.len() >= most), "{len}");
        counts.insert(read.observations.len());
    }
    assert_eq!(counts.last(), Some(&observations.len()));
    assert!(counts.len() > 5, "{counts:?}");
}

#[test]
fn one_wrong_byte_in_a_compressed_file_never_gives_another_observation() {
    let observations = made_up::one_kill();
    let bytes = in_blocks(&observations);
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            if let Ok(read) = read(&damaged) {
                assert_eq!(read.observations, observations[..read.observations.len()], "{at}");
                assert_ne!(read.ending, "Complete", "{at}");
            }
        }
    }
}

#[test]
fn many_blocks_without_a_commit() {
    let run = made_up::one_kill().into_iter().find(|o| matches!(o, Observation::Candidates(_)));
    let observations: Vec<Observation> = std::iter::repeat_n(run.expect("there is one"), 3000).collect();
    let bytes = made_up::file_as(&made_up::info(), &observations, Compression::Zstd);
    let read = read(&bytes).expect("it opens");
    assert_eq!(read.observations, observations);
    assert!(read.tally.unpacked > 2 * FULL as u64);
    assert!(read.tally.bytes * 20 < read.tally.unpacked);
}

/// A block of anything, with a checksum that is right.
fn block(how: u32, len: u32, packed: &[u8]) -> Vec<u8> {
    frame(format::kind::BLOCK, 0, &[&how.to_le_bytes()[..], &len.to_le_bytes(), packed].concat())
}

#[test]
fn blocks_that_are_not_right_end_the_reading() {
    let inside = frame(format::kind::CLOCK, 0, b"\xa1\x00\x05");
    let mut packed = Vec::with_capacity(1000);
    zstd_safe::compress(&mut packed, &inside, 1).expect("there is room");
    let len = inside.len() as u32;
    let offset = start().len();
    let read = |more: &[u8]| read(&[&start()[..], more].concat()).expect("it opens");
    let good = read(&block(1, len, &packed));
    assert_eq!((good.observations.len(), good.tally.frames), (1, 2));
    for (bad, why) in [
        (block(1, len - 1, &packed), "longer than it says"),
        (block(1, len + 1, &packed), "shorter than it says"),
        (block(1, len, &packed[..packed.len() - 1]), "cut off"),
        (block(1, len, b"no zstd"), "not compressed"),
        (block(1, 0xffff_ffff, &packed), "of a length that is not allowed"),
        (frame(format::kind::BLOCK, 0, b"\x01\0\0"), "without its head"),
    ] {
        let read = read(&[&bad[..], &inside].concat());
        assert_eq!(read.ending, format!("BadBlock {{ offset: {offset} }}"), "{why}");
        assert_eq!(read.observations.len(), 0, "{why}");
    }
    // Compressed in a way that is not known yet: passed over, as kinds of frames are.
    let read = read(&[&block(7, len, &packed)[..], &inside].concat());
    assert_eq!((read.observations.len(), read.tally.unknown), (1, 1));
}

#[test]
fn frames_in_a_block_are_checked_as_those_outside() {
    let pack = |frames: &[u8]| {
        let mut packed = Vec::with_capacity(1000);
        zstd_safe::compress(&mut packed, frames, 1).expect("there is room");
        block(1, frames.len() as u32, &packed)
    };
    let clock = frame(format::kind::CLOCK, 0, b"\xa1\x00\x05");
    let end = frame(format::kind::END, 0, b"\xa2\x00\x05\x01\xa0");
    let found = |frames: &[&[u8]]| read(&[&start()[..], &pack(&frames.concat())].concat()).expect("it opens");
    let read = found(&[&clock, &frame(9999, 0, b"new"), &frame(format::kind::CLOCK, 0, b"not CBOR"), &clock]);
    assert_eq!((read.observations.len(), read.tally.unknown, read.tally.unreadable), (2, 1, 1));
    // An end, a description, and a block belong outside.
    let read = found(&[&clock, &end, &start()[HEADER_LEN..], &pack(&clock), &clock]);
    assert_eq!(
        (read.observations.len(), read.end, read.tally.unknown, read.tally.unreadable),
        (2, None, 1, 2)
    );
    let mut bad = clock.clone();
    bad[FRAME_HEADER_LEN + 2] = 6;
    for torn in [&bad[..], &clock[..clock.len() - 1], &clock[..3]] {
        let read = found(&[&clock, torn]);
        assert_eq!(read.observations.len(), 1);
        assert!(read.ending.starts_with("BadBlock"), "{}", read.ending);
    }
}

#[test]
fn cut_off_anywhere_everything_whole_before_is_read() {
    let observations = made_up::one_kill();
    let bytes = made_up::file(&made_up::info(), &observations);
    let mut most = 0;
    for len in 0..bytes.len() {
        match read(&bytes[..len]) {
            Err(OpenError::Empty | OpenError::TornHeader { .. } | OpenError::NoInfo(_)) => {
                assert!(len < start().len(), "{len}");
            }
            Err(other) => panic!("{len}: {other}"),
            Ok(read) => {
                assert!(read.ending.starts_with("Torn") || read.ending.starts_with("Unfinished"), "{len}");
                assert_eq!(read.observations, observations[..read.observations.len()], "{len}");
                assert!(read.observations.len() >= most, "{len}");
                most = read.observations.len();
            }
        }
    }
    assert_eq!(most, observations.len());
}

#[test]
fn one_wrong_byte_anywhere_never_gives_another_observation() {
    let observations = made_up::one_kill();
    let bytes = made_up::file(&made_up::info(), &observations);
    for at in 0..bytes.len() {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            if let Ok(read) = read(&damaged) {
                assert_eq!(read.observations, observations[..read.observations.len()], "{at}");
                assert_ne!(read.ending, "Complete", "{at}");
            }
        }
    }
}

#[test]
fn other_files_are_told_by_what_they_are() {
    for (bytes, told) in [
        (&b""[..], "the file is empty; a recording has at least a header"),
        (b"\x1f\x8b\x08\0\0", "not an oomtrace recording: it looks like a gzip file (unpack it first)"),
        (
            b"\x7fELF\x02\x01",
            "not an oomtrace recording: it looks like an ELF file (a program or a core dump)",
        ),
        (b"PERFILE2aaaaaaaaaaaaa", "not an oomtrace recording: it looks like perf.data"),
        (
            b"{\"type\":\"session\"}\n",
            "not an oomtrace recording: it looks like JSON (the output of --json cannot be replayed, a recording made \
             with -o can)",
        ),
        (
            b"[  12.345678] python invoked oom-killer: gfp_mask=0xcc0\n",
            "not an oomtrace recording: it looks like a kernel log in text form",
        ),
        (
            b"Aug 14 14:03:22 host kernel: python invoked oom-killer\n",
            "not an oomtrace recording: it looks like a kernel log in text form",
        ),
        (b"hello\n", "not an oomtrace recording: it looks like a text file"),
        (
            b"\x89OOM\n\x1a\n\0\0",
            "not an oomtrace recording: it looks like a recording that was sent as text: transfer it as binary",
        ),
        (b"\0\x01\x02", "not an oomtrace recording"),
        (b"\x89OOM\r\n", "the recording is cut off inside its header, after 6 bytes"),
    ] {
        assert_eq!(open_error(bytes), told);
    }
}

#[test]
fn newer_versions() {
    let mut bytes = made_up::file(&made_up::info(), &made_up::one_kill());
    let newer_minor = Version { minor: Minor(7), ..format::VERSION };
    bytes[..HEADER_LEN].copy_from_slice(&format::file_header(newer_minor));
    assert_eq!(read(&bytes).expect("a newer minor is read").ending, "Complete");
    let newer_major = Version { major: Major(2), minor: Minor(3) };
    bytes[..HEADER_LEN].copy_from_slice(&format::file_header(newer_major));
    assert_eq!(
        open_error(&bytes),
        "the recording has format 2.3, this oomtrace reads 1.x; use the oomtrace that made it, or a newer one"
    );
    bytes[12] ^= 1;
    assert_eq!(open_error(&bytes), "the recording's header is damaged (its checksum is wrong)");
}

#[test]
fn frames_of_unknown_kinds_are_passed_over_and_counted() {
    let mut bytes = start();
    bytes.extend(frame(9999, 0, b"from the future"));
    bytes.extend(frame(format::kind::CLOCK, 0x0001, b"must know"));
    bytes.extend(frame(format::kind::CLOCK, 0x0100, b"\xa1\x00\x05"));
    bytes.extend(frame(format::kind::CLOCK, 0, b"not CBOR"));
    bytes.extend(frame(format::kind::END, 0, b"\xa2\x00\x05\x01\xa0"));
    let read = read(&bytes).expect("it opens");
    assert_eq!(read.observations.len(), 1);
    assert_eq!((read.tally.frames, read.tally.unknown, read.tally.unreadable), (6, 2, 1));
    assert_eq!(read.ending, "Complete");
    assert_eq!(read.end.map(|end| end.boot_ns), Some(5));
}

#[test]
fn damage_ends_the_reading_and_says_where() {
    let whole = start();
    let offset = whole.len();
    let ending = |more: &[u8]| read(&[&whole[..], more].concat()).expect("it opens").ending;
    assert_eq!(ending(b""), format!("Unfinished {{ offset: {offset} }}"));
    assert_eq!(ending(b"\x05"), format!("Torn {{ offset: {offset} }}"));
    let too_long = [0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0];
    assert_eq!(ending(&too_long), format!("TooLong {{ offset: {offset}, len: 4294967295 }}"));
    let mut bad = frame(format::kind::CLOCK, 0, b"\xa1\x00\x05");
    bad[FRAME_HEADER_LEN + 2] = 6;
    assert_eq!(ending(&bad), format!("BadChecksum {{ offset: {offset} }}"));
    let end = frame(format::kind::END, 0, b"\xa2\x00\x05\x01\xa0");
    let after = offset + end.len();
    assert_eq!(ending(&[&end[..], b"x"].concat()), format!("Trailing {{ offset: {after} }}"));
}

/// Every session of a file: observations, ending, and whether it has its end.
fn sessions(bytes: &[u8]) -> (Vec<(usize, String, bool)>, Option<String>) {
    let mut found = Vec::new();
    let mut next = Some(Reader::open(bytes));
    while let Some(opened) = next.take() {
        let mut reader = match opened {
            Ok(reader) => reader,
            Err(error) => return (found, Some(error.to_string())),
        };
        let observations = std::iter::from_fn(|| reader.next_observation()).count();
        let ending = reader.ending().map_or_else(String::new, |ending| format!("{ending:?}"));
        found.push((observations, ending, reader.end().is_some()));
        next = reader.next_session();
    }
    (found, None)
}

#[test]
fn sessions_that_were_put_behind_one_another_are_read_one_after_the_other() {
    let of = |observations: &[Observation], compression| {
        made_up::file_as(&made_up::info(), observations, compression)
    };
    let one = of(&made_up::one_kill(), Compression::Zstd);
    let other = of(&made_up::storm(), Compression::None);
    let count = [made_up::one_kill().len(), made_up::storm().len()];
    let complete = "Complete".to_owned();
    let three = [&one[..], &other, &one].concat();
    let whole = |count| (count, complete.clone(), true);
    assert_eq!(sessions(&three), (vec![whole(count[0]), whole(count[1]), whole(count[0])], None));
    // One that has no end, but ends behind a whole frame.
    let mut unended = in_blocks(&made_up::one_kill());
    let end_len = 16 + FRAME_HEADER_LEN;
    while sessions(&unended).0[0].1 != format!("Unfinished {{ offset: {} }}", unended.len()) {
        unended.pop();
        assert!(unended.len() + 20 * end_len > one.len(), "the end is short");
    }
    let unfinished = (count[0], format!("Unfinished {{ offset: {} }}", unended.len()), false);
    let two = [&unended[..], &other].concat();
    assert_eq!(sessions(&two), (vec![unfinished, whole(count[1])], None));
    // Offsets are the file's.
    let (found, _) = sessions(&[&one[..], &unended].concat());
    assert_eq!(found[1].1, format!("Unfinished {{ offset: {} }}", one.len() + unended.len()));
    let (found, _) = sessions(&three[..three.len() - 1]);
    assert!(found[2].1.starts_with("Torn"), "{found:?}");
    // What is torn inside a frame ends the reading, whatever follows.
    let torn = [&unended[..unended.len() - 1], &other].concat();
    assert_eq!(sessions(&torn).0.len(), 1);
    assert!(sessions(&torn).0[0].1.starts_with("BadChecksum"), "{:?}", sessions(&torn).0);
}

#[test]
fn what_follows_an_end_and_is_no_session_is_damage() {
    let one = made_up::file(&made_up::info(), &made_up::one_kill());
    let trailing = format!("Trailing {{ offset: {} }}", one.len());
    let again = frame(format::kind::CLOCK, 0, b"\xa1\x00\x05");
    for more in [&b"x"[..], &again, b"\x89OOM\r\n\x1a", &[0xff; 40]] {
        let (found, error) = sessions(&[&one[..], more].concat());
        assert_eq!((found.len(), found[0].1.clone(), error), (1, trailing.clone(), None), "{more:?}");
    }
    // A header that cannot be read is told as such.
    let mut bad = one.clone();
    bad[12] ^= 1;
    let (found, error) = sessions(&[&one[..], &bad].concat());
    assert_eq!((found.len(), &found[0].1[..]), (1, "Complete"));
    assert_eq!(error.as_deref(), Some("the recording's header is damaged (its checksum is wrong)"));
    let (found, error) = sessions(&[&one[..], &one[..10]].concat());
    assert_eq!(
        (found.len(), error.as_deref()),
        (1, Some("the recording is cut off inside its header, after 10 bytes"))
    );
}

#[test]
fn the_first_frame_is_the_description() {
    let mut bytes = format::file_header(format::VERSION).to_vec();
    bytes.extend(frame(format::kind::CLOCK, 0, b"\xa1\x00\x05"));
    assert_eq!(open_error(&bytes), "the recording does not begin with a description of its session");
}

#[test]
fn a_writer_that_failed_writes_no_more() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    assert!(Writer::start(full, &made_up::info(), Compression::Zstd).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
        let mut with_start = start();
        with_start.extend(&bytes);
        let _ = read(&with_start);
        let _ = read(&[start(), block(1, 4096, &bytes)].concat());
    }

    #[test]
    fn any_payload_of_any_kind_is_read_without_panic(kind in 0u16..48, payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = start();
        bytes.extend(frame(kind, 0, &payload));
        let _ = read(&bytes);
    }

    #[test]
    fn any_values_survive(
        boot_ns in any::<u64>(), episode in any::<u64>(), pid in any::<i32>(), comm in prop::collection::vec(any::<u8>(), 0..40),
        points in any::<i64>(), pages in prop::option::of(any::<u64>()), flags in any::<u32>(), adj in prop::option::of(any::<i16>()),
    ) {
        use crate::model::Name;
        use crate::model::observation::*;
        use crate::model::names::Named;
        let name = Name::from(&comm[..]);
        let task = Task { pid, tid: pid, comm: Name::from(comm), uid: None, oom_score_adj: adj, cgroup: pages };
        let memory = Some(Memory { rss_anon_pages: pages, ..Memory::default() });
        let candidate = Candidate { task, score: Score::Points(points), memory, flags: TaskFlags(flags) };
        let at = Stamp { boot_ns, episode };
        let observations = vec![
            Observation::Candidates(Candidates { at, first: flags, tasks: vec![candidate.clone(), Candidate::default()] }),
            Observation::Kill(Kill { at, victim: candidate, message: None }),
            Observation::Clock(Clock { boot_ns }),
            Observation::Named(Named {
                container_id: adj.map(|_| name.clone()), pod_uid: Some(name.clone()), namespace: Some(name.clone()),
                pod: Some(name), container: None,
            }),
        ];
        for compression in [Compression::None, Compression::Zstd] {
            let bytes = made_up::file_as(&made_up::info(), &observations, compression);
            prop_assert_eq!(&read(&bytes).expect("it opens").observations, &observations);
        }
    }
}
