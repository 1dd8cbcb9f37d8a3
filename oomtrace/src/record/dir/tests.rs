use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use super::*;
use crate::made_up::{self, HALF_GIB, Pass};
use crate::model::episode::Episode;
use crate::model::observation::Chosen;
use crate::model::{Gap, Observation, SessionEnd, SessionInfo};
use crate::record::{Options, Recorder, Report};
use crate::session::{Compression, Ending, Reader};

const SMALL: Limits = Limits { file_bytes: 24 << 10, files: 4, age: None };

struct Recording {
    recorder: Recorder,
    info: SessionInfo,
    last_ms: u64,
}

impl Recording {
    fn start(dir: &Path, limits: Limits) -> Self {
        Self::telling(dir, limits, Report::new(drop))
    }

    fn telling(dir: &Path, limits: Limits, report: Report) -> Self {
        let info = SessionInfo { vmstat_oom_kills: Some(7), ..made_up::info() };
        let target = Directory::open(dir, limits).expect("it can be used");
        let options = Options { compression: Compression::None, ..Options::default() };
        let recorder = Recorder::start(Box::new(target), &info, options, report).expect("it can be begun");
        let mut this = Self { recorder, info, last_ms: 30_000 };
        made_up::cgroups().iter().for_each(|name| this.recorder.observation(name));
        this
    }

    /// One whole pass with some kilobytes of candidates.
    fn pass(&mut self, id: u64) -> Vec<Observation> {
        self.last_ms += 1000;
        let tasks: Vec<_> = (0..120)
            .map(|n| {
                let task = made_up::task(1000 + n, &format!("worker-{id}-{n}"), 0, made_up::CONTAINER);
                made_up::scored(task, made_up::memory(100 + n as u64, 3), HALF_GIB)
            })
            .collect();
        let victim = tasks[119].clone();
        Pass::memcg(id, self.last_ms, victim.task.clone(), HALF_GIB)
            .scan(tasks)
            .choose(&victim)
            .kill(&victim)
            .close(Chosen::Task, true)
            .exit(victim.task.pid, 3)
            .observations
    }

    fn record(&mut self, observations: &[Observation], boundary: bool) {
        observations.iter().for_each(|observation| self.recorder.observation(observation));
        self.recorder.commit(boundary);
        self.recorder.settle(Duration::from_secs(20));
    }

    fn turn(&mut self) {
        let boot_ns = made_up::START + self.last_ms * made_up::MS + 500 * made_up::MS;
        let end = SessionEnd { boot_ns, ..SessionEnd::default() };
        let info = SessionInfo { started_boot_ns: boot_ns, ..self.info.clone() };
        assert!(self.recorder.turn(&end, &info));
        self.recorder.settle(Duration::from_secs(20));
    }

    /// As a capture does it: a new file when it is wanted and nothing is unfinished.
    fn episodes(&mut self, ids: impl Iterator<Item = u64>) {
        for id in ids {
            let pass = self.pass(id);
            self.record(&pass, true);
            if self.recorder.wants_turn() {
                self.turn();
            }
        }
    }

    fn end(self) {
        let outcome = self.recorder.finish(Some(&SessionEnd::default()));
        assert!(!outcome.failed && outcome.left_out.is_none(), "{outcome:?}");
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(dir).expect("it is there").map(|entry| entry.expect("it is").path()).collect();
    files.sort();
    files
}

struct Read {
    episodes: Vec<Episode>,
    gaps: Vec<Gap>,
    complete: bool,
}

fn read(path: &Path) -> Read {
    let mut reader = Reader::open(fs::File::open(path).expect("it is there")).expect("it has a head");
    let all: Vec<Observation> = std::iter::from_fn(|| reader.next_observation()).collect();
    let gap = |observation: &Observation| match observation {
        Observation::Gap(gap) => Some(gap.clone()),
        _ => None,
    };
    Read {
        episodes: made_up::assemble(reader.info(), &all),
        gaps: all.iter().filter_map(gap).collect(),
        complete: matches!(reader.ending(), Some(Ending::Complete)),
    }
}

fn ids(path: &Path) -> Vec<u64> {
    read(path).episodes.iter().map(|episode| episode.id).collect()
}

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().expect("there is room")
}

