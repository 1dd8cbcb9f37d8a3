//! Recordings that were cut off anywhere, or in which any bit is wrong: no panic, no wrong episode, everything before the damage, and the exit
//! code of what is not whole.

#[path = "support/hostile.rs"]
mod hostile;
#[path = "support/made_up.rs"]
mod made_up;

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use oomtrace::exit::Exit;
use oomtrace::filter::Filter;
use oomtrace::model::{Episode, Gap, Observation, SessionInfo};
use oomtrace::pipeline::Pipeline;
use oomtrace::session::{Compression, Reader, Writer, encode};
use oomtrace::sink::{FanOut, Sink, Totals};

#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<Episode>>>);

impl Sink for Shown {
    fn start(&mut self, _: &SessionInfo) -> std::io::Result<()> {
        Ok(())
    }
    fn origin(&mut self, _: &SessionInfo) -> std::io::Result<()> {
        Ok(())
    }
    fn gap(&mut self, gap: &Gap) -> std::io::Result<()> {
        panic!("nobody made {gap:?}")
    }
    fn episode(&mut self, episode: &Episode) -> std::io::Result<()> {
        self.0.lock().expect("fine").push(episode.clone());
        Ok(())
    }
    fn end(&mut self, _: &Totals) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a recording shows, how that ends, and how many bytes were whole; `None` when it cannot be opened.
fn replay(file: &[u8]) -> Option<(Vec<Episode>, Exit, u64)> {
    let mut reader = Reader::open(file).ok()?;
    let shown = Shown::default();
    let mut sinks = FanOut::default();
    sinks.add("what is shown", Box::new(shown.clone()));
    let mut pipeline = Pipeline::new(sinks, Filter::default(), |message| panic!("{message}"));
    assert!(pipeline.start(reader.info()).is_continue());
    while let Some(observation) = reader.next_observation() {
        assert!(pipeline.push(observation).is_continue());
    }
    let summary = pipeline.finish(reader.end());
    // As the program judges it.
    let whole = reader.ending().is_some_and(oomtrace::session::Ending::is_complete);
    let exit = summary.exit().max(if whole { Exit::Done } else { Exit::Lossy });
    let episodes = std::mem::take(&mut *shown.0.lock().expect("fine"));
    Some((episodes, exit, reader.tally().bytes))
}

/// Kinds of episodes in a session.
const ROUNDS: usize = 4;

/// Several episodes of different kinds in one session, committed as a capture commits them; numbers and times go on.
fn session(compression: Compression) -> Vec<u8> {
    let kinds = [made_up::one_kill(), made_up::storm(), made_up::group_kill(), made_up::none_killable()];
    let mut writer =
        Writer::start(Vec::new(), &made_up::info(), compression).expect("memory takes everything");
    let mut last = 0;
    for (round, kind) in (0..).zip(kinds.iter().take(ROUNDS)) {
        let first = last;
        for mut observation in kind.iter().cloned() {
            if let Some(at) = observation.stamp_mut() {
                at.boot_ns += round * 400_000 * made_up::MS;
                if at.episode > 0 {
                    at.episode += first;
                    last = last.max(at.episode);
                }
            } else if let Observation::Clock(clock) = &mut observation {
                clock.boot_ns += round * 400_000 * made_up::MS;
            }
            let commit = matches!(observation, Observation::Closed(_) | Observation::Exited(_));
            writer.observation(&observation).expect("memory takes everything");
            if commit {
                writer.commit().expect("memory takes everything");
            }
        }
    }
    let mut end = made_up::end(&[]);
    end.boot_ns += ROUNDS as u64 * 400_000 * made_up::MS;
    writer.end(&end).expect("memory takes everything")
}

/// The sessions that are damaged: compressed, not compressed, and real ones.
fn sessions() -> Vec<(String, Vec<u8>)> {
    let mut all = vec![
        ("plain".to_owned(), session(Compression::None)),
        ("packed".to_owned(), session(Compression::Zstd)),
    ];
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    for name in ["linux-6.1-memcg", "v1.2-packed-storm", "v1.0-group-kill"] {
        if let Ok(file) = fs::read(corpus.join(format!("{name}.oomtrace"))) {
            all.push((name.to_owned(), file));
        }
    }
    all
}

/// Checks what a damaged file shows against what the whole one shows; tells how many episodes were as they are there.
fn check(what: &str, damaged: &[u8], whole: &[Episode]) -> usize {
    let Some((episodes, exit, _)) = replay(damaged) else { return 0 };
    assert_eq!(exit, Exit::Lossy, "{what}");
    let same = episodes.iter().zip(whole).take_while(|(found, of_whole)| found == of_whole).count();
    // Those that are not the same were not over.
    for episode in &episodes[same..] {
        assert!(episode.cut_off, "{what}: {episode:?}");
        assert!(
            whole.iter().any(|of_whole| of_whole.id == episode.id || of_whole.folded.span_ns.is_some()),
            "{what}"
        );
    }
    same
}

#[test]
fn cut_off_at_every_byte() {
    for (name, file) in sessions() {
        let (whole, exit, _) = replay(&file).expect("it is whole");
        assert_eq!(exit, Exit::Done, "{name}");
        // Each byte more shows as much, or more. Those that were not made for this are cut at some thousand bytes.
        let step = if ["plain", "packed"].contains(&&name[..]) { 1 } else { file.len() / 1500 + 1 };
        let mut most = 0;
        for len in (0..file.len()).step_by(step) {
            let same = check(&format!("{name} cut off at {len}"), &file[..len], &whole);
            assert!(same >= most, "{name} cut off at {len}: {same} of {most} before");
            most = same;
        }
        assert_eq!(check(&name, &file[..file.len() - 1], &whole), whole.len(), "{name}");
    }
}

#[test]
fn ten_thousand_wrong_bits() {
    let sessions = sessions();
    let whole: Vec<_> = sessions.iter().map(|(_, file)| replay(file).expect("it is whole").0).collect();
    let mut found = 0;
    let mut before = std::collections::HashMap::new();
    for seed in 0..10_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let chosen = random.usize(..sessions.len());
        let (name, file) = &sessions[chosen];
        let mut damaged = file.clone();
        let bit = random.usize(..8 * file.len());
        damaged[bit / 8] ^= 1 << (bit % 8);
        // Everything before the damage is there: what the file gives that ends where the damaged frame begins.
        let what = format!("seed {seed}: {name}, bit {bit}");
        let same = check(&what, &damaged, &whole[chosen]);
        if let Some((_, _, bytes)) = replay(&damaged) {
            assert!(bytes <= bit as u64 / 8, "{what}: read {bytes} bytes");
            let of_before = *before.entry((chosen, bytes)).or_insert_with(|| {
                let end = usize::try_from(bytes).expect("it is short");
                let before = replay(&file[..end]).expect("the head is there").0;
                before.iter().zip(&whole[chosen]).take_while(|(a, b)| a == b).count()
            });
            assert_eq!(same, of_before, "{what}");
        }
        found += same;
    }
    assert!(found > 1_000, "{found}");
}

