//! `/dev/kmsg`, followed from now on: one record a read, no waking while the kernel says nothing, and what it overwrote before it was
//! read counted by the gap in its numbers.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

use tokio::io::{Interest, unix::AsyncFd};

use super::super::LiveError;

/// Where the kernel's log is.
pub(super) const KMSG: &str = "/dev/kmsg";
/// The longest record: `CONSOLE_EXT_LOG_MAX` or, later, `PRINTK_MESSAGE_MAX`, both up to 8192.
const LONGEST: usize = 16 << 10;
/// Records of the kernel itself; others were written by programs.
const FACILITY_KERN: u64 = 0;

/// The reader.
pub(super) struct Kmsg {
    file: Option<File>,
    ready: Option<AsyncFd<File>>,
    buffer: Vec<u8>,
    /// Number of the next record, if none is missed; `None` before the first.
    next: Option<u64>,
    /// Something was overwritten before the first one was read: how much is not known.
    unknown_gap: bool,
    /// Records are there that have not been read: they are not waited for.
    more: bool,
}

/// What a read came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read<'a> {
    /// A record of the kernel, and how many before it are gone.
    Record(Record<'a>, u64),
    /// One of a program's; likewise.
    NotKernel(u64),
    /// There is nothing more for now.
    Nothing,
}

/// A record without what follows its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Facility and level.
    pub(super) priority: u64,
    /// Its number since boot.
    pub(super) number: u64,
    /// The log's clock, µs.
    pub(super) stamp_us: u64,
    /// As they are.
    pub(super) flags: &'a [u8],
    /// Escaped as it is.
    pub(super) text: &'a [u8],
}

impl Kmsg {
    /// Opens it behind its last record.
    pub(super) fn open() -> Result<Self, LiveError> {
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(KMSG);
        let mut file = opened.map_err(|error| match error.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => LiveError::LogRefused { error },
            _ => LiveError::Read { path: PathBuf::from(KMSG), error },
        })?;
        file.seek(SeekFrom::End(0)).map_err(|error| LiveError::Read { path: PathBuf::from(KMSG), error })?;
        Ok(Self {
            file: Some(file),
            ready: None,
            buffer: vec![0; LONGEST],
            next: None,
            unknown_gap: false,
            more: true,
        })
    }

    /// Waits for a record. Cancel safe.
    pub(super) async fn readable(&mut self) -> io::Result<()> {
        if self.more {
            return Ok(());
        }
        self.registered()?.readable().await?.retain_ready();
        Ok(())
    }

    /// Reads the next record, without waiting.
    pub(super) fn read(&mut self) -> io::Result<Read<'_>> {
        let length = loop {
            let read = match (&mut self.ready, &mut self.file) {
                (Some(ready), _) => ready.try_io_mut(Interest::READABLE, |file| file.read(&mut self.buffer)),
                (None, Some(file)) => file.read(&mut self.buffer),
                (None, None) => Ok(0),
            };
            match read {
                Ok(0) => break None,
                Ok(length) => break Some(length),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break None,
                // The next read begins with what is left; its number tells how much is not. The same for one that is too long.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                    self.unknown_gap |= self.next.is_none();
                }
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                    self.unknown_gap |= self.next.is_none();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        };
        self.more = length.is_some();
        let Some(record) = length.and_then(|length| self.buffer.get(..length)) else {
            return Ok(Read::Nothing);
        };
        let Some(record) = parse(record) else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no record of the kernel's log"));
        };
        let missed = match self.next {
            Some(next) => record.number.saturating_sub(next),
            // One at least.
            None => u64::from(self.unknown_gap),
        };
        self.next = Some(record.number.saturating_add(1));
        Ok(if record.priority >> 3 == FACILITY_KERN {
            Read::Record(record, missed)
        } else {
            Read::NotKernel(missed)
        })
    }

    /// Registers with the runtime on first use, which is when there is one.
    fn registered(&mut self) -> io::Result<&AsyncFd<File>> {
        if let Some(file) = self.file.take() {
            // SAFETY: the file owns its descriptor, returns the same one for as long as it lives, and is not replaced while
            // registered: it is only read from.
            let ready = unsafe { AsyncFd::register_with_interest(file, Interest::READABLE) };
            self.ready = Some(ready.map_err(io::Error::from)?);
        }
        self.ready.as_ref().ok_or_else(|| io::Error::other("the kernel's log has been closed"))
    }
}

/// `priority,number,microseconds,flags[,more];text` and lines with keys after it.
fn parse(bytes: &[u8]) -> Option<Record<'_>> {
    let end = bytes.iter().position(|&byte| byte == b';')?;
    let (head, text) = (bytes.get(..end)?, bytes.get(end + 1..)?);
    let mut fields = head.splitn(4, |&byte| byte == b',');
    let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
    let (priority, sequence, stamp_us) = (number()?, number()?, number()?);
    // Newlines within the text are escaped.
    let text = text.split(|&byte| byte == b'\n').next()?;
    Some(Record { priority, number: sequence, stamp_us, flags: fields.next()?, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_and_what_is_none() {
        let record =
            parse(b"4,812,5140900,-,caller=T12;a; b, \\x0ac\n SUBSYSTEM=cpu\n DEVICE=+cpu:1\n").unwrap();
        let Record { priority, number, stamp_us, flags, text } = record;
        assert_eq!((priority, number, stamp_us), (4, 812, 5_140_900));
        assert_eq!((flags, text), (&b"-,caller=T12"[..], &b"a; b, \\x0ac"[..]));
        for bytes in [
            &b""[..],
            b"no header",
            b"4,x,1,-;text",
            b"4,1,1;text",
            b"4,1,-;text",
            b"4,99999999999999999999,1,-;t",
        ] {
            assert_eq!(parse(bytes), None, "{}", bytes.escape_ascii());
        }
    }
}
