//! Where messages go while a whole screen is drawn: to whoever draws it, not across it. Behind it they are said as any are.

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
    /// Messages that only the screen has shown.
    said: Vec<String>,
}

static ASIDE: Mutex<Aside> = Mutex::new(Aside { listener: None, said: Vec::new() });

/// Messages that are said again behind a screen at most: the latest.
const MOST: usize = 50;

/// For as long as it is there, what is said goes to `listener`. When it is gone, it is said.
pub(super) struct Screened;

impl Screened {
    pub(super) fn by(listener: impl Fn(Told<'_>) + Send + 'static) -> Self {
        ASIDE.lock().unwrap_or_else(PoisonError::into_inner).listener = Some(Box::new(listener));
        Self
    }
}

impl Drop for Screened {
    fn drop(&mut self) {
        let mut aside = ASIDE.lock().unwrap_or_else(PoisonError::into_inner);
        aside.listener = None;
        let said = std::mem::take(&mut aside.said);
        drop(aside);
        let more = said.len().saturating_sub(MOST);
        if more > 0 {
            super::say(&format!("{more} earlier messages are left out"));
        }
        said.iter().skip(more).for_each(|message| super::say(message));
    }
}

/// Tells it to whoever draws; false if nobody does.
pub(super) fn tell(told: Told<'_>) -> bool {
    let mut aside = ASIDE.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(listener) = &aside.listener else { return false };
    listener(told);
    if let Told::Message(message) = told
        && aside.said.len() < 100 * MOST
    {
        aside.said.push(message.to_owned());
    }
    true
}
