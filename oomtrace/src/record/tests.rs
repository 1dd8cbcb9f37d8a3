//! What is recorded while the target is slow, fails, or changes.

use std::io;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Condvar, Mutex};

use super::*;
use crate::made_up;
use crate::model::{Gap, Observation};
use crate::session::{Compression, Ending, Reader};

/// What the target says to the next pieces, and when it is to keep them, one after the other; then yes to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Take,
    Fail,
    Anew,
    Keep,
    FailToKeep,
}

/// Files in memory, as a target that follows a script.
#[derive(Clone, Default)]
struct Scripted(Arc<Script>);

#[derive(Default)]
struct Script {
    answers: Mutex<Vec<Answer>>,
    files: Mutex<Vec<Vec<u8>>>,
    head: Mutex<Vec<u8>>,
    kept: AtomicUsize,
    syncs: AtomicUsize,
    /// Nothing is written while it is held.
    held: Mutex<bool>,
    let_go: Condvar,
}

impl Scripted {
    fn with(answers: &[Answer]) -> Self {
        let this = Self::default();
        *this.0.answers.lock().expect("fine") = answers.iter().rev().copied().collect();
        this
    }

    fn hold(&self, hold: bool) {
        *self.0.held.lock().expect("fine") = hold;
        self.0.let_go.notify_all();
    }

    fn files(&self) -> Vec<Vec<u8>> {
        self.0.files.lock().expect("fine").clone()
    }
}

impl Target for Scripted {
    fn name(&self) -> &str {
        "the file"
    }

    fn begin(&mut self, head: &[u8]) -> io::Result<()> {
        head.clone_into(&mut self.0.head.lock().expect("fine"));
        self.0.files.lock().expect("fine").push(head.to_vec());
        Ok(())
    }

    fn write(&mut self, piece: &Piece<'_>) -> Result<(), Fault> {
        let held = self.0.held.lock().expect("fine");
        drop(self.0.let_go.wait_while(held, |held| *held).expect("fine"));
        let mut files = self.0.files.lock().expect("fine");
        let mut answers = self.0.answers.lock().expect("fine");
        match answers.pop_if(|answer| !matches!(answer, Answer::Keep | Answer::FailToKeep)) {
            Some(Answer::Fail) => return Err(Fault::Failed(io::Error::other("no room"))),
            Some(Answer::Anew) => {
                files.push(self.0.head.lock().expect("fine").clone());
                return Err(Fault::Anew(Some("it was wanted")));
            }
            _ => {}
        }
        files.last_mut().expect("it was begun").extend_from_slice(piece.bytes);
        Ok(())
    }

    fn make_durable(&mut self) -> io::Result<()> {
        let mut files = self.0.files.lock().expect("fine");
        let file = files.last_mut().expect("it was begun");
        self.0.syncs.fetch_add(1, SeqCst);
        let mut answers = self.0.answers.lock().expect("fine");
        let answer = answers.pop_if(|answer| matches!(answer, Answer::Keep | Answer::FailToKeep));
        if answer == Some(Answer::FailToKeep) {
            file.truncate(self.0.kept.load(SeqCst));
            return Err(io::Error::other("the disk is broken"));
        }
        self.0.kept.store(file.len(), SeqCst);
        Ok(())
    }
}

/// Messages that were said.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn report(&self) -> Report {
        let heard = self.0.clone();
        Report::new(move |message| heard.lock().expect("fine").push(message))
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().expect("fine").clone()
    }
}

fn start(target: &Scripted, options: Options) -> (Recorder, Heard) {
    let heard = Heard::default();
    let recorder = Recorder::start(Box::new(target.clone()), &made_up::info(), options, heard.report());
    (recorder.expect("memory takes everything"), heard)
}

/// An episode of its own number and time.
fn episode(number: u64) -> Vec<Observation> {
    let mut observations = made_up::one_kill();
    for observation in &mut observations {
        if let Some(at) = observation.stamp_mut() {
            at.boot_ns += number * 10 * 1_000_000_000;
            if at.episode > 0 {
                at.episode = number;
            }
        }
    }
    observations
}

