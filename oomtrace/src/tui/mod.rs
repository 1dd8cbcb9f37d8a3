//! Episodes on a whole screen, to look around in.
//!
//! - [`inbox`]: where episodes and messages arrive, from whatever thread reads them;
//! - [`app`]: what is shown and what keys do to it, without a terminal; [`candidates`], [`text`] and [`prompt`] are parts of it;
//! - [`keys`]: which keys there are, and what is said of them; [`input`]: keys from what a terminal sends;
//! - [`view`]: how it is drawn;
//! - [`run`]: the loop that waits for keys, signals and arrivals; [`screen`]: the terminal, taken and given back whatever happens.
//!
//! What is said of an episode is said by `sink/terminal` and worked out by `explain`: here it is only moved about. Only what is visible is
//! written and drawn, so that a scan of 20,000 candidates scrolls like one of twenty.

pub mod app;
mod candidates;
pub mod inbox;
mod input;
pub mod keys;
mod prompt;
mod run;
mod screen;
#[cfg(test)]
mod tests;
mod text;
mod view;

pub use app::{App, Source};
pub use inbox::Inbox;
pub use run::{Teller, run};
