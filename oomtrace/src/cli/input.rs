//! Opening a recording, and saying what was wrong with it.

use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read};
use std::path::Path;

use anyhow::Context;

use crate::exit::Exit;
use crate::session::{Ending, Reader};

use super::follow::Follow;
use super::output::is_dash;
use super::say;
use super::status::Progress;

/// A recording from anywhere.
pub(super) type Recording = Reader<Box<dyn Read + Send>>;

/// A recording and its name for messages.
pub(super) struct Input {
    pub(super) name: String,
    /// It is a regular file (or in memory): reading it takes no time to speak of.
    pub(super) is_file: bool,
    pub(super) reader: Recording,
}

/// Opens a recording that may still be written, to be read for as long as it is.
pub(super) fn follow(path: &Path) -> anyhow::Result<Input> {
    if is_dash(path) {
        return open(path);
    }
    let name = path.display().to_string();
    let file = File::open(path).with_context(|| name.clone())?;
    let bytes: Box<dyn Read + Send> = Box::new(BufReader::with_capacity(1 << 16, Follow(file)));
    let reader = Reader::open(bytes).with_context(|| name.clone())?;
    // Reading it may take any time.
    Ok(Input { name, is_file: false, reader })
}

/// Opens `path`; `-` is stdin.
pub(super) fn open(path: &Path) -> anyhow::Result<Input> {
    let (name, is_file, bytes): (String, bool, Box<dyn Read + Send>) = if is_dash(path) {
        ("stdin".to_owned(), false, Box::new(BufReader::new(io::stdin())))
    } else {
        let name = path.display().to_string();
        let file = File::open(path).with_context(|| name.clone())?;
        let length = file.metadata().ok().filter(Metadata::is_file).map(|metadata| metadata.len());
        let bytes = BufReader::with_capacity(1 << 16, Progress::of(file, &name, length.unwrap_or(0)));
        (name, length.is_some(), Box::new(bytes))
    };
    let reader = Reader::open(bytes).with_context(|| name.clone())?;
    Ok(Input { name, is_file, reader })
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
