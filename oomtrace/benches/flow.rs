//! What one candidate costs on its way: `cargo bench -p oomtrace`. `docs/performance.md` has figures and what they led to.
//!
//! Every step is given one episode with 20,000 candidates, and says how many candidates a second it takes.

#[path = "../tests/support/large.rs"]
mod large;
#[path = "../tests/support/made_up.rs"]
mod made_up;

use core::mem::{offset_of, size_of};

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use oomtrace::assemble::Assembler;
use oomtrace::decode::{context::Context, decode};
use oomtrace::model::observation::{Candidate, Candidates, Score};
use oomtrace::model::{Episode, Observation, SourceKind};
use oomtrace::session::{Compression, Reader, Writer};
use oomtrace::sink::{Json, Sink, Terminal, terminal};
use oomtrace::source::klog::{Assumed, Klog, Lines};
use oomtrace_common::record::{self as wire, flag, kind};

const CANDIDATES: usize = 20_000;
const SHAPE: large::Shape = large::Shape { episodes: 1, candidates: CANDIDATES };

fn main() {
    divan::main();
}

fn observations() -> Vec<Observation> {
    let mut all = Vec::new();
    large::each(SHAPE, |observation| all.push(observation));
    all
}

fn all() -> ItemsCount {
    ItemsCount::new(CANDIDATES)
}

/// The candidates as they come from the kernel side.
fn records(observations: &[Observation]) -> Vec<Vec<u8>> {
    let runs = observations.iter().filter_map(|observation| match observation {
        Observation::Candidates(run) => Some(run),
        _ => None,
    });
    runs.map(record).collect()
}

fn record(run: &Candidates) -> Vec<u8> {
    let head = size_of::<wire::BatchHeader>();
    let mut bytes = vec![0; head + run.tasks.len() * size_of::<wire::Task>()];
    let len = u32::try_from(bytes.len()).expect("a run is short");
    put(&mut bytes, offset_of!(wire::Header, kind), &kind::CANDIDATES.to_le_bytes());
    put(&mut bytes, offset_of!(wire::Header, len), &len.to_le_bytes());
    put(&mut bytes, offset_of!(wire::BatchHeader, first), &run.first.to_le_bytes());
    put(&mut bytes, offset_of!(wire::BatchHeader, count), &(run.tasks.len() as u32).to_le_bytes());
    for (candidate, bytes) in run.tasks.iter().zip(bytes[head..].chunks_exact_mut(size_of::<wire::Task>())) {
        task(bytes, candidate);
    }
    bytes
}

fn task(bytes: &mut [u8], candidate: &Candidate) {
    let Candidate { task, score, memory, .. } = candidate;
    if let Score::Points(points) = score {
        put(bytes, offset_of!(wire::Task, points), &points.to_le_bytes());
        put(bytes, offset_of!(wire::Task, flags), &flag::SCORED.to_le_bytes());
    }
    let memory = memory.unwrap_or_default();
    for (offset, value) in [
        (offset_of!(wire::Task, rss_anon), memory.rss_anon_pages),
        (offset_of!(wire::Task, rss_file), memory.rss_file_pages),
        (offset_of!(wire::Task, rss_shmem), memory.rss_shmem_pages),
        (offset_of!(wire::Task, swapents), memory.swap_entries),
        (offset_of!(wire::Task, pgtables_bytes), memory.pgtables_bytes),
        (offset_of!(wire::Task, total_vm), memory.total_vm_pages),
        (offset_of!(wire::Task, memcg), task.cgroup),
    ] {
        put(bytes, offset, &value.unwrap_or(oomtrace_common::UNKNOWN_U64).to_le_bytes());
    }
    put(bytes, offset_of!(wire::Task, tgid), &task.pid.to_le_bytes());
    put(bytes, offset_of!(wire::Task, tid), &task.tid.to_le_bytes());
    put(bytes, offset_of!(wire::Task, comm), &task.comm);
}

fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    bytes[offset..offset + value.len()].copy_from_slice(value);
}

/// Ring records to observations.
#[divan::bench]
fn decode_records(bencher: Bencher) {
    let records = records(&observations());
    let context = Context::default();
    bencher.counter(all()).bench_local(|| {
        let mut out = Vec::new();
        for record in &records {
            decode(record, &context, &mut out).expect("it is a record");
        }
        out
    });
}

/// A kernel's log to observations: real reports, without the lines between them.
#[divan::bench]
fn klog_import(bencher: Bencher) {
    let log: Vec<u8> = [
        &include_bytes!("../tests/corpus/logs/linux-6.1-memcg.log")[..],
        include_bytes!("../tests/corpus/logs/linux-6.1-global.log"),
        include_bytes!("../tests/corpus/logs/linux-7.3-memcg.log"),
        include_bytes!("../tests/corpus/logs/linux-7.3-group-kill.log"),
    ]
    .concat();
    let log = log.repeat(16);
    bencher.counter(BytesCount::new(log.len())).bench_local(|| {
        let mut klog = Klog::new(SourceKind::Import, Assumed::default());
        let mut lines = Lines::new(&log[..]).expect("its words are constants");
        let mut found = Vec::new();
        while let Some(line) = lines.next_line(klog.in_report()).expect("memory does not fail") {
            klog.line(line, &mut found);
        }
        klog.finish(&mut found);
        found
    });
}

/// Observations to an episode.
#[divan::bench]
fn assemble(bencher: Bencher) {
    let observations = observations();
    bencher.counter(all()).with_inputs(|| observations.clone()).bench_local_values(episodes_of);
}

fn episodes_of(observations: Vec<Observation>) -> Vec<Episode> {
    let mut assembler = Assembler::new(&large::info());
    observations.into_iter().flat_map(|observation| assembler.push(observation)).collect()
}

fn file(observations: &[Observation], compression: Compression) -> Vec<u8> {
    let mut writer = Writer::start(Vec::new(), &large::info(), compression).expect("memory takes everything");
    for observation in observations {
        writer.observation(observation).expect("memory takes everything");
    }
    writer.end(&large::end(SHAPE)).expect("memory takes everything")
}

/// Observations to a file in memory.
#[divan::bench(args = [Compression::None, Compression::Zstd])]
fn session_write(bencher: Bencher, compression: Compression) {
    let observations = observations();
    bencher.counter(all()).bench_local(|| file(&observations, compression));
}

/// A file in memory to observations.
#[divan::bench(args = [Compression::None, Compression::Zstd])]
fn session_read(bencher: Bencher, compression: Compression) {
    let file = file(&observations(), compression);
    bencher.counter(all()).bench_local(|| {
        let mut reader = Reader::open(&file[..]).expect("it is a session");
        let mut count = 0;
        while let Some(observation) = reader.next_observation() {
            count += 1;
            drop(divan::black_box(observation));
        }
        count
    });
}

/// An episode to its line of JSON.
#[divan::bench]
fn json(bencher: Bencher) {
    show(bencher, Json::new(std::io::sink()));
}

/// An episode to a screen, of which only the first few candidates are shown.
#[divan::bench]
fn text(bencher: Bencher) {
    show(
        bencher,
        Terminal::new(std::io::sink(), terminal::Options { width: 100, color: false, verbose: false }),
    );
}

/// The same with all candidates.
#[divan::bench(sample_count = 10)]
fn text_verbose(bencher: Bencher) {
    show(
        bencher,
        Terminal::new(std::io::sink(), terminal::Options { width: 100, color: false, verbose: true }),
    );
}

fn show(bencher: Bencher, mut sink: impl Sink) {
    let episodes = episodes_of(observations());
    sink.start(&large::info()).expect("everything is taken");
    bencher.counter(all()).bench_local(|| {
        for episode in &episodes {
            sink.episode(episode).expect("everything is taken");
        }
    });
}