#[test]
fn each_file_is_whole_and_together_they_are_all() {
    let dir = dir();
    let limits = Limits { files: 1000, ..SMALL };
    let mut recording = Recording::start(dir.path(), limits);
    let before = made_up::before::minutes_before();
    let before: Vec<_> = before.into_iter().filter(|it| matches!(it, Observation::Samples(_))).collect();
    recording.record(&before, true);
    recording.episodes(1..=40);
    recording.end();
    let files = files(dir.path());
    assert!(files.len() > 5, "{files:?}");
    let mut all = Vec::new();
    for file in &files {
        assert!(fs::metadata(file).expect("it is there").size() <= SMALL.file_bytes);
        let read = read(file);
        assert!(read.complete && read.gaps.is_empty(), "{}", file.display());
        for episode in &read.episodes {
            // Told once by the kernel, and the paths are in each file.
            assert!(episode.victims[0].task.cgroup.is_some());
            assert!(!episode.memory_before.is_empty(), "of {} in {}", episode.id, file.display());
        }
        all.extend(read.episodes.iter().map(|episode| episode.id));
    }
    assert_eq!(all, (1..=40).collect::<Vec<u64>>());
}

#[test]
fn it_is_bounded_and_the_newest_are_there() {
    let dir = dir();
    let mut recording = Recording::start(dir.path(), SMALL);
    for id in 1..=60 {
        recording.episodes([id].into_iter());
        let files = files(dir.path());
        assert!(files.len() <= 4);
        let bytes: u64 = files.iter().map(|file| fs::metadata(file).expect("it is there").size()).sum();
        assert!(bytes <= 4 * SMALL.file_bytes, "{bytes}");
    }
    recording.end();
    let all: Vec<u64> = files(dir.path()).iter().flat_map(|file| ids(file)).collect();
    assert!(all.len() >= 8, "{all:?}");
    assert_eq!(all, (61 - all.len() as u64..=60).collect::<Vec<u64>>());
}

#[test]
fn samples_push_out_no_episode() {
    let dir = dir();
    let mut recording = Recording::start(dir.path(), SMALL);
    recording.episodes(1..=3);
    for n in 0..200 {
        let mut before = made_up::before::minutes_before();
        before.truncate(2);
        for observation in &mut before {
            let Observation::Samples(samples) = observation else { panic!("samples come first") };
            for sample in &mut samples.0 {
                Arc::make_mut(sample).boot_ns += (n + 1) * 700_000 * made_up::MS;
            }
        }
        recording.record(&before, true);
        if recording.recorder.wants_turn() {
            recording.turn();
        }
    }
    recording.end();
    let files = files(dir.path());
    assert_eq!(files.len(), 4);
    let all: Vec<u64> = files.iter().flat_map(|file| ids(file)).collect();
    assert_eq!(all, [1, 2, 3]);
}

#[test]
fn quiet_files_one_after_the_other_push_out_no_episode_and_leave_nothing_behind() {
    let dir = dir();
    let mut recording = Recording::start(dir.path(), Limits { files: 3, ..SMALL });
    for id in 1..=2 {
        recording.episodes([id].into_iter());
        recording.turn();
    }
    let both = files(dir.path());
    for n in 1..=5 {
        let mut before = made_up::before::minutes_before();
        before.retain(|it| matches!(it, Observation::Samples(_)));
        recording.record(&before, true);
        recording.turn();
        let now = files(dir.path());
        assert_eq!(now.len(), 3, "after {n}");
        assert_eq!(now[..2], both[..2], "after {n}");
        assert!(now[2] > both[2]);
    }
    recording.end();
    let all: Vec<u64> = files(dir.path()).iter().flat_map(|file| ids(file)).collect();
    assert_eq!(all, [1, 2]);
}