/// Records an episode, committed behind it, and waits for that.
fn record(recorder: &mut Recorder, number: u64) {
    episode(number).iter().for_each(|observation| recorder.observation(observation));
    recorder.commit(true);
    recorder.settle(std::time::Duration::from_secs(10));
}

fn read(file: &[u8]) -> (Vec<Observation>, bool) {
    let mut reader = Reader::open(file).expect("it opens");
    let observations = std::iter::from_fn(|| reader.next_observation()).collect();
    let complete = reader.ending().is_some_and(Ending::is_complete);
    assert!(complete || matches!(reader.ending(), Some(Ending::Unfinished { .. })), "{:?}", reader.ending());
    (observations, complete)
}

/// Numbers of the episodes whose entry is in a file, and gaps between them as 0.
fn numbers(observations: &[Observation]) -> Vec<u64> {
    let number = |observation: &Observation| match observation {
        Observation::Opened(opened) => Some(opened.at.episode),
        Observation::Gap(_) => Some(0),
        _ => None,
    };
    observations.iter().filter_map(number).collect()
}

fn gaps(observations: &[Observation]) -> Vec<&Gap> {
    let mut gaps = Vec::new();
    for observation in observations {
        if let Observation::Gap(gap) = observation {
            gaps.push(gap);
        }
    }
    gaps
}

const ALL: Options =
    Options { compression: Compression::Zstd, sync: Sync::Episode, when_full: WhenFull::Wait };

#[test]
fn what_fails_is_tried_again_and_told_where_it_is_missing() {
    use Answer::{Fail, Take};
    let target = Scripted::with(&[Take, Fail, Fail, Take]);
    let (mut recorder, heard) = start(&target, ALL);
    (1..=5).for_each(|number| record(&mut recorder, number));
    let outcome = recorder.finish(Some(&made_up::end(&episode(5))));
    let (observations, complete) = read(&target.files()[0]);
    assert_eq!((numbers(&observations), complete), (vec![1, 0, 4, 5], true));
    let one = episode(2);
    let gap = gaps(&observations)[0];
    assert_eq!((gap.cause, gap.records, gap.episodes), (Gap::TARGET, Some(2 * one.len() as u64), Some(2)));
    assert_eq!((gap.newest_episode, gap.error.as_deref()), (3, Some("no room")));
    assert_eq!(gap.first_boot_ns, one.iter().filter_map(Observation::boot_ns).min());
    assert_eq!(gap.last_boot_ns, episode(3).iter().filter_map(Observation::boot_ns).max());
    let extent = outcome.left_out.expect("it is missing");
    assert_eq!((extent.records, extent.episodes), (2 * one.len() as u64, 2));
    assert!(!outcome.failed);
    let heard = heard.all();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[0].starts_with("the file: recording is interrupted: no room; "), "{heard:?}");
    assert!(heard[1].starts_with("the file: recording goes on; "), "{heard:?}");
    // The names that went with them are told again: behind the gap, before anything that needs them.
    let names = |of: &[Observation]| of.iter().filter(|o| matches!(o, Observation::Cgroup(_))).count();
    assert_eq!(names(&observations), 5 * names(&one));
}

#[test]
fn what_stays_broken_is_told_at_the_end() {
    let target = Scripted::with(&[Answer::Take, Answer::Fail, Answer::Fail]);
    let (mut recorder, heard) = start(&target, ALL);
    (1..=2).for_each(|number| record(&mut recorder, number));
    let outcome = recorder.finish(Some(&made_up::end(&[])));
    assert!(outcome.failed && outcome.left_out.is_some());
    assert_eq!(numbers(&read(&target.files()[0]).0), [1]);
    assert!(heard.all()[1].contains("recording failed: no room; "), "{:?}", heard.all());
}

