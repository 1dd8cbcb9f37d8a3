//! What was shown live is shown again by replay, byte for byte; failures stay where they are.

use std::io::Write;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::made_up;
use crate::record::{RecordingFile, Stream};
use crate::session::{Compression, Reader};
use crate::sink::{Json, Terminal, terminal};

/// A writer that can be looked into.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics").write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Outputs {
    text: Shared,
    json: Shared,
}

impl Outputs {
    fn pipeline(filter: Filter) -> (Self, Pipeline) {
        let outputs = Self { text: Shared::default(), json: Shared::default() };
        let options = terminal::Options { width: 100, color: true, verbose: false };
        let mut sinks = FanOut::default();
        sinks.add("text", Box::new(Terminal::new(outputs.text.clone(), options)));
        sinks.add("json", Box::new(Json::new(outputs.json.clone())));
        let pipeline = Pipeline::new(sinks, filter, |message| panic!("{message}"));
        (outputs, pipeline)
    }

    fn into_strings(self) -> [String; 2] {
        [self.text, self.json].map(|shared| {
            let bytes = shared.0.lock().expect("nobody panics").clone();
            String::from_utf8(bytes).expect("output is UTF-8")
        })
    }
}

/// As a file of a kind that nothing has to be made durable for: tests have no crashes of machines.
const OPTIONS: record::Options = record::Options {
    compression: Compression::Zstd,
    sync: record::Sync::None,
    when_full: record::WhenFull::Wait,
};

fn target(file: &tempfile::NamedTempFile) -> RecordingFile {
    RecordingFile::create(file.path()).expect("it is there").0
}

/// A capture of `observations`, as the live source would drive it; returns what it showed and recorded.
fn live(observations: &[Observation], count: Option<u64>, filter: Filter) -> ([String; 2], Vec<u8>, Summary) {
    let file = tempfile::NamedTempFile::new().expect("there is room");
    let (outputs, pipeline) = Outputs::pipeline(filter);
    let mut pipeline = pipeline.stop_after(count).record_to(target(&file), OPTIONS);
    let mut flow = pipeline.start(&made_up::info());
    for observation in observations {
        if flow.is_break() {
            break;
        }
        flow = pipeline.push(observation.clone());
    }
    let end = SessionEnd { stats: Some(made_up::stats()), ..made_up::end(observations) };
    let summary = pipeline.finish(Some(end));
    (outputs.into_strings(), std::fs::read(file.path()).expect("it was written"), summary)
}

fn replay(recording: &[u8], filter: Filter) -> ([String; 2], Summary) {
    let mut reader = Reader::open(recording).expect("it is a recording");
    let (outputs, mut pipeline) = Outputs::pipeline(filter);
    assert!(pipeline.start(reader.info()).is_continue());
    while let Some(observation) = reader.next_observation() {
        assert!(pipeline.push(observation).is_continue());
    }
    let summary = pipeline.finish(reader.end());
    (outputs.into_strings(), summary)
}

/// All scenarios in one session, one after the other.
fn long_session() -> Vec<Observation> {
    let mut episodes = 0;
    let mut all = Vec::new();
    for (_, observations) in made_up::scenarios() {
        let first = episodes;
        for mut observation in observations {
            if let Some(at) = observation.stamp_mut().filter(|at| at.episode > 0) {
                at.episode += first;
                episodes = episodes.max(at.episode);
            }
            all.push(observation);
        }
    }
    all
}

#[test]
fn replay_shows_what_live_showed() {
    for (name, observations) in made_up::scenarios() {
        let (shown, recording, summary) = live(&observations, None, Filter::default());
        let again = replay(&recording, Filter::default());
        assert_eq!(again, (shown, summary), "{name}");
    }
}

#[test]
fn a_count_ends_the_session_and_its_replay_at_the_same_episode() {
    for count in 1..=12 {
        let (shown, recording, summary) = live(&long_session(), Some(count), Filter::default());
        assert_eq!(summary.totals.episodes, count);
        assert_eq!(replay(&recording, Filter::default()), (shown, summary), "{count}");
    }
}

#[test]
fn adjustments_between_two_ooms_do_not_fill_the_recording() {
    let victim = made_up::one_kill();
    let update = |n: u64, tid: i32| {
        Observation::AdjUpdated(crate::model::evidence::AdjUpdated {
            at: crate::model::observation::Stamp { boot_ns: made_up::START + n, episode: 0 },
            tid,
            comm: "gunicorn".into(),
            oom_score_adj: (n % 900) as i16,
            by_pid: Some(1),
            by_comm: Some("containerd-shim".into()),
        })
    };
    // One of the victim's for every hundred of processes that come and go.
    let flood = (0..200_000).map(|n| update(n, if n % 100 == 0 { 48121 } else { 100_000 + (n % 50) as i32 }));
    let all: Vec<Observation> = flood.chain(victim).collect();
    let (shown, recording, summary) = live(&all, None, Filter::default());
    let end = update(7, 1);
    assert_eq!(replay(&recording, Filter::default()), (shown.clone(), summary));
    let line: serde_json::Value =
        serde_json::from_str(shown[1].lines().nth(1).expect("the episode")).expect("JSON");
    assert_eq!(line["adj_changes"].as_array().map(Vec::len), Some(8), "the last few");
    assert_eq!(line["adj_changes"][7]["oom_score_adj"], 199_900 % 900);
    assert!(recording.len() < 100_000, "{} bytes", recording.len());
    // Nothing but adjustments: they are there at the end.
    let (_, recording, _) = live(std::slice::from_ref(&end), None, Filter::default());
    let mut reader = Reader::open(&recording[..]).expect("it is a recording");
    assert_eq!(reader.next_observation(), Some(end));
}

