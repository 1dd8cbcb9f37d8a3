//! The few argument shapes the programs need: positional words and `--name VALUE` pairs.
//!
//! Not a command-line parser for people: the harness is the only caller, so anything unexpected is an error.

use std::ffi::OsString;
use std::str::FromStr;

use anyhow::{Context as _, Result, bail};

/// Words not yet taken.
pub struct Arguments(Vec<String>);

impl Arguments {
    /// From what follows the program's name.
    pub fn new(words: impl IntoIterator<Item = OsString>) -> Self {
        Self(words.into_iter().map(|word| word.to_string_lossy().into_owned()).collect())
    }

    /// Takes `--name VALUE`, if it is there.
    pub fn option<T: FromStr>(&mut self, name: &str) -> Result<Option<T>> {
        let Some(at) = self.0.iter().position(|word| word == name) else { return Ok(None) };
        if at + 1 == self.0.len() {
            bail!("{name} wants a value");
        }
        let value = self.0.drain(at..at + 2).nth(1).unwrap_or_default();
        value.parse().map(Some).ok().with_context(|| format!("{name} cannot be {value:?}"))
    }

    /// Takes `--name`, if it is there.
    pub fn flag(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|word| word != name);
        self.0.len() != before
    }

    /// Takes the next positional word.
    pub fn next<T: FromStr>(&mut self, what: &str) -> Result<T> {
        if self.0.is_empty() {
            bail!("{what} is missing");
        }
        let word = self.0.remove(0);
        word.parse().ok().with_context(|| format!("{what} cannot be {word:?}"))
    }

    /// Takes the next positional word, if there is one.
    pub fn optional(&mut self) -> Result<Option<String>> {
        if self.0.is_empty() { Ok(None) } else { self.next("a word").map(Some) }
    }

    /// Checks that nothing is left.
    pub fn end(self) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some(word) => bail!("unexpected argument {word:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;

    fn arguments(words: &[&str]) -> Arguments {
        Arguments::new(words.iter().map(Into::into))
    }

    #[test]
    fn options_are_taken_wherever_they_stand() {
        let mut found = arguments(&["200", "--adj", "-17", "--shmem"]);
        assert_eq!(found.option::<i32>("--adj").unwrap(), Some(-17));
        assert_eq!(found.option::<i32>("--rss").unwrap(), None);
        assert!(found.flag("--shmem"));
        assert_eq!(found.next::<u32>("N").unwrap(), 200);
        found.end().unwrap();
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        assert!(arguments(&["--adj"]).option::<i32>("--adj").is_err());
        assert!(arguments(&["--adj", "much"]).option::<i32>("--adj").is_err());
        assert!(arguments(&[]).next::<u32>("N").is_err());
        assert!(arguments(&["stray"]).end().is_err());
    }
}
