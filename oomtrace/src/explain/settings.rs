//! What `/proc/sys/vm` did to the decision.

use crate::model::SessionInfo;
use crate::model::episode::{Episode, Scope};
use crate::model::session::Settings;

/// Settings, and since when they are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InForce {
    /// The settings.
    pub settings: Settings,
    /// Captured at the choice; else at the start of the session.
    pub at_the_choice: bool,
    /// `oom_kill_allocating_task` is not asked: a memcg's limit was met.
    pub memcg: bool,
    /// `panic_on_oom` is not asked: sysrq-f.
    pub by_hand: bool,
}

/// The settings that were in force, as far as is known.
#[must_use]
pub fn in_force(episode: &Episode, session: &SessionInfo) -> InForce {
    let captured = episode.situation.as_ref().map(|situation| situation.settings);
    let captured = captured.filter(|settings| *settings != Settings::default());
    InForce {
        settings: captured.unwrap_or(session.settings),
        at_the_choice: captured.is_some(),
        memcg: episode.scope == Some(Scope::Memcg),
        by_hand: by_hand(episode),
    }
}

/// Asked for by sysrq-f: whatever the memory.
#[must_use]
pub fn by_hand(episode: &Episode) -> bool {
    episode.order == Some(-1)
}