#[test]
fn kills_behind_the_last_wanted_episode_are_in_the_ledger_of_both() {
    let counting = |kills| SessionInfo { vmstat_oom_kills: Some(kills), ..made_up::info() };
    let file = tempfile::NamedTempFile::new().expect("there is room");
    let (outputs, pipeline) = Outputs::pipeline(Filter::default());
    let mut pipeline = pipeline.stop_after(Some(1)).record_to(target(&file), OPTIONS);
    let mut flow = pipeline.start(&counting(40));
    let (mut taken, all) = (0, long_session());
    for observation in &all {
        if flow.is_break() {
            pipeline.pass_by(observation);
        } else {
            flow = pipeline.push(observation.clone());
            taken += 1;
        }
    }
    assert!(taken < all.len());
    let kills = all.iter().filter(|observation| matches!(observation, Observation::Kill(_))).count() as u64;
    let end = SessionEnd { vmstat_oom_kills: Some(40 + kills), ..made_up::end(&all) };
    let summary = pipeline.finish(Some(end));
    let ledger = &summary.totals.ledger;
    assert_eq!((ledger.counted, ledger.captured, ledger.missed()), (Some(kills), kills, Some(0)));
    let recording = std::fs::read(file.path()).expect("it was written");
    let shown = outputs.into_strings();
    assert_eq!(replay(&recording, Filter::default()), (shown, summary));
}

#[test]
fn filters_change_what_is_shown_and_not_what_is_recorded() {
    let only_groups =
        Filter { outcomes: vec![crate::model::episode::Outcome::GroupKilled], ..Filter::default() };
    let (shown, recording, summary) = live(&long_session(), None, only_groups.clone());
    assert_eq!((summary.totals.episodes, summary.totals.victims), (3, 10));
    let told = format!("; {} more were left out by the filters", summary.totals.hidden);
    assert!(
        summary.totals.hidden > 5 && shown.iter().any(|text| text.contains(&told)),
        "{told}: {}",
        shown[0]
    );
    assert_eq!(replay(&recording, only_groups), (shown, summary));
    assert!(replay(&recording, Filter::default()).1.totals.episodes > 10);
}

#[test]
fn a_full_disk_does_not_silence_the_screen() {
    let (outputs, _) = Outputs::pipeline(Filter::default());
    let messages = Arc::new(Mutex::new(Vec::new()));
    let mut sinks = FanOut::default();
    sinks.add("json", Box::new(Json::new(outputs.json.clone())));
    let heard = Arc::clone(&messages);
    let pipeline =
        Pipeline::new(sinks, Filter::default(), move |message| heard.lock().expect("fine").push(message));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let mut pipeline = pipeline.record_to(Stream::new(full, "/dev/full"), OPTIONS);
    assert!(pipeline.start(&made_up::info()).is_continue());
    for observation in made_up::one_kill() {
        assert!(pipeline.push(observation).is_continue());
    }
    let summary = pipeline.finish(Some(made_up::end(&[])));
    assert_eq!((summary.failed, summary.totals.episodes, summary.exit()), (true, 1, Exit::Failed));
    let messages = messages.lock().expect("fine");
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].starts_with("/dev/full: recording failed: "), "{messages:?}");
    assert_eq!(outputs.into_strings()[1].lines().count(), 3);
}

#[test]
fn what_is_cut_off_counts_its_episodes_losses() {
    let (_, recording, _) = live(&made_up::odd(), None, Filter::default());
    // The end frame is the last: without its last byte it is torn.
    let (_, summary) = replay(&recording[..recording.len() - 1], Filter::default());
    assert!(!summary.totals.complete);
    assert_eq!((summary.totals.boot_ns, summary.totals.lost.candidates), (None, 3));
    assert_eq!(summary.exit(), Exit::Lossy);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn replay_shows_what_live_showed_of_anything(
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..150),
        count in prop::option::of(1..4u64),
    ) {
        let all = long_session();
        let observations: Vec<Observation> = picks.iter().map(|pick| pick.get(&all).clone()).collect();
        let (shown, recording, summary) = live(&observations, count, Filter::default());
        prop_assert_eq!(replay(&recording, Filter::default()), (shown, summary));
    }
}
