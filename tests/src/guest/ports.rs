//! The guest's serial ports, its only connection to the host. `xtask/src/vm/ports.rs` is the other end.
//!
//! | port  | carries |
//! |-------|---------|
//! | ttyS0 | the kernel's console |
//! | ttyS1 | the command's standard output; with a terminal also its input and its standard error |
//! | ttyS2 | the command's standard error |
//! | ttyS3 | control messages to the host |
//!
//! A control message is one line, `file` is followed by that many bytes:
//!
//! ```text
//! ready                            init runs
//! exit <code>                      the command ended; 128 + n for signal n
//! file <mode> <length> <path>      mode in octal, path below /out in hexadecimal
//! sum <digest>                     after a file's bytes: their CRC-32C in hexadecimal
//! end                              nothing follows
//! failed <words>                   init could not do its work
//! ```

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use rustix::fs::OFlags;
use rustix::termios::{OptionalActions, tcdrain, tcgetattr, tcsetattr};

/// Opens a port so that bytes pass through it unchanged.
pub(super) fn open_raw(path: &str) -> Result<File> {
    let port = open(path)?;
    let mut settings = tcgetattr(&port).with_context(|| format!("{path} is no terminal"))?;
    settings.make_raw();
    settings.set_speed(115_200).with_context(|| format!("cannot set the speed of {path}"))?;
    tcsetattr(&port, OptionalActions::Now, &settings).with_context(|| format!("cannot make {path} raw"))?;
    Ok(port)
}

/// Opens a port as a terminal to type at.
pub(super) fn open(path: &str) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(OFlags::NOCTTY.bits().cast_signed())
        .open(path)
        .with_context(|| format!("cannot open the serial port {path}"))
}

/// Waits until the host has every byte.
pub(super) fn drain(port: &File) -> Result<()> {
    tcdrain(port).context("cannot wait for a serial port to drain")
}

/// The control port.
pub(super) struct Control(BufWriter<File>);

impl Control {
    /// Opens it and tells the host that init runs.
    pub(super) fn open() -> Result<Self> {
        let mut control = Self(BufWriter::with_capacity(1 << 16, open_raw("/dev/ttyS3")?));
        control.say("ready")?;
        Ok(control)
    }

    /// One message.
    pub(super) fn say(&mut self, line: &str) -> Result<()> {
        writeln!(self.0, "{}", line.replace('\n', " "))
            .and_then(|()| self.0.flush())
            .context("cannot tell the host")
    }

    /// Everything below `folder`; returns without an error when a file vanishes meanwhile.
    pub(super) fn send_folder(&mut self, folder: &Path, below: &Path) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            let Ok(meta) = path.symlink_metadata() else { continue };
            if meta.is_dir() {
                self.send_folder(&path, below)?;
            } else if meta.is_file() {
                self.send_file(&path, path.strip_prefix(below).unwrap_or(&path).as_os_str(), meta.len())?;
            }
        }
        Ok(())
    }

    /// One file. A file that grows meanwhile is cut at the announced length, one that shrinks is filled with zeroes.
    fn send_file(&mut self, path: &Path, name: &OsStr, length: u64) -> Result<()> {
        let Ok(file) = File::open(path) else { return Ok(()) };
        let mode = file.metadata().map_or(0o644, |m| m.permissions().mode() & 0o777);
        let hex: String = name.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        self.say(&format!("file {mode:o} {length} {hex}"))?;
        let mut reader = BufReader::new(file).take(length);
        let mut left = length;
        let mut sum = 0;
        let mut buffer = vec![0; 1 << 16];
        while left > 0 {
            let mut count =
                reader.read(&mut buffer).with_context(|| format!("cannot read {}", path.display()))?;
            if count == 0 {
                count = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                buffer[..count].fill(0);
            }
            sum = crc32c::crc32c_append(sum, &buffer[..count]);
            self.0.write_all(&buffer[..count]).context("cannot send a file to the host")?;
            left -= count as u64;
        }
        self.say(&format!("sum {sum:08x}"))
    }

    /// Waits until the host has every byte.
    pub(super) fn drain(&self) -> Result<()> {
        drain(self.0.get_ref())
    }
}
