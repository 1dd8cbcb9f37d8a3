//! The journal, with fields: one datagram an entry, as <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/> has it; what is too large for one is
//! given as a sealed file in memory.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, sendmsg_addr};

use super::{Item, Outlet, summary};

/// Where the journal listens.
pub const SOCKET: &str = "/run/systemd/journal/socket";
/// Entries of oomtrace, for `journalctl MESSAGE_ID=`.
pub const MESSAGE_ID: &str = "3c1a4f0f5c0c4d6fb1f7c9e2b0a8d517";
/// JSON that is longer is left out: the journal keeps entries for long, and a recording has it.
const MOST_JSON: usize = 1 << 20;

/// Writes entries.
#[derive(Debug)]
pub struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// Writes to who listens at `path`.
    ///
    /// # Errors
    ///
    /// No socket can be made, or nobody listens.
    pub fn open(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // Only to know now: each entry is sent to the path, so that a journal that is started again is found.
        UnixDatagram::unbound()?.connect(path)?;
        Ok(Self { socket, path: path.to_owned() })
    }

    fn send(&self, entry: &[u8]) -> io::Result<()> {
        match self.socket.send_to(entry, &self.path) {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EMSGSIZE | libc::ENOBUFS)) => {
                self.send_file(entry)
            }
            Err(error) => Err(error),
        }
    }

    fn send_file(&self, entry: &[u8]) -> io::Result<()> {
        let mut file = File::from(memfd_create("journal", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
        file.write_all(entry)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL)?;
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let files = [file.as_fd()];
        if !ancillary.push(SendAncillaryMessage::ScmRights(&files)) {
            return Err(Errno::NOBUFS.into());
        }
        let address = SocketAddrUnix::new(&self.path)?;
        sendmsg_addr(&self.socket, &address, &[] as &[IoSlice<'_>], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

impl Outlet for Journal {
    fn deliver(&mut self, item: &Item) -> Result<(), String> {
        self.send(&entry(item)).map_err(|error| format!("the journal does not take it: {error}"))
    }
}

/// All fields.
fn entry(item: &Item) -> Vec<u8> {
    let Item { info, episode } = item;
    let mut entry = Vec::new();
    let mut add = |name: &str, value: &[u8]| field(&mut entry, name, value);
    add("MESSAGE", summary::sentence(episode, info).as_bytes());
    add("MESSAGE_ID", MESSAGE_ID.as_bytes());
    add("PRIORITY", summary::severity(episode).to_string().as_bytes());
    add("SYSLOG_IDENTIFIER", b"oomtrace");
    for (name, value) in summary::fields(episode, info) {
        add(&format!("OOMTRACE_{name}"), value.as_bytes());
    }
    let json = item.json();
    if json.len() <= MOST_JSON {
        add("OOMTRACE_JSON", json.trim_ascii_end());
    }
    entry
}

/// `NAME=value`, or with a length before the value, which may then hold line breaks.
fn field(entry: &mut Vec<u8>, name: &str, value: &[u8]) {
    entry.extend_from_slice(name.as_bytes());
    if value.contains(&b'\n') {
        entry.push(b'\n');
        entry.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        entry.push(b'=');
    }
    entry.extend_from_slice(value);
    entry.push(b'\n');
}
