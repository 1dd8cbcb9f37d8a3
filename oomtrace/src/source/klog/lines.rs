//! Lines of a log in constant memory, and fast: outside of reports only lines with certain words are looked at.

use std::io::{self, Read};

use aho_corasick::{AhoCorasick, MatchKind};
use memchr::{memchr, memrchr};

/// Bytes of a line at most; the rest of a longer one is left out. Records of the journal as JSON have kilobytes.
pub const LONGEST: usize = 64 << 10;
/// Bytes that are read at a time.
const CHUNK: usize = 256 << 10;

/// Words without which no line begins a report, belongs to a kill, or tells of a boot. The last is a message of the journal as an
/// array of bytes, which shows no words.
const WORDS: [&[u8]; 12] = [
    b"oom-kill",
    b"oom_score_adj",
    b"oom_reaper",
    b"oom_kill_process",
    b"oom.group",
    b"OOM victim",
    b"ut of memory",
    b"ut of Memory",
    b"illed process",
    b"Linux version",
    b"k swap on ",
    b"\"MESSAGE\":[",
];
const SPACED: &[u8] = b"\"MESSAGE\" : [";

/// Reads lines.
pub struct Lines<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    done: bool,
    words: AhoCorasick,
    /// Lines that were cut at [`LONGEST`].
    cut: u64,
    /// The rest of a line that was cut is passed over.
    skipping: bool,
}

impl<R: Read> Lines<R> {
    /// Of `source`.
    ///
    /// # Errors
    ///
    /// None that can happen: the words are constants.
    pub fn new(source: R) -> io::Result<Self> {
        // Leftmost: only that kind looks at many bytes at a time.
        let words = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .build(WORDS.iter().copied().chain([SPACED]))
            .map_err(io::Error::other)?;
        Ok(Self {
            source,
            buffer: vec![0; CHUNK + LONGEST],
            start: 0,
            end: 0,
            done: false,
            words,
            cut: 0,
            skipping: false,
        })
    }

    /// The next line, without its end. With `all` false, the next one that has any of the words.
    ///
    /// # Errors
    ///
    /// Those of the source.
    pub fn next_line(&mut self, all: bool) -> io::Result<Option<&[u8]>> {
        loop {
            if self.skipping {
                match memchr(b'\n', &self.buffer[self.start..self.end]) {
                    Some(at) => {
                        self.start += at + 1;
                        self.skipping = false;
                    }
                    None => {
                        self.start = self.end;
                        if !self.fill()? {
                            return Ok(None);
                        }
                        continue;
                    }
                }
            }
            if !all && !self.skip_to_word() {
                // Keep the beginning of a line that is not whole.
                let newline = memrchr(b'\n', &self.buffer[self.start..self.end]);
                self.start += newline.map_or(0, |at| at + 1);
                if self.end - self.start >= LONGEST {
                    // A line without a word so far and longer than allowed: nothing of it is looked at.
                    self.cut += 1;
                    self.skipping = true;
                    continue;
                }
                if !self.fill()? {
                    return Ok(None);
                }
                continue;
            }
            let line_end = memchr(b'\n', &self.buffer[self.start..self.end]).map(|at| self.start + at);
            match line_end {
                Some(end) => {
                    let line = self.start..end;
                    self.start = end + 1;
                    return Ok(Some(&self.buffer[line]));
                }
                None if self.end - self.start >= LONGEST => {
                    let line = self.start..self.start + LONGEST;
                    self.start = line.end;
                    self.skipping = true;
                    self.cut += 1;
                    return Ok(Some(&self.buffer[line]));
                }
                None => {
                    if !self.fill()? {
                        let line = self.start..self.end;
                        self.start = self.end;
                        return Ok((!line.is_empty()).then(|| &self.buffer[line]));
                    }
                }
            }
        }
    }

    /// Moves on to the beginning of the next line with a word; false when there is none in the buffer.
    fn skip_to_word(&mut self) -> bool {
        match self.words.find(&self.buffer[self.start..self.end]) {
            Some(found) => {
                let at = self.start + found.start();
                let line = memrchr(b'\n', &self.buffer[self.start..at])
                    .map_or(self.start, |back| self.start + back + 1);
                self.start = line;
                true
            }
            None => false,
        }
    }

    /// Reads more; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        if self.done {
            return Ok(false);
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.done = true;
                    return Ok(false);
                }
                Ok(count) => {
                    self.end += count;
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Lines that were longer than [`LONGEST`].
    pub fn cut(&self) -> u64 {
        self.cut
    }
}