#[test]
fn what_could_not_be_made_durable_is_missing() {
    use Answer::{FailToKeep, Keep, Take};
    let target = Scripted::with(&[Take, Keep, Take, FailToKeep]);
    let (mut recorder, heard) = start(&target, ALL);
    (1..=3).for_each(|number| record(&mut recorder, number));
    let outcome = recorder.finish(Some(&made_up::end(&[])));
    let (observations, complete) = read(&target.files()[0]);
    assert_eq!((numbers(&observations), complete), (vec![1, 0, 3], true));
    assert_eq!(gaps(&observations)[0].error.as_deref(), Some("the disk is broken"));
    assert_eq!(outcome.left_out.map(|extent| extent.episodes), Some(1));
    assert_eq!(heard.all().len(), 2, "{:?}", heard.all());
}

#[test]
fn another_file_has_what_it_needs() {
    use Answer::{Anew, Take};
    let target = Scripted::with(&[Take, Anew, Take, Take, Anew]);
    let (mut recorder, heard) = start(&target, ALL);
    (1..=2).for_each(|number| record(&mut recorder, number));
    // Half an episode, and the file changes in the middle of it.
    let third = episode(3);
    let (first, second) = third.split_at(third.len() / 2);
    first.iter().for_each(|observation| recorder.observation(observation));
    recorder.commit(false);
    recorder.settle(std::time::Duration::from_secs(10));
    second.iter().for_each(|observation| recorder.observation(observation));
    recorder.commit(true);
    recorder.settle(std::time::Duration::from_secs(10));
    record(&mut recorder, 4);
    assert_eq!(recorder.finish(Some(&made_up::end(&[]))), Outcome::default());
    let files: Vec<_> = target.files().iter().map(|file| read(file)).collect();
    let found: Vec<_> = files.iter().map(|(file, complete)| (numbers(file), *complete)).collect();
    assert_eq!(found, [(vec![1], false), (vec![2, 3], false), (vec![0, 4], true)]);
    let gap = gaps(&files[2].0)[0];
    assert_eq!((gap.cause, gap.records, gap.newest_episode), (Gap::ELSEWHERE, None, 3));
    // Each is read for itself as if it were the only one.
    let episodes = |file: &[Observation]| {
        let mut assembler = crate::assemble::Assembler::new(&made_up::info());
        let mut episodes: Vec<_> = file.iter().cloned().flat_map(|o| assembler.push(o)).collect();
        episodes.extend(assembler.finish());
        episodes
    };
    let ids: Vec<Vec<u64>> =
        files.iter().map(|(file, _)| episodes(file).iter().map(|e| e.id).collect()).collect();
    assert_eq!(ids, [vec![1], vec![2, 3], vec![4]]);
    assert_eq!(episodes(&files[1].0)[0], episodes(&episode(2))[0], "names and all");
    assert_eq!(episodes(&files[1].0)[1].outcome, crate::model::episode::Outcome::Incomplete);
    assert_eq!(heard.all().len(), 2, "{:?}", heard.all());
}

#[test]
fn the_ring_is_not_kept_waiting() {
    let target = Scripted::default();
    let options = Options { when_full: WhenFull::LeaveOut, ..ALL };
    let (mut recorder, heard) = start(&target, options);
    target.hold(true);
    // Far more than there is room for: nothing of it waits.
    let all = 3000;
    for number in 1..=all {
        episode(number).iter().for_each(|observation| recorder.observation(observation));
        recorder.commit(true);
    }
    assert_eq!(heard.all().len(), 1, "{:?}", heard.all());
    target.hold(false);
    recorder.settle(std::time::Duration::from_secs(60));
    record(&mut recorder, all + 1);
    let outcome = recorder.finish(Some(&made_up::end(&[])));
    let (observations, complete) = read(&target.files()[0]);
    let found = numbers(&observations);
    let gap = gaps(&observations)[0];
    assert!(complete && !outcome.failed);
    assert_eq!(gap.cause, Gap::BEHIND);
    assert_eq!(found.last(), Some(&(all + 1)));
    let missing = gap.episodes.expect("they are counted");
    assert_eq!(found.len() as u64 - 1 + missing, all + 1, "each is there or counted");
    assert!(missing > 10 && found.len() > 100, "{missing} {}", found.len());
    let records = (all + 1) * episode(1).len() as u64;
    assert_eq!(observations.len() as u64 - 1 + gap.records.expect("they are counted"), records);
    assert_eq!(outcome.left_out.map(|extent| Some(extent.records)), Some(gap.records));
    // What is written with it in the way is a pass or none.
    let bytes = gap.bytes.expect("they are counted") / gap.records.expect("they are");
    assert!((10..10_000).contains(&bytes), "{bytes}");
}

