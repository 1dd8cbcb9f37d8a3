//! What the question is answered with: numbers and names, no words.

use crate::model::episode::{MemcgLimit, Person, RankedCandidate};

use crate::explain::change::{Change, Who};
use crate::explain::group::Group;

/// The answer.
#[derive(Clone, Debug)]
pub struct WhatIf<'a> {
    /// What was supposed, and whom it is about.
    pub changes: Vec<(Change, Vec<&'a Person>)>,
    /// What would have happened at that moment.
    pub result: Supposed<'a>,
    /// What would have happened when the limit was met; `None` when the moment did not move, or it cannot be told.
    pub then: Option<Then<'a>>,
    /// Why something cannot be told, or not exactly.
    pub doubts: Vec<Doubt<'a>>,
}

/// What would have happened at that moment.
#[derive(Clone, Debug)]
pub enum Supposed<'a> {
    /// Somebody is killed.
    Kill(Fall<'a>),
    /// Nobody is.
    NoKill(Spared),
    /// The scan would have found nobody it may kill.
    NoneKillable,
    /// Cannot be told; with the best of those that are known.
    Unknown(Option<Fall<'a>>),
}

/// Why nobody is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spared {
    /// There is room for the request: so many pages.
    Room {
        /// Pages that there are more than there were.
        pages: i64,
    },
    /// The one that asked is gone.
    NotAsked,
    /// Nobody was to be killed, whatever the points.
    AsItWas,
}

/// Who would be killed.
#[derive(Clone, Debug)]
pub struct Fall<'a> {
    /// Who.
    pub person: &'a Person,
    /// Its points; `None` when points play no part, or it comes before all that have any.
    pub points: Option<i64>,
    /// The next one, and how many points less it has.
    pub runner_up: Option<(&'a Person, i64)>,
    /// It is the one that was chosen.
    pub same: bool,
    /// Who dies with it by `memory.oom.group`.
    pub group: Group<'a>,
    /// Who dies with it for sharing its memory, as far as the recording saw that.
    pub sharing: Vec<&'a Person>,
}

/// Who would be killed when the limit is met.
#[derive(Clone, Debug)]
pub struct Then<'a> {
    /// Who; `None`: nobody may be.
    pub fall: Option<Fall<'a>>,
    /// The trigger, who is supposed to use the room.
    pub trigger: &'a Person,
    /// By how much its memory is supposed to differ, pages.
    pub growth_pages: i64,
}

/// Why something cannot be told, or not exactly.
#[derive(Clone, Debug)]
pub enum Doubt<'a> {
    /// Candidates were lost, any of which may come before the best of those that are known.
    Missing {
        /// How many.
        count: u64,
    },
    /// The points of these are not known under these terms.
    PointsUnknown {
        /// Whose.
        who: Vec<&'a Person>,
    },
    /// Scored from parts that could only be read approximately.
    Approximate,
    /// A change of these adjustments has no effect: they cannot be killed for another reason, or are chosen in any case.
    NoEffect {
        /// Whose; all for the same reason, which is the first one's.
        who: Vec<&'a RankedCandidate>,
    },
    /// Points play no part in an episode like this one.
    PointsPlayNoPart,
    /// The limit of an ancestor would have been met first, and who dies then may be outside this recording.
    AncestorNext {
        /// Which.
        level: &'a MemcgLimit,
        /// How far the limit could have been raised, pages.
        useful_max_pages: u64,
    },
    /// The machine was further below its watermarks than there would have been more room.
    TooLittle {
        /// Pages that there would have been more.
        pages: i64,
        /// Pages that the least short zone lacked to its min watermark.
        short_pages: i64,
    },
    /// On cgroup v1 memory and swap together were at their limit as well: supposed is that both were other by as much.
    MemswToo {
        /// That limit, pages.
        max_pages: u64,
    },
    /// The machine does not have that much: it would have run out of memory first, and then all its processes are candidates.
    MachineFirst,
    /// The limits of ancestors are not known: one of them may be met first.
    AncestorsUnknown,
    /// The one that asked is gone: who would have asked next is not known.
    TriggerGone,
    /// The one that asked is no candidate: who uses the room is not known.
    TriggerOutside {
        /// Who asked.
        trigger: &'a Person,
    },
    /// The trigger's memory is less than what the limit is lower: others would have been smaller too.
    TriggerTooSmall {
        /// Pages that others would have to make up.
        pages: i64,
    },
    /// Whether others would have been killed with the victim is not known.
    GroupUnknown,
    /// The scan that would have taken place did not take place.
    NoScan,
    /// The scan ended at the one that was still dying: those behind were not looked at.
    BehindTheDying,
    /// A lower limit would have been met earlier: what there was then is not known.
    Earlier,
    /// What decided was not seen.
    NotSeen,
    /// What the killed ones held is not known.
    HeldUnknown,
}

/// Something that cannot be supposed of this episode.
#[derive(Clone, Debug)]
pub enum Mistake<'a> {
    /// No such process; these exist, biggest first.
    NoSuch {
        /// Who was meant.
        who: Who,
        /// Who there is, with the memory of each, pages.
        among: Vec<(&'a Person, Option<i64>)>,
    },
    /// It was asked for by hand: no limit was met.
    NoLimitMet,
    /// Which limit was met is not known.
    LimitUnknown,
    /// There is one limit to suppose.
    TwoLimits,
}
