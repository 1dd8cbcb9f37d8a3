//! The processes of the job: whoever was seen below the command's process.
//!
//! A process that the OOM killer got may be gone when its episode is told, and its parents with it. So the tree is walked all the time,
//! more often at the beginning and then ten times a second, and those that were there lately are remembered.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::time::{Duration, Instant};

/// From one walk to the next, once the job has been running for a while.
const EVERY: Duration = Duration::from_millis(100);
/// The same at first; each is twice as long as the one before.
const FIRST: Duration = Duration::from_millis(5);
/// Walks take at most one part in so many of the time.
const SHARE: u32 = 20;
/// How long those that are gone are remembered: an episode is told when its victims are gone, at the latest after five seconds.
const REMEMBERED: Duration = Duration::from_secs(20);
/// Processes that are followed at most.
const MOST: usize = 50_000;

/// The processes of a job.
#[derive(Debug)]
pub(super) struct Family {
    /// When each was seen last.
    seen: HashMap<i32, Instant>,
    /// Those of the last walk.
    alive: Vec<i32>,
    /// How many there were at once.
    most: usize,
    due: Instant,
    every: Duration,
}

impl Family {
    /// Of the command's process.
    pub(super) fn of(pid: i32) -> Self {
        let now = Instant::now();
        Self { seen: HashMap::from([(pid, now)]), alive: vec![pid], most: 0, due: now, every: FIRST }
    }

    /// When the next walk is due.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Whether this process was seen.
    pub(super) fn has(&self, pid: i32) -> bool {
        self.seen.contains_key(&pid)
    }

    /// How many there were at once, as far as was seen; 0: nobody looked.
    pub(super) fn most(&self) -> usize {
        self.most
    }

    /// As if somebody had looked.
    pub(super) fn put_off(&mut self) {
        self.due = Instant::now() + EVERY;
    }

    /// Looks who is there. What a process that is gone left behind is still its family's.
    pub(super) fn walk(&mut self) {
        let begun = Instant::now();
        let mut found = HashSet::new();
        let mut waiting = std::mem::take(&mut self.alive);
        while let Some(pid) = waiting.pop() {
            if found.len() >= MOST || found.contains(&pid) {
                continue;
            }
            let Some(children) = children(pid) else { continue };
            found.insert(pid);
            waiting.extend(children);
        }
        self.most = self.most.max(found.len());
        for &pid in &found {
            self.seen.insert(pid, begun);
        }
        self.alive = found.into_iter().collect();
        self.seen.retain(|_, seen| begun.duration_since(*seen) < REMEMBERED);
        self.due = begun + self.every.max(begun.elapsed() * SHARE);
        self.every = EVERY.min(self.every * 2);
    }
}

/// The children of all threads of a process; `None` when it is gone.
fn children(pid: i32) -> Option<Vec<i32>> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let mut children = Vec::new();
    for thread in threads.flatten() {
        let list = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        children.extend(list.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    Some(children)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn grandchildren_are_found_and_remembered_when_they_are_gone() {
        let mut child = Command::new("/bin/sh")
            .args(["-c", "sleep 60 & echo $!; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = [0; 16];
        let read = child.stdout.take().unwrap().read(&mut line).unwrap();
        let grandchild: i32 = std::str::from_utf8(&line[..read]).unwrap().trim().parse().unwrap();
        let own = child.id().cast_signed();
        let mut family = Family::of(own);
        family.walk();
        assert!(family.has(own) && family.has(grandchild));
        assert!(!family.has(std::process::id().cast_signed()));
        assert_eq!(family.most(), 2);
        child.kill().unwrap();
        child.wait().unwrap();
        family.walk();
        assert!(family.has(own), "it is remembered");
        let orphan = rustix::process::Pid::from_raw(grandchild).unwrap();
        assert_eq!(family.alive, [grandchild], "an orphan stays in the family");
        rustix::process::kill_process(orphan, rustix::process::Signal::KILL).unwrap();
    }
}
