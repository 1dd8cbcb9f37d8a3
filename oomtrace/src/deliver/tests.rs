use std::io::{Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Instant;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::exec::Exec;
use super::journal::Journal;
use super::syslog::Syslog;
use super::*;
use crate::made_up;
use crate::model::Name;

fn item() -> Item {
    let episode = made_up::assemble(&made_up::info(), &made_up::one_kill()).remove(0);
    Item { info: Arc::new(made_up::info()), episode: Arc::new(episode) }
}

/// Messages, and what takes them.
fn heard() -> (Arc<Mutex<Vec<String>>>, Say) {
    let messages = Arc::new(Mutex::new(Vec::new()));
    let to = Arc::clone(&messages);
    (messages, Arc::new(move |message| to.lock().unwrap().push(message)))
}

/// Takes an episode when it is told to.
struct Slow(mpsc::Receiver<()>);

impl Outlet for Slow {
    fn deliver(&mut self, _: &Item) -> Result<(), String> {
        self.0.recv().map_err(|error| error.to_string())
    }

    fn at_most(&self) -> Duration {
        Duration::from_millis(20)
    }
}

#[test]
fn what_there_is_no_room_for_is_counted_and_nobody_waits() {
    let (go, taken) = mpsc::channel();
    let (messages, say) = heard();
    let outbox = Outbox::start("--test", Box::new(Slow(taken)), 2, WhenFull::PassOver, say).unwrap();
    // Whether the thread has taken the first one yet is left open.
    for _ in 0..10 {
        outbox.put(item());
    }
    let first = messages.lock().unwrap().clone();
    assert!(matches!(&first[..], [one] if one.contains("2 episodes wait already")), "{first:?}");
    for _ in 0..10 {
        go.send(()).unwrap();
    }
    let tally = outbox.finish(Duration::MAX);
    assert_eq!((tally.delivered + tally.passed_over, tally.failed), (10, 0));
    assert!((2..=3).contains(&tally.delivered), "{tally:?}");
    assert_eq!(messages.lock().unwrap().len(), 2);
}

#[test]
fn one_that_hangs_is_not_waited_for_at_the_end() {
    let (go, taken) = mpsc::channel();
    let (_, say) = heard();
    let outbox = Outbox::start("--test", Box::new(Slow(taken)), 9, WhenFull::PassOver, say).unwrap();
    for _ in 0..3 {
        outbox.put(item());
    }
    let tally = outbox.finish(Duration::from_millis(50));
    // Whether the thread has taken the first one yet is left open.
    assert_eq!((tally.delivered, tally.failed + tally.passed_over), (0, 3), "{tally:?}");
    drop(go);
}

#[test]
fn a_command_that_is_under_way_at_the_end_does_not_outlive_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let command = format!("echo $$ > {}; exec sleep 1000", file.display());
    let (_, say) = heard();
    let exec = Box::new(Exec { command, at_most: Duration::from_millis(500), adj: None });
    let outbox = Outbox::start("--exec", exec, 9, WhenFull::PassOver, say).unwrap();
    outbox.put(item());
    outbox.put(item());
    while !std::fs::read_to_string(&file).is_ok_and(|pid| pid.ends_with('\n')) {
        std::thread::yield_now();
    }
    let tally = outbox.finish(Duration::ZERO);
    assert_eq!(tally, Tally { failed: 1, passed_over: 1, ..Tally::default() });
    let pid: i32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    assert!(rustix::process::test_kill_process(pid).is_err(), "it still runs");
}

#[test]
fn from_a_file_everything_is_delivered() {
    let (go, taken) = mpsc::channel();
    let (messages, say) = heard();
    let outbox = Outbox::start("--test", Box::new(Slow(taken)), 1, WhenFull::Wait, say).unwrap();
    let feeder = std::thread::spawn({
        let outbox = outbox.clone();
        move || (0..5).for_each(|_| outbox.put(item()))
    });
    (0..5).for_each(|_| go.send(()).unwrap());
    feeder.join().unwrap();
    assert_eq!(outbox.finish(Duration::MAX), Tally { delivered: 5, ..Tally::default() });
    assert!(messages.lock().unwrap().is_empty());
}

fn exec(command: &str, at_most: Duration) -> Result<(), String> {
    Exec { command: command.to_owned(), at_most, adj: None }.deliver(&item())
}

#[test]
fn a_command_has_the_json_and_a_few_fields() {
    let folder = tempfile::tempdir().unwrap();
    let (json, fields) = (folder.path().join("json"), folder.path().join("fields"));
    let command = format!("cat > {}; env | grep ^OOMTRACE_ | sort > {}", json.display(), fields.display());
    exec(&command, Duration::from_secs(20)).unwrap();
    let found: serde_json::Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let (item, fields) = (item(), std::fs::read_to_string(fields).unwrap());
    assert_eq!(found["type"], "episode");
    assert_eq!(std::fs::read(folder.path().join("json")).unwrap(), item.json());
    for (name, value) in summary::fields(&item.episode, &item.info) {
        assert!(fields.lines().any(|line| line == format!("OOMTRACE_{name}={value}")), "{name} in {fields}");
    }
    let id = found["short_id"].as_str().unwrap();
    assert!(fields.contains(&format!("OOMTRACE_EPISODE={id}\n")), "{fields}");
}

