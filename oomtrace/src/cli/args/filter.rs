//! What to show.

use clap::ValueEnum;

use crate::filter::{Filter, Moment, Which};
use crate::model::episode::{Outcome, Scope};

use super::values::{moment, which};

/// What to show. Recordings always hold everything.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Filters (for what is shown, not for what is recorded)")]
pub struct FilterArgs {
    /// Episodes with a victim whose name contains NAME, or matches it when it has * or ?; or with this pid
    #[arg(long, value_name = "NAME")]
    pub victim: Vec<String>,
    /// Episodes whose trigger (who asked for memory) has such a name, or this pid
    #[arg(long, value_name = "NAME")]
    pub trigger: Vec<String>,
    /// Episodes whose limit, or one of whose victims, is in the cgroup PATH or below it, or matches it when it has * or ?
    #[arg(long, value_name = "PATH")]
    pub cgroup: Vec<String>,
    /// Episodes whose limit, or one of whose victims, is of such a pod: POD, NAMESPACE/POD, with * or ? as patterns, or the beginning of a uid
    #[arg(long, value_name = "POD")]
    pub pod: Vec<String>,
    /// The same of a container: its name, or the beginning of its id
    #[arg(long, value_name = "NAME")]
    pub container: Vec<String>,
    /// Episodes of the whole machine, or of a memcg
    #[arg(long, value_enum, value_delimiter = ',')]
    pub scope: Vec<ScopeArg>,
    /// Episodes that ended this way; as the others it may be given more than once, one has to fit; also with commas
    #[arg(long, value_enum, value_delimiter = ',')]
    pub outcome: Vec<OutcomeArg>,
}

/// Which episodes of recordings.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Filters (for what is shown, not for what is recorded)")]
pub struct PickArgs {
    /// The episode with this number or id (its beginning will do); may be given more than once
    #[arg(long, value_name = "ID", value_parser = which)]
    pub episode: Vec<Which>,
    /// Episodes from this time on: 2026-10-03T14:00:00Z, "2026-10-03 14:00" where it was recorded, or -2h
    #[arg(long, value_name = "TIME", value_parser = moment, allow_hyphen_values = true)]
    pub from: Option<Moment>,
    /// Episodes before this time
    #[arg(long, value_name = "TIME", value_parser = moment, allow_hyphen_values = true)]
    pub to: Option<Moment>,
}

/// Whole machine or memcg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "a doc comment would be the help of a value whose name says it")]
pub enum ScopeArg {
    Global,
    Memcg,
}

/// How an episode ended, by its name in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
#[expect(missing_docs, reason = "a doc comment would be the help of a value whose name says it")]
pub enum OutcomeArg {
    Killed,
    GroupKilled,
    AlreadyExiting,
    Freed,
    NoneKillable,
    Skipped,
    Incomplete,
}

impl From<&FilterArgs> for Filter {
    fn from(args: &FilterArgs) -> Self {
        Self {
            victims: args.victim.clone(),
            triggers: args.trigger.clone(),
            cgroups: args.cgroup.clone(),
            pods: args.pod.clone(),
            containers: args.container.clone(),
            scopes: args.scope.iter().map(|&scope| scope.into()).collect(),
            outcomes: args.outcome.iter().map(|&outcome| outcome.into()).collect(),
            ..Self::default()
        }
    }
}

impl PickArgs {
    /// Both kinds of conditions in one.
    #[must_use]
    pub fn with(&self, filter: &FilterArgs) -> Filter {
        let Self { episode, from, to } = self;
        Filter { episodes: episode.clone(), from: *from, to: *to, ..Filter::from(filter) }
    }
}

impl From<ScopeArg> for Scope {
    fn from(scope: ScopeArg) -> Self {
        match scope {
            ScopeArg::Global => Self::Global,
            ScopeArg::Memcg => Self::Memcg,
        }
    }
}

impl From<OutcomeArg> for Outcome {
    fn from(outcome: OutcomeArg) -> Self {
        match outcome {
            OutcomeArg::Killed => Self::Killed,
            OutcomeArg::GroupKilled => Self::GroupKilled,
            OutcomeArg::AlreadyExiting => Self::AlreadyExiting,
            OutcomeArg::Freed => Self::Freed,
            OutcomeArg::NoneKillable => Self::NoneKillable,
            OutcomeArg::Skipped => Self::Skipped,
            OutcomeArg::Incomplete => Self::Incomplete,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Args, Command};

    #[test]
    fn outcomes_are_named_as_in_json() {
        let args =
            Args::try_parse_from(["oomtrace", "replay", "f", "--outcome", "group_killed,none_killable"]);
        let Ok(Args { command: Command::Replay(args) }) = args else { panic!("{args:?}") };
        assert_eq!(Filter::from(&args.filter).outcomes, [Outcome::GroupKilled, Outcome::NoneKillable]);
    }
}
