//! The kernel log, read from `/dev/kmsg`: one record a read, with everything that is not printable ASCII escaped.
//!
//! The log is only read when asked: a reader that ran along with an OOM would change its own memory between the scan and
//! the table that the scan is compared with.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// One record of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Sequence number.
    pub sequence: u64,
    /// Microseconds since boot.
    pub microseconds: u64,
    /// The message as it was printed, unescaped, without the newline at its end.
    pub message: Vec<u8>,
}

/// The log from a point on.
pub struct KernelLog {
    file: File,
    records: Vec<Record>,
    overwritten: bool,
}

impl KernelLog {
    /// From now on: what was logged before is not seen.
    pub fn from_now() -> Result<Self> {
        let mut file = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/kmsg")
            .context("failed to open /dev/kmsg")?;
        file.seek(SeekFrom::End(0)).context("failed to seek to the end of /dev/kmsg")?;
        Ok(Self { file, records: Vec::new(), overwritten: false })
    }

    /// Reads what has been logged by now and returns everything since the start.
    ///
    /// Fails when the kernel has overwritten records before they were read: the oracle would be incomplete.
    pub fn records(&mut self) -> Result<&[Record]> {
        while self.read_one()? {}
        if self.overwritten {
            bail!("the kernel log overflowed during the test; more log_buf_len is needed");
        }
        Ok(&self.records)
    }

    /// Waits until a record's message contains `words`.
    pub fn wait_for(&mut self, words: &str, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        let mut looked_at = 0;
        loop {
            while self.read_one()? {}
            if self.records[looked_at..].iter().any(|record| contains(&record.message, words.as_bytes())) {
                return Ok(());
            }
            looked_at = self.records.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("the kernel did not log {words:?} within {patience:?}");
            }
            let timeout = Timespec::try_from(left).context("failed to convert a timeout")?;
            match poll(&mut [PollFd::new(&self.file, PollFlags::IN)], Some(&timeout)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => (),
                Err(error) => return Err(error).context("failed to wait for the kernel log"),
            }
        }
    }

    /// Everything since the start as text for people.
    pub fn text(&mut self) -> String {
        // Best effort: this is for the files kept after a failure.
        while matches!(self.read_one(), Ok(true)) {}
        let line = |record: &Record| {
            let seconds = record.microseconds / 1_000_000;
            let rest = record.microseconds % 1_000_000;
            format!("[{seconds:5}.{rest:06}] {}\n", record.message.escape_ascii())
        };
        self.records.iter().map(line).collect()
    }

    /// Reads one record; `false` when there is none right now.
    fn read_one(&mut self) -> Result<bool> {
        let mut buffer = [0; 16 * 1024];
        match self.file.read(&mut buffer) {
            Ok(length) => {
                let record = parse_record(&buffer[..length]).with_context(|| {
                    format!("not a record of the kernel log: {}", buffer[..length].escape_ascii())
                })?;
                self.records.push(record);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(true),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.overwritten = true;
                Ok(true)
            }
            Err(error) => Err(error).context("failed to read /dev/kmsg"),
        }
    }
}

/// The number of the oldest record that has not been overwritten.
pub fn oldest() -> Result<u64> {
    let mut file = File::open("/dev/kmsg").context("failed to open /dev/kmsg")?;
    let mut buffer = [0; 16 * 1024];
    let length = file.read(&mut buffer).context("failed to read /dev/kmsg")?;
    parse_record(&buffer[..length]).map(|record| record.sequence).context("not a record of the kernel log")
}

/// Parses `priority,sequence,microseconds,flags;message` and the `KEY=value` lines after it.
fn parse_record(bytes: &[u8]) -> Option<Record> {
    let separator = bytes.iter().position(|byte| *byte == b';')?;
    let header = std::str::from_utf8(&bytes[..separator]).ok()?;
    let mut fields = header.split(',').skip(1);
    let sequence = fields.next()?.parse().ok()?;
    let microseconds = fields.next()?.parse().ok()?;
    // The message itself has its newlines escaped, so the first real one ends it; dictionary lines follow.
    let message = bytes[separator + 1..].split(|byte| *byte == b'\n').next()?;
    Some(Record { sequence, microseconds, message: unescape(message) })
}

/// Undoes the kernel's `\xNN` escapes.
fn unescape(mut message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    while let Some((byte, rest)) = message.split_first() {
        if *byte == b'\\'
            && let Some(hex) = rest.get(..3)
            && hex[0] == b'x'
            && let Some(value) = hex_byte(hex[1], hex[2])
        {
            out.push(value);
            message = &rest[3..];
        } else {
            out.push(*byte);
            message = rest;
        }
    }
    out
}

fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? * 16 + digit(low)?)
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::parse_record;

    #[test]
    fn a_record_is_split_and_unescaped() {
        let record = parse_record(b"4,812,5140900,-;a\\x0ab \\x5c (\\xff)\n SUBSYSTEM=cpu\n").unwrap();
        assert_eq!((record.sequence, record.microseconds), (812, 5_140_900));
        assert_eq!(record.message, b"a\nb \\ (\xff)");
    }

    #[test]
    fn what_is_no_record_is_refused() {
        assert_eq!(parse_record(b""), None);
        assert_eq!(parse_record(b"no header"), None);
        assert_eq!(parse_record(b"4,x,1,-;message"), None);
    }
}