#[test]
fn commands_that_fail_and_that_hang() {
    let long = Duration::from_secs(20);
    assert_eq!(exec("exit 3", long), Err("the command failed with 3".to_owned()));
    assert_eq!(exec("kill -9 $$", long), Err("the command was ended by signal 9".to_owned()));
    assert!(exec("/nonexistent", long).unwrap_err().contains("127"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("child");
    let started = Instant::now();
    // What it started goes with it.
    let command = format!("sleep 1000 & echo $! > {}; wait", file.display());
    let said = exec(&command, Duration::from_millis(300)).unwrap_err();
    assert!(said.contains("did not end within 0.3 s, and was killed"), "{said}");
    assert!(started.elapsed() < long);
    let child = std::fs::read_to_string(file).unwrap();
    let state = || std::fs::read_to_string(format!("/proc/{}/stat", child.trim()));
    while state().is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X ")) {
        assert!(started.elapsed() < long, "{:?}", state());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Fields of an entry, as a journal reads them.
fn fields(mut entry: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut fields = Vec::new();
    while !entry.is_empty() {
        let end = entry.iter().position(|byte| b"=\n".contains(byte)).unwrap();
        let name = String::from_utf8(entry[..end].to_vec()).unwrap();
        let (from, to) = if entry[end] == b'=' {
            (end + 1, end + 1 + entry[end + 1..].iter().position(|&byte| byte == b'\n').unwrap())
        } else {
            let length = u64::from_le_bytes(entry[end + 1..end + 9].try_into().unwrap());
            (end + 9, end + 9 + usize::try_from(length).unwrap())
        };
        assert_eq!(entry[to], b'\n');
        fields.push((name, entry[from..to].to_vec()));
        entry = &entry[to + 1..];
    }
    fields
}

#[test]
fn a_journal_gets_fields_in_a_datagram_or_in_a_sealed_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    assert!(Journal::open(&path).is_err());
    let journal = UnixDatagram::bind(&path).unwrap();
    let mut outlet = Journal::open(&path).unwrap();

    let mut small = item();
    let mut episode = (*small.episode).clone();
    episode.victims[0].task.comm = Name::from(&b"two\nlines"[..]);
    small.episode = Arc::new(episode);
    outlet.deliver(&small).unwrap();
    let mut bytes = vec![0; 1 << 20];
    let read = journal.recv(&mut bytes).unwrap();
    let told = fields(&bytes[..read]);
    let value = |name: &str| told.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_slice());
    assert_eq!(value("PRIORITY"), Some(&b"3"[..]));
    assert_eq!(value("SYSLOG_IDENTIFIER"), Some(&b"oomtrace"[..]));
    assert_eq!(value("OOMTRACE_VICTIM_COMM"), Some(&b"two\nlines"[..]));
    assert_eq!(value("OOMTRACE_OUTCOME"), Some(&b"killed"[..]));
    let sentence = summary::sentence(&small.episode, &small.info);
    assert_eq!(value("MESSAGE"), Some(sentence.as_bytes()));
    assert!(!sentence.contains('\n'), "{sentence}");
    assert_eq!(value("OOMTRACE_JSON"), Some(small.json().trim_ascii_end()));

    // More than a datagram can have, less than is left out.
    let mut large = item();
    let mut episode = (*large.episode).clone();
    let one = episode.candidates[0].clone();
    let each = large.json().len() / episode.candidates.len().max(1);
    episode.candidates.extend(std::iter::repeat_n(one, (700 << 10) / each));
    large.episode = Arc::new(episode);
    assert!((300 << 10..1 << 20).contains(&large.json().len()), "{} bytes", large.json().len());
    outlet.deliver(&large).unwrap();
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    recvmsg(journal.as_fd(), &mut [], &mut ancillary, RecvFlags::empty()).unwrap();
    let file = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    let mut file = std::fs::File::from(file.expect("a file is passed"));
    let seals = rustix::fs::fcntl_get_seals(&file).unwrap();
    assert!(seals.contains(rustix::fs::SealFlags::WRITE | rustix::fs::SealFlags::SEAL), "{seals:?}");
    let mut entry = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut entry).unwrap();
    let told = fields(&entry);
    assert!(
        told.iter().any(|(name, value)| name == "OOMTRACE_JSON" && value == large.json().trim_ascii_end())
    );

    drop(journal);
    assert!(outlet.deliver(&small).unwrap_err().contains("does not take it"));
}

#[test]
fn syslog_gets_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let daemon = UnixDatagram::bind(&path).unwrap();
    let mut outlet = Syslog::open(&path).unwrap();
    outlet.deliver(&item()).unwrap();
    let mut bytes = [0; 4096];
    let read = daemon.recv(&mut bytes).unwrap();
    let line = std::str::from_utf8(&bytes[..read]).unwrap();
    // LOG_DAEMON, LOG_ERR.
    assert!(line.starts_with("<27>"), "{line}");
    let sentence = summary::sentence(&item().episode, &item().info);
    assert!(line.ends_with(&format!(" oomtrace[{}]: {sentence}", std::process::id())), "{line}");
    // A daemon that is started again is found.
    drop(daemon);
    assert!(outlet.deliver(&item()).is_err());
    std::fs::remove_file(&path).unwrap();
    let _again = UnixDatagram::bind(&path).unwrap();
    outlet.deliver(&item()).unwrap();
}