/// A fixed number of hostile files and records from fixed seeds: the fuzz targets do the same with what they come upon.
#[test]
fn mutated_sessions_do_no_harm() {
    let head = encode::head(&made_up::info()).expect("it is short");
    let sessions = sessions();
    for seed in 0..3_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = sessions[random.usize(..sessions.len())].1.clone();
        bytes.truncate(random.usize(100..20_000));
        mutate(&mut bytes, &mut random);
        bytes.insert(0, random.u8(..));
        hostile::session(&bytes, &head);
    }
}

#[test]
fn mutated_records_do_no_harm() {
    let info = made_up::info();
    for seed in 0..3_000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bytes = Vec::new();
        for _ in 0..random.usize(1..8) {
            let len = random.u16(..3000);
            bytes.push(random.u8(..48));
            bytes.extend(len.to_le_bytes());
            let fill = [0, 1, 0xff, random.u8(..)];
            bytes.extend((0..len).map(|_| fill[random.usize(..4)]));
        }
        mutate(&mut bytes, &mut random);
        hostile::records(&bytes, &info);
    }
}

fn mutate(bytes: &mut Vec<u8>, random: &mut fastrand::Rng) {
    for _ in 0..random.usize(1..12) {
        let at = random.usize(..bytes.len().max(1));
        match random.u8(..6) {
            0 if at < bytes.len() => bytes[at] = random.u8(..),
            1 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            2 => drop(bytes.drain(at.min(bytes.len())..(at + random.usize(..40)).min(bytes.len()))),
            3 => {
                let piece = bytes[at.min(bytes.len())..(at + random.usize(..200)).min(bytes.len())].to_vec();
                let to = random.usize(..=bytes.len());
                drop(bytes.splice(to..to, piece));
            }
            4 => bytes.insert(at.min(bytes.len()), [0, 1, 0x7f, 0x80, 0xff][random.usize(..5)]),
            _ => bytes.truncate(at.max(1)),
        }
    }
}
