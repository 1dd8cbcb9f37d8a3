//! The short id of an episode: the same wherever the episode is met, live, replayed, in a rotated or a concatenated file.
//!
//! Eight letters, made of what tells an episode from all others: the boot, and when its pass through `out_of_memory()` was
//! entered. Passes exclude each other (`oom_lock`), so that no two of a boot have the same time. Where a log does not tell the
//! boot, the host and the processes stand in for it. Letters alone, no digits: what is a number is never an id.

use std::fmt;

use super::SessionInfo;
use super::episode::Episode;

/// What ids are written in. Without vowels, so that they make no words.
const LETTERS: &[u8; 20] = b"bcdfghjklmnpqrstvwxz";

/// Letters of an id.
pub const LEN: usize = 8;

/// The short id of an episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShortId([u8; LEN]);

impl ShortId {
    /// Of an episode of the session that `info` heads.
    #[must_use]
    pub fn of(episode: &Episode, info: &SessionInfo) -> Self {
        let mut hash = Fnv::new();
        // The entry; where it was not seen, the next thing that was.
        let seen = [
            episode.opened_ns,
            episode.chosen_ns,
            episode.victims.first().and_then(|victim| victim.killed_ns.or(victim.marked_ns)),
            episode.closed_ns,
        ];
        let stamp = seen.into_iter().position(|ns| ns.is_some());
        hash.byte(stamp.map_or(u8::MAX, |which| which as u8));
        let stamp = stamp.and_then(|which| seen[which]);
        match (&info.boot_id, stamp) {
            (Some(boot_id), Some(ns)) => {
                hash.text(boot_id.as_bytes());
                hash.number(ns);
            }
            _ => unbooted(&mut hash, episode, info, stamp),
        }
        Self(letters(hash.finish()))
    }

    /// Its letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // `LETTERS` are ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// A log that does not tell the boot id, or an episode of which nothing has a time: everything else that tells it from others.
fn unbooted(hash: &mut Fnv, episode: &Episode, info: &SessionInfo, stamp: Option<u64>) {
    for text in [&info.boot_id, &info.host] {
        hash.text(text.as_deref().unwrap_or_default().as_bytes());
    }
    match stamp {
        // Boot time does not depend on which part of a log was read, nor on what was assumed of its wall clock.
        Some(ns) if info.boot_ns(ns).is_some() => hash.number(ns),
        Some(ns) => match info.unix_ns(ns) {
            Some(unix_ns) => hash.text(&unix_ns.to_le_bytes()),
            None => hash.number(episode.id),
        },
        None => {
            hash.number(info.started_boot_ns);
            hash.number(episode.id);
        }
    }
    let trigger = episode.trigger.as_ref();
    for person in trigger.into_iter().chain(episode.victims.iter().map(|victim| &victim.task)) {
        hash.number(u64::from(person.pid.unsigned_abs()));
        hash.text(&person.comm);
    }
}

fn letters(mut hash: u64) -> [u8; LEN] {
    let base = LETTERS.len() as u64;
    std::array::from_fn(|_| {
        let letter = LETTERS[(hash % base) as usize];
        hash /= base;
        letter
    })
}

impl fmt::Display for ShortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether `text` can be an id or the beginning of one.
#[must_use]
pub fn is_prefix(text: &str) -> bool {
    (1..=LEN).contains(&text.len()) && text.bytes().all(|letter| LETTERS.contains(&letter))
}

/// FNV-1a of 64 bits. Not one of the standard library's hashes, which promise nothing about the next release.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn byte(&mut self, byte: u8) {
        self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }

    fn number(&mut self, number: u64) {
        number.to_le_bytes().into_iter().for_each(|byte| self.byte(byte));
    }

    /// With its length before it: where one text ends and the next begins must not be in doubt.
    fn text(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        text.iter().for_each(|&byte| self.byte(byte));
    }

    /// Mixed once more (the finalizer of MurmurHash3): the last bytes have hardly reached the upper bits.
    fn finish(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        mixed ^ (mixed >> 33)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::made_up;

    fn one() -> (Episode, SessionInfo) {
        let info = made_up::info();
        (made_up::assemble(&info, &made_up::one_kill()).remove(0), info)
    }

    #[test]
    fn it_is_the_boot_and_the_entry_and_nothing_else() {
        let (episode, info) = one();
        let id = ShortId::of(&episode, &info);
        // A promise: ids that people wrote down stay good.
        assert_eq!(id.to_string(), "lklvsfrv");
        // Rotated, and seen less of.
        let mut later = info.clone();
        (later.started_boot_ns, later.started_unix_ns, later.host) = (1, None, None);
        let cut = Episode { id: 99, victims: Vec::new(), closed_ns: None, ..episode.clone() };
        assert_eq!(ShortId::of(&cut, &later), id);
        let other = Episode { opened_ns: episode.opened_ns.map(|ns| ns + 1), ..episode.clone() };
        assert_ne!(ShortId::of(&other, &info), id);
        let boot = SessionInfo { boot_id: Some("another".into()), ..info };
        assert_ne!(ShortId::of(&episode, &boot), id);
    }

    #[test]
    fn without_a_boot_the_host_and_the_processes_count() {
        let (episode, info) = one();
        let info = SessionInfo { boot_id: None, ..info };
        let id = ShortId::of(&episode, &info);
        let host = SessionInfo { host: Some("another".into()), ..info.clone() };
        assert_ne!(ShortId::of(&episode, &host), id);
        let mut victim = episode.clone();
        victim.victims[0].task.pid += 1;
        assert_ne!(ShortId::of(&victim, &info), id);
        let nothing = Episode { opened_ns: None, chosen_ns: None, closed_ns: None, ..episode.clone() };
        let nothing = Episode { victims: Vec::new(), ..nothing };
        let next = Episode { id: nothing.id + 1, ..nothing.clone() };
        assert_ne!(ShortId::of(&nothing, &info), ShortId::of(&next, &info));
    }

    #[test]
    fn close_times_have_ids_far_apart() {
        let (episode, info) = one();
        let ids = (0..10_000).map(|ns| {
            let id = ShortId::of(&Episode { opened_ns: Some(ns), ..episode.clone() }, &info);
            assert!(is_prefix(id.as_str()) && is_prefix(&id.as_str()[..1]));
            id
        });
        let ids: HashSet<ShortId> = ids.collect();
        assert!(ids.len() > 9_990, "{}", ids.len());
        let beginnings: HashSet<&str> = ids.iter().map(|id| &id.as_str()[..2]).collect();
        assert_eq!(beginnings.len(), 400);
        for bad in ["", "4", "a", "bcdfghjkl", "BCD", "#b"] {
            assert!(!is_prefix(bad), "{bad}");
        }
    }

    #[test]
    fn the_hash_is_the_known_one() {
        let of = |text: &str| {
            let mut hash = Fnv::new();
            text.bytes().for_each(|byte| hash.byte(byte));
            hash.0
        };
        assert_eq!(of(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(of("foobar"), 0x8594_4171_f739_67e8);
    }
}
