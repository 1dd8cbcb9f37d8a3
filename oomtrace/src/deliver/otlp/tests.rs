//! The queue before a receiver, and what is made of an episode that is known in part.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::proto::{KeyValue, LogRecord, Resource, Value};
use super::queue::{Entry, Queue};
use super::*;
use crate::made_up;
use crate::model::Name;
use crate::model::episode::Outcome;
use crate::model::names::{Named, Names};

fn entry() -> Entry {
    Entry { resource: Arc::new(Resource::default()), record: LogRecord::default() }
}

#[test]
fn what_there_is_no_room_for_is_counted_and_a_capture_never_waits() {
    let queue = Queue::new(2, WhenFull::PassOver, Duration::from_secs(60));
    let started = Instant::now();
    let room: Vec<bool> = (0..5).map(|_| queue.put(entry())).collect();
    // It is said once.
    assert_eq!(room, [true, true, false, true, true]);
    assert!(started.elapsed() < Duration::from_secs(30));
    assert_eq!(queue.take(64).len(), 2);
    queue.done(1, 1);
    queue.end(0, true);
    assert_eq!(queue.finish(), (Tally { delivered: 1, failed: 1, passed_over: 3 }, true));
}

#[test]
fn a_file_waits_while_something_is_taken_and_no_longer() {
    let queue = Arc::new(Queue::new(1, WhenFull::Wait, Duration::from_millis(300)));
    let taker = {
        let queue = Arc::clone(&queue);
        thread::spawn(move || {
            for _ in 0..6 {
                thread::sleep(Duration::from_millis(100));
                let taken = queue.take(1).len() as u64;
                queue.done(taken, 0);
            }
        })
    };
    assert!((0..5).all(|_| queue.put(entry())));
    taker.join().expect("it does not panic");
    // Nothing is taken any more.
    let started = Instant::now();
    assert!(queue.put(entry()));
    assert!(!queue.put(entry()));
    assert!(started.elapsed() >= Duration::from_millis(200), "{:?}", started.elapsed());
    queue.close(Duration::MAX);
    let (tally, metrics) = queue.finish();
    assert_eq!((tally, metrics), (Tally { delivered: 5, failed: 0, passed_over: 2 }, false));
}

#[test]
fn what_is_not_known_is_not_there() {
    let info = made_up::info();
    let mut episode = made_up::assemble(&info, &made_up::one_kill()).remove(0);
    let keys = |record: &LogRecord| -> BTreeSet<String> {
        record.attributes.iter().map(|it| it.key.clone()).collect()
    };
    let whole = event::record(&episode, &info, 7);
    assert!(keys(&whole).contains("process.pid") && keys(&whole).contains("oom.trigger.pid"));
    assert_eq!((whole.observed_time_unix_nano, whole.event_name.as_str()), (7, "oom.episode"));
    assert!(whole.time_unix_nano > 1_786_708_980_000_000_000);
    // Of one name each.
    assert_eq!(keys(&whole).len(), whole.attributes.len());

    episode.victims.clear();
    (episode.trigger, episode.scope, episode.evaluated, episode.opened_ns) = (None, None, None, None);
    episode.outcome = Outcome::Incomplete;
    let clock = crate::model::session::LogClock::default();
    let timeless = SessionInfo { started_unix_ns: None, host: None, log_clock: Some(clock), ..info.clone() };
    let known = event::record(&episode, &timeless, 7);
    assert_eq!((known.time_unix_nano, known.severity_number), (0, 13));
    for key in ["process.pid", "oom.trigger.pid", "oom.scope", "oom.candidates", "oom.duration"] {
        assert!(!keys(&known).contains(key), "{key}");
    }
    let resource = event::resource(&timeless, &[("service.name".to_owned(), "mine".to_owned())]);
    let host = resource.attributes.iter().any(|it| it.key == "host.name");
    assert!(!host, "{resource:?}");
    let names: Vec<&KeyValue> = resource.attributes.iter().filter(|it| it.key == "service.name").collect();
    assert_eq!(names, [&KeyValue::text("service.name", "mine")]);
}

#[test]
fn a_path_tells_container_and_pod() {
    let info = made_up::info();
    let mut episode = made_up::assemble(&info, &made_up::one_kill()).remove(0);
    let id = "9a1c55e0b7d3f4a2c6e8091b3d5f7a9c0e2d4b6f8a1c3e5d7f9b0a2c4e6d8f01";
    let uid = "3f0e1c7a-5d8b-4f6e-9a43-1f2e8d9b7c60";
    let path = format!("/kubepods/burstable/pod{uid}/{id}");
    episode.victims[0].task.cgroup = Some(Name::from(path.as_str()));
    let record = event::record(&episode, &info, 0);
    let text = |key: &str| {
        let found = record.attributes.iter().find(|it| it.key == key)?;
        match found.value.as_ref()?.value.as_ref()? {
            Value::String(text) => Some(text.clone()),
            _ => None,
        }
    };
    assert_eq!(text("container.id").as_deref(), Some(id));
    assert_eq!(text("k8s.pod.uid").as_deref(), Some(uid));
    assert_eq!(text("oom.victim.pod.qos").as_deref(), Some("burstable"));
    // The path does not tell it.
    assert_eq!(text("container.runtime.name"), None);
    assert_eq!(text("process.linux.cgroup"), Some(format!("0::{path}")));
    assert_eq!(
        (text("k8s.pod.name"), text("k8s.container.name"), text("container.name")),
        (None, None, None)
    );
}

#[test]
fn names_are_those_of_a_pod_or_of_a_container_by_itself() {
    let info = made_up::info();
    let mut episode = made_up::assemble(&info, &made_up::one_kill()).remove(0);
    let id = "9a1c55e0b7d3f4a2c6e8091b3d5f7a9c0e2d4b6f8a1c3e5d7f9b0a2c4e6d8f01";
    let text = |record: &LogRecord, key: &str| {
        let found = record.attributes.iter().find(|it| it.key == key)?;
        match found.value.as_ref()?.value.as_ref()? {
            Value::String(text) => Some(text.clone()),
            _ => None,
        }
    };
    let keys = ["k8s.namespace.name", "k8s.pod.name", "k8s.container.name", "container.name"];
    let named = |pod: Option<&str>| Named {
        container_id: Some(id.into()),
        pod_uid: None,
        namespace: pod.map(|_| "shop".into()),
        pod: pod.map(Name::from),
        container: Some("app".into()),
    };
    for (path, pod, expected) in [
        (
            "/kubepods/burstable/pod3f0e1c7a-5d8b-4f6e-9a43-1f2e8d9b7c60",
            Some("checkout"),
            [Some("shop"), Some("checkout"), Some("app"), None],
        ),
        ("/docker", None, [None, None, None, Some("app")]),
    ] {
        episode.victims[0].task.cgroup = Some(Name::from(format!("{path}/{id}").as_str()));
        episode.names = Names::new(vec![named(pod)]);
        let record = event::record(&episode, &info, 0);
        let told = keys.map(|key| text(&record, key));
        assert_eq!(told.each_ref().map(Option::as_deref), expected, "{path}");
    }
}
