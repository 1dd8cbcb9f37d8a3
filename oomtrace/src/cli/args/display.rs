//! How to show it.

use clap::{ArgAction, ValueEnum};

/// How to show it.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Display")]
pub struct DisplayArgs {
    /// One JSON object a line instead of text
    #[arg(long)]
    pub json: bool,
    /// All candidates, with uid and cgroup
    #[arg(short, long, action = ArgAction::SetTrue)]
    pub verbose: bool,
    /// When to use colour; `auto` on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub color: Color,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "a doc comment would be the help of a value whose name says it")]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}