#[test]
fn small_pieces_do_not_use_up_the_room() {
    let target = Scripted::default();
    let (mut recorder, heard) = start(&target, Options { when_full: WhenFull::LeaveOut, ..ALL });
    target.hold(true);
    for number in 1..=100 {
        episode(number).iter().for_each(|observation| recorder.observation(observation));
        recorder.commit(true);
    }
    target.hold(false);
    let outcome = recorder.finish(Some(&made_up::end(&[])));
    assert_eq!((outcome, heard.all().len()), (Outcome::default(), 0));
    assert_eq!(numbers(&read(&target.files()[0]).0), (1..=100).collect::<Vec<_>>());
}

#[test]
fn what_was_committed_does_not_wait_for_what_was_added_to_it() {
    let target = Scripted::default();
    let (mut recorder, _) = start(&target, Options { when_full: WhenFull::LeaveOut, ..ALL });
    target.hold(true);
    for number in 1..=100 {
        episode(number).iter().for_each(|observation| recorder.observation(observation));
        recorder.commit(true);
    }
    // Of another pass, and nobody says that it is to be written.
    recorder.observation(&episode(101)[0]);
    target.hold(false);
    recorder.await_writer(std::time::Duration::from_secs(60));
    let (written, _) = read(&target.files()[0]);
    assert!((1..=100).all(|number| numbers(&written).contains(&number)), "{:?}", numbers(&written));
}

#[test]
fn how_often_it_is_made_durable() {
    for (sync, least, most) in [(Sync::None, 0, 0), (Sync::Episode, 5, 6), (Sync::Always, 5, 6)] {
        let target = Scripted::default();
        let (mut recorder, _) = start(&target, Options { sync, ..ALL });
        (1..=5).for_each(|number| record(&mut recorder, number));
        recorder.finish(Some(&made_up::end(&[])));
        let syncs = target.0.syncs.load(SeqCst);
        assert!((least..=most).contains(&syncs), "{sync:?}: {syncs}");
    }
}

#[test]
fn an_end_that_may_not_take_for_ever_says_what_is_missing() {
    let most = std::time::Duration::from_millis(100);
    let options = Options { when_full: WhenFull::LeaveOut, ..ALL };
    for (count, all_handed) in [(3, true), (4000, false)] {
        let target = Scripted::default();
        target.hold(true);
        let (mut recorder, _) = start(&target, options);
        for number in 1..=count {
            episode(number).iter().for_each(|observation| recorder.observation(observation));
            recorder.commit(true);
        }
        let missing = recorder.finish_within(Some(&made_up::end(&episode(count))), most);
        let missing = missing.expect_err("nothing is taken");
        let records = count * episode(1).len() as u64;
        if all_handed {
            assert_eq!((missing.records, missing.episodes), (records, count));
        } else {
            // What there was no room for is among them, but for the names of cgroups, which are told at the next chance.
            assert!(
                missing.episodes == count && missing.records <= records,
                "{missing:?} of {count}, {records}"
            );
        }
        // It goes on when it can.
        target.hold(false);
    }
    let (mut recorder, _) = start(&Scripted::default(), options);
    record(&mut recorder, 1);
    let outcome = recorder.finish_within(Some(&made_up::end(&[])), std::time::Duration::from_secs(20));
    assert_eq!(outcome, Ok(Outcome::default()));
}
