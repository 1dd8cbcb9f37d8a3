//! A line that is being typed.

use super::keys::Key;

/// Characters at most.
const MOST: usize = 200;

/// What it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Text to find.
    Find,
    /// Something to suppose.
    WhatIf,
}

/// The line.
#[derive(Clone, Debug)]
pub(super) struct Prompt {
    pub(super) purpose: Purpose,
    pub(super) text: String,
}

/// What a key has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// It is still being typed.
    On,
    /// It is to be taken as it is.
    Done,
    /// It is not to be.
    Left,
}

impl Prompt {
    pub(super) fn new(purpose: Purpose, text: impl Into<String>) -> Self {
        Self { purpose, text: text.into() }
    }

    pub(super) fn key(&mut self, key: Key) -> Typed {
        match key {
            Key::Esc => return Typed::Left,
            Key::Enter => return Typed::Done,
            Key::Backspace => drop(self.text.pop()),
            Key::Ctrl('u') => self.text.clear(),
            Key::Ctrl('w') => {
                let kept = self.text.trim_end().rfind([' ', '/', ':', '=']).map_or(0, |at| at + 1);
                self.text.truncate(kept.min(self.text.len().saturating_sub(1)));
            }
            Key::Char(c) if !c.is_control() && self.text.chars().count() < MOST => self.text.push(c),
            _ => {}
        }
        Typed::On
    }
}
