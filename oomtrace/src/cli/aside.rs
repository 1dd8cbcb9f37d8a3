//! Where messages go while a whole screen is drawn: to whoever draws it, not across it. Behind it they are said as any are.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// What would have been written to stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told<'a> {
    /// A message.
    Message(&'a str),
    /// The line at the foot, in place of the one before; `None`: it is gone.
    Foot(Option<&'a str>),
}

type Listener = Box<dyn Fn(Told<'_>) + Send>;

struct Aside {
    listener: Option<Listener>,
    /// Messages that only the screen has shown: the latest.
    said: VecDeque<String>,
    /// And how many were there before.
    left_out: u64,
}

static ASIDE: Mutex<Aside> = Mutex::new(Aside { listener: None, said: VecDeque::new(), left_out: 0 });

/// Messages that are said again behind a screen at most: the latest.
const MOST: usize = 50;

/// For as long as it is there, what is said goes to `listener`. When it is gone, it is said.
#[cfg(feature = "tui")]
pub(super) struct Screened;

#[cfg(feature = "tui")]
impl Screened {
    pub(super) fn by(listener: impl Fn(Told<'_>) + Send + 'static) -> Self {
        ASIDE.lock().unwrap_or_else(PoisonError::into_inner).listener = Some(Box::new(listener));
        Self
    }
}

#[cfg(feature = "tui")]
impl Drop for Screened {
    fn drop(&mut self) {
        let mut aside = ASIDE.lock().unwrap_or_else(PoisonError::into_inner);
        aside.listener = None;
        let (said, left_out) = (std::mem::take(&mut aside.said), std::mem::take(&mut aside.left_out));
        drop(aside);
        if left_out > 0 {
            super::say(&format!("{left_out} earlier messages are left out"));
        }
        said.iter().for_each(|message| super::say(message));
    }
}

/// Tells it to whoever draws; false if nobody does.
pub(super) fn tell(told: Told<'_>) -> bool {
    let mut aside = ASIDE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(listener) = &aside.listener else { return false };
    listener(told);
    if let Told::Message(message) = told {
        aside.said.push_back(message.to_owned());
        if aside.said.len() > MOST {
            aside.said.pop_front();
            aside.left_out += 1;
        }
    }
    true
}