#[test]
fn a_file_of_the_future_and_a_long_pause_make_none_too_old() {
    let dir = dir();
    let mut first = Recording::start(dir.path(), SMALL);
    for id in 1..=3 {
        first.episodes([id].into_iter());
        first.turn();
    }
    first.end();
    let day = Duration::from_secs(86400);
    let now = SystemTime::now();
    for (file, time) in files(dir.path()).iter().zip([now - 300 * day, now + 300 * day, now - 300 * day]) {
        let file = fs::OpenOptions::new().write(true).open(file).expect("it is there");
        file.set_modified(time).expect("it is ours");
    }
    let last = fs::OpenOptions::new().write(true).open(&files(dir.path())[3]).expect("it is there");
    last.set_modified(now - 300 * day).expect("it is ours");
    let limits = Limits { files: 9, age: Some(day), ..SMALL };
    let mut second = Recording::start(dir.path(), limits);
    // Nothing is recorded yet that they could be older than.
    assert_eq!(files(dir.path()).len(), 5);
    second.episodes(4..=5);
    second.end();
    let all: Vec<u64> = files(dir.path()).iter().flat_map(|file| ids(file)).collect();
    assert_eq!(all, [2, 4, 5]);
}

#[test]
fn what_cannot_be_removed_is_told_once_and_others_go() {
    let dir = dir();
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let messages = Arc::clone(&told);
    let report = Report::new(move |message| messages.lock().expect("it is whole").push(message));
    let mut recording = Recording::telling(dir.path(), Limits { files: 3, ..SMALL }, report);
    recording.episodes([1].into_iter());
    recording.turn();
    let first = files(dir.path()).remove(0);
    // A directory is not removed as a file is.
    fs::remove_file(&first).expect("it is there");
    fs::create_dir(&first).expect("it can be made");
    for id in 2..=6 {
        recording.episodes([id].into_iter());
        recording.turn();
        recording.turn();
        assert!(files(dir.path()).len() <= 3);
    }
    recording.end();
    let told = told.lock().expect("it is whole");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("cannot be removed"), "{told:?}");
    assert!(first.is_dir());
    let all: Vec<u64> = files(dir.path())[1..].iter().flat_map(|file| ids(file)).collect();
    assert_eq!(all.last(), Some(&6));
}

#[test]
fn a_storm_without_a_pause_is_split_and_says_so() {
    let dir = dir();
    let mut recording = Recording::start(dir.path(), SMALL);
    for id in 1..=12 {
        let pass = recording.pass(id);
        // Something is always unfinished.
        recording.record(&pass, false);
    }
    recording.end();
    let files = files(dir.path());
    assert!(files.len() > 1);
    for file in &files {
        assert!(fs::metadata(file).expect("it is there").size() <= SMALL.file_bytes);
    }
    let second = read(&files[1]);
    assert_eq!(second.gaps.iter().map(|gap| gap.cause).collect::<Vec<_>>(), [Gap::ELSEWHERE]);
    assert!(!read(&files[0]).complete);
    // Nobody looked at the kernel's count there.
    let reader = Reader::open(fs::File::open(&files[1]).expect("it is there")).expect("it has a head");
    assert_eq!(reader.info().vmstat_oom_kills, None);
    assert_eq!(reader.info().boot_id, made_up::info().boot_id);
}

#[test]
fn a_restart_goes_on_behind_what_is_there() {
    let dir = dir();
    let mut first = Recording::start(dir.path(), SMALL);
    first.episodes(1..=20);
    first.end();
    let before = files(dir.path());
    assert!(before.len() > 2);
    let mut second = Recording::start(dir.path(), Limits { files: 2, ..SMALL });
    second.episodes(21..=21);
    second.end();
    let after = files(dir.path());
    assert_eq!(after.len(), 2);
    // The newest episodes of the first, unless its last file had none yet.
    assert_eq!(ids(&after[0]).last(), Some(&20));
    assert_eq!(ids(&after[1]), [21]);
    assert!(after[1] > before[before.len() - 1]);
}

