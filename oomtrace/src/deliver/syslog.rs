//! Syslog: a line an episode to the local socket, in the form that every daemon behind `/dev/log` reads (RFC 3164).

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::{Item, Outlet, summary};

/// Where a daemon listens.
pub const SOCKET: &str = "/dev/log";
/// `LOG_DAEMON`.
const FACILITY: u8 = 3;

/// Writes lines.
#[derive(Debug)]
pub struct Syslog {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Syslog {
    /// Writes to who listens at `path`.
    ///
    /// # Errors
    ///
    /// No socket can be made, or nobody listens.
    pub fn open(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // Only to know now, as with the journal.
        UnixDatagram::unbound()?.connect(path)?;
        Ok(Self { socket, path: path.to_owned() })
    }
}

impl Outlet for Syslog {
    fn deliver(&mut self, item: &Item) -> Result<(), String> {
        let now = jiff::Zoned::now();
        let line = line(item, &now.strftime("%b %e %H:%M:%S").to_string(), std::process::id());
        let sent = self.socket.send_to(line.as_bytes(), &self.path);
        sent.map(drop).map_err(|error| format!("syslog does not take it: {error}"))
    }
}

/// `<27>Nov 23 14:03:22 oomtrace[42]: …`. The time is that of the line, as a daemon expects it.
fn line(item: &Item, time: &str, pid: u32) -> String {
    let Item { info, episode } = item;
    let priority = FACILITY * 8 + summary::severity(episode);
    format!("<{priority}>{time} oomtrace[{pid}]: {}", summary::sentence(episode, info))
}
