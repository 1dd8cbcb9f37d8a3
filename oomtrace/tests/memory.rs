//! Memory grows with the largest episode, and not with the number of episodes; and with the number of candidates, and not with
//! its square. Counted, not timed.

#[path = "support/large.rs"]
mod large;
#[path = "support/made_up.rs"]
mod made_up;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use oomtrace::filter::Filter;
use oomtrace::model::{Name, Observation};
use oomtrace::pipeline::Pipeline;
use oomtrace::record::{self, Fault, Piece, Recorder, Target};
use oomtrace::session::{Compression, Reader, Writer};
use oomtrace::sink::metrics::{self, Format};
use oomtrace::sink::{FanOut, Json, Sink, Terminal, terminal};

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// The tests of this file count the same memory: one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

struct Counting;

// SAFETY: everything is left to the system's allocator; only sizes are noted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Relaxed);
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(now, Relaxed);
        // SAFETY: the caller's promises are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes in use at most, and calls, while `act` ran.
fn counted(act: impl FnOnce()) -> (usize, usize) {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let calls = CALLS.load(Relaxed);
    act();
    (PEAK.load(Relaxed) - before, CALLS.load(Relaxed) - calls)
}

fn file(shape: large::Shape, compression: Compression) -> Vec<u8> {
    let mut writer = Writer::start(Vec::new(), &large::info(), compression).expect("memory takes everything");
    large::each(shape, |observation| writer.observation(&observation).expect("memory takes everything"));
    writer.end(&large::end(shape)).expect("memory takes everything")
}

fn replay(file: &[u8], json: bool) {
    let mut sinks = FanOut::default();
    if json {
        sinks.add("the JSON", Box::new(Json::new(io::sink())));
    } else {
        let options = terminal::Options { width: 100, color: false, verbose: false };
        sinks.add("the text", Box::new(Terminal::new(io::sink(), options)));
    }
    let mut pipeline = Pipeline::new(sinks, Filter::default(), |message| panic!("{message}"));
    let mut reader = Reader::open(file).expect("it is a session");
    assert!(pipeline.start(reader.info()).is_continue());
    while let Some(observation) = reader.next_observation() {
        assert!(pipeline.push(observation).is_continue());
    }
    let summary = pipeline.finish(reader.end());
    assert!(summary.totals.complete && summary.totals.episodes > 0);
}

#[test]
fn replay_takes_the_memory_of_one_episode() {
    let _alone = ONE_AT_A_TIME.lock();
    for compression in [Compression::None, Compression::Zstd] {
        let few = file(large::Shape { episodes: 2, candidates: 5000 }, compression);
        let many = file(large::Shape { episodes: 12, candidates: 5000 }, compression);
        for json in [false, true] {
            let (of_few, _) = counted(|| replay(&few, json));
            let (of_many, _) = counted(|| replay(&many, json));
            assert!(of_many < of_few + of_few / 20, "{of_few} {of_many}");
        }
    }
}

#[test]
fn memory_and_calls_grow_with_the_number_of_candidates() {
    let _alone = ONE_AT_A_TIME.lock();
    let small = file(large::Shape { episodes: 1, candidates: 10_000 }, Compression::Zstd);
    let large = file(large::Shape { episodes: 1, candidates: 50_000 }, Compression::Zstd);
    // Calls for one cgroup at the most: its names, its path, and what follows from them.
    for (json, most) in [(false, 5), (true, 7)] {
        let (small_peak, small_calls) = counted(|| replay(&small, json));
        let (large_peak, large_calls) = counted(|| replay(&large, json));
        // Vectors that grow by doubling may be half empty.
        assert!(large_peak < 8 * small_peak, "{small_peak} {large_peak}");
        assert!(large_calls < 6 * small_calls, "{small_calls} {large_calls}");
        // One for each candidate would be four more for each cgroup.
        let cgroups = large::cgroups(50_000);
        assert!(large_calls < most * cgroups, "{large_calls} {cgroups}");
    }
}