#[test]
fn what_is_not_its_own_is_left_alone() {
    let dir = dir();
    let outside = self::dir();
    let precious = outside.path().join("precious");
    fs::write(&precious, "precious").expect("it can be written");
    let name = |n: u64| dir.path().join(name::of(n, 5));
    fs::write(name(1), "not a recording").expect("it can be written");
    std::os::unix::fs::symlink(&precious, name(2)).expect("it can be made");
    fs::create_dir(name(3)).expect("it can be made");
    let theirs = made_up::file(&made_up::info(), &made_up::one_kill());
    for other in ["incident.oomtrace", "oomtrace-00000004-20261123T105500Z.oomtrace.1"] {
        fs::write(dir.path().join(other), &theirs).expect("it can be written");
    }
    // This one is a recorder's.
    fs::write(name(5), &theirs).expect("it can be written");
    let before = files(dir.path());
    let mut recording = Recording::start(dir.path(), Limits { files: 2, ..SMALL });
    recording.episodes(1..=40);
    recording.end();
    let after = files(dir.path());
    let gone: Vec<_> = before.iter().filter(|path| !after.contains(path)).collect();
    assert_eq!(gone, [&name(5)]);
    assert_eq!(fs::read(&precious).expect("it is there"), b"precious");
}

#[test]
fn only_its_owner_and_only_one_recorder() {
    let dir = dir();
    let made = dir.path().join("made");
    let recording = Recording::start(&made, SMALL);
    assert_eq!(fs::metadata(&made).expect("it is there").permissions().mode() & 0o777, 0o700);
    for file in files(&made) {
        assert_eq!(fs::metadata(file).expect("it is there").permissions().mode() & 0o777, 0o600);
    }
    assert!(matches!(Directory::open(&made, SMALL), Err(OpenError::Locked)));
    recording.end();
    drop(Directory::open(&made, SMALL).expect("nobody has it now"));
    fs::set_permissions(&made, fs::Permissions::from_mode(0o777)).expect("it is ours");
    assert!(matches!(Directory::open(&made, SMALL), Err(OpenError::Open { mode: 0o777 })));
    assert!(matches!(Directory::open(&dir.path().join("not/there"), SMALL), Err(OpenError::Io(_))));
}

#[test]
fn a_file_that_somebody_removed_or_cut_off_is_followed_by_another() {
    let dir = dir();
    let mut recording = Recording::start(dir.path(), SMALL);
    recording.episodes(1..=1);
    fs::remove_file(&files(dir.path())[0]).expect("it is there");
    recording.episodes(2..=2);
    let found = files(dir.path());
    assert_eq!(found.len(), 1);
    assert_eq!(ids(&found[0]), [2]);
    let file = fs::OpenOptions::new().write(true).open(&found[0]).expect("it is there");
    file.set_len(0).expect("it can be cut off");
    recording.episodes(3..=3);
    recording.end();
    assert_eq!(ids(&files(dir.path())[1]), [3]);
}

#[test]
fn a_file_that_was_moved_is_ended_where_it_is() {
    let dir = dir();
    let mut recording = Recording::start(dir.path(), SMALL);
    recording.episodes(1..=1);
    let moved = dir.path().join("rotated.1");
    fs::rename(&files(dir.path())[0], &moved).expect("it is there");
    recording.episodes(2..=3);
    recording.end();
    assert_eq!(ids(&moved), [1, 2]);
    assert!(read(&moved).complete);
    assert_eq!(ids(&files(dir.path())[0]), [3]);
}

#[test]
fn a_directory_that_was_removed_is_made_again() {
    let dir = dir();
    let path = dir.path().join("d");
    let mut recording = Recording::start(&path, SMALL);
    recording.episodes(1..=1);
    fs::remove_dir_all(&path).expect("it is there");
    recording.episodes(2..=2);
    recording.end();
    assert_eq!(ids(&files(&path)[0]), [2]);
}

#[test]
fn an_empty_file_is_not_left_for_another_one() {
    let dir = dir();
    let info = made_up::info();
    let target = Directory::open(dir.path(), SMALL).expect("it can be used");
    let mut recorder =
        Recorder::start(Box::new(target), &info, Options::default(), Report::new(drop)).expect("begun");
    recorder.ask_for_turn();
    assert!(recorder.wants_turn());
    assert!(recorder.turn(&SessionEnd::default(), &info));
    recorder.settle(Duration::from_secs(20));
    recorder.finish(Some(&SessionEnd::default()));
    assert_eq!(files(dir.path()).len(), 1);
}
