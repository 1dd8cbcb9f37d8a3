//! Opening a recording, and saying what was wrong with it.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use anyhow::Context;

use crate::exit::Exit;
use crate::session::{Ending, Reader};

use super::output::is_dash;
use super::say;

/// A recording and its name for messages.
pub(super) struct Input {
    pub(super) name: String,
    pub(super) reader: Reader<Box<dyn Read>>,
}

/// Opens `path`; `-` is stdin.
pub(super) fn open(path: &Path) -> anyhow::Result<Input> {
    let (name, bytes): (String, Box<dyn Read>) = if is_dash(path) {
        ("stdin".to_owned(), Box::new(BufReader::new(io::stdin())))
    } else {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| name.clone())?;
        (name, Box::new(BufReader::with_capacity(1 << 16, file)))
    };
    let reader = Reader::open(bytes).with_context(|| name.clone())?;
    Ok(Input { name, reader })
}

impl Input {
    /// Says what was wrong with the recording, once it has been read; returns how that would end the program.
    pub(super) fn verdict(&self) -> Exit {
        let tally = self.reader.tally();
        let mut exit = Exit::Done;
        if tally.unknown > 0 {
            let version = self.reader.version();
            say(&format!(
                "{}: passed over {} frames of kinds that this oomtrace does not know (format {version}); \
                 a newer one shows more",
                self.name, tally.unknown
            ));
        }
        if tally.unreadable > 0 {
            say(&format!("{}: passed over {} frames that could not be read", self.name, tally.unreadable));
            exit = Exit::Lossy;
        }
        match self.reader.ending() {
            None | Some(Ending::Complete) => exit,
            Some(ending) => {
                say(&format!("{}: {ending}", self.name));
                if matches!(ending, Ending::Io { .. }) { Exit::Failed } else { Exit::Lossy }
            }
        }
    }
}