#[test]
fn a_reader_of_metrics_takes_what_was_set_aside_for_it() {
    let _alone = ONE_AT_A_TIME.lock();
    for most in [10, 1000] {
        let options = metrics::Options { cgroups: Some(most), containers: Some(most), keep: Duration::MAX };
        let (mut sink, exposition) = metrics::new(options);
        let episode = one_episode();
        for i in 0..most {
            let mut episode = episode.clone();
            let pod = format!("{i:08x}-aaaa-bbbb-cccc-0123456789ab");
            let path = format!(
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{pod}.slice/cri-containerd-{i:064x}.scope"
            );
            episode.victims[0].task.cgroup = Some(Name::from(path.as_bytes()));
            sink.episode(&episode).expect("it only counts");
        }
        let scrape = |format| exposition.text(format, std::time::Instant::now());
        // What was seen of each is kept from the first on.
        drop(scrape(Format::OpenMetrics));
        let (peak, _) = counted(|| drop(scrape(Format::OpenMetrics)));
        let (copy, _) = counted(|| sink.episode(&episode).expect("it only counts"));
        eprintln!("{most} cgroups: a scrape takes {peak} bytes, an episode {copy}, of {}", options.room());
        assert!(peak + copy < options.room(), "{most}: {peak} {copy} {}", options.room());
    }
}

fn one_episode() -> oomtrace::model::Episode {
    struct Keep(std::sync::mpsc::Sender<oomtrace::model::Episode>);
    impl Sink for Keep {
        fn start(&mut self, _: &oomtrace::model::SessionInfo) -> io::Result<()> {
            Ok(())
        }
        fn origin(&mut self, _: &oomtrace::model::SessionInfo) -> io::Result<()> {
            Ok(())
        }
        fn episode(&mut self, episode: &oomtrace::model::Episode) -> io::Result<()> {
            self.0.send(episode.clone()).map_err(io::Error::other)
        }
        fn end(&mut self, _: &oomtrace::sink::Totals) -> io::Result<()> {
            Ok(())
        }
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    let file = file(large::Shape { episodes: 1, candidates: 3 }, Compression::None);
    let mut sinks = FanOut::default();
    sinks.add("the episode", Box::new(Keep(sender)));
    let mut pipeline = Pipeline::new(sinks, Filter::default(), |message| panic!("{message}"));
    let mut reader = Reader::open(&file[..]).expect("it is a session");
    assert!(pipeline.start(reader.info()).is_continue());
    while let Some(observation) = reader.next_observation() {
        assert!(pipeline.push(observation).is_continue());
    }
    pipeline.finish(reader.end());
    receiver.recv().expect("there is one")
}

#[test]
fn a_recording_asks_for_no_memory_once_it_has_begun() {
    let _alone = ONE_AT_A_TIME.lock();
    for compression in [Compression::None, Compression::Zstd] {
        let mut observations = Vec::new();
        large::each(large::Shape { episodes: 2, candidates: 20_000 }, |observation| {
            observations.push(observation);
        });
        let options =
            record::Options { compression, when_full: record::WhenFull::Wait, ..record::Options::default() };
        let report = record::Report::new(|message| panic!("{message}"));
        let mut recorder = Recorder::start(Box::new(Nowhere), &large::info(), options, report)
            .expect("nowhere is never full");
        // Its thread has begun when something was written.
        let mut record = |observations: &[Observation]| {
            observations.iter().for_each(|observation| recorder.observation(observation));
            recorder.commit(true);
            recorder.settle(Duration::from_secs(60));
        };
        let (first, others) = observations.split_at(1);
        record(first);
        let (_, calls) = counted(|| record(others));
        assert_eq!(calls, 0, "{compression:?}");
    }
}

/// Takes everything and keeps nothing.
struct Nowhere;

impl Target for Nowhere {
    fn name(&self) -> &str {
        "nowhere"
    }

    fn begin(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn write(&mut self, _: &Piece<'_>) -> Result<(), Fault> {
        Ok(())
    }

    fn make_durable(&mut self) -> io::Result<()> {
        Ok(())
    }
}
