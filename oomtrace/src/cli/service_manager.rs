//! What a service manager is told, where one asks for it (sd_notify(3)): that the capture is ready, that it is alive, that it ends.
//!
//! The socket is opened before the process is confined; libraries for this open one for each message, which the filter of system
//! calls refuses.

use std::env;
use std::future::pending;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The service manager that started this program, if there is one.
#[derive(Debug, Default)]
pub(super) struct ServiceManager {
    socket: Option<UnixDatagram>,
    /// How often it wants a sign of life, and when the next one is due.
    watchdog: Option<(Duration, Instant)>,
}

impl ServiceManager {
    /// By `$NOTIFY_SOCKET`, `$WATCHDOG_USEC` and `$WATCHDOG_PID`. A socket that cannot be reached is none: a capture is worth more than
    /// a message.
    pub(super) fn of_environment() -> Self {
        let socket = env::var_os("NOTIFY_SOCKET").and_then(|name| connect(name.as_bytes()).ok());
        let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
        let meant = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let patience = number("WATCHDOG_USEC").filter(|&us| us > 0 && meant && socket.is_some());
        // Half of its patience, as the protocol recommends.
        let every = patience.map(|us| Duration::from_micros(us) / 2);
        Self { socket, watchdog: every.map(|every| (every, Instant::now())) }
    }

    /// Everything is attached; `status` is shown by `systemctl status`.
    pub(super) fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    /// The capture ends; what was recorded is being completed.
    pub(super) fn stopping(&self) {
        self.say("STOPPING=1");
    }

    /// Comes when a sign of life is due; never, when nobody wants one.
    pub(super) async fn due(&self) {
        match self.watchdog {
            Some((_, at)) => sleep_until(at).await,
            None => pending().await,
        }
    }

    /// Called from each turn of the capture's loop: gives the sign of life, when it is due.
    pub(super) fn alive(&mut self) {
        let Some((every, at)) = self.watchdog else { return };
        let now = Instant::now();
        if now >= at {
            self.say("WATCHDOG=1");
            self.watchdog = Some((every, now + every));
        }
    }

    fn say(&self, message: &str) {
        if let Some(socket) = &self.socket {
            // A manager that does not read its messages must not keep the capture waiting. A plain write is what the filter of
            // system calls allows.
            let _ = rustix::io::write(socket, message.as_bytes());
        }
    }
}

/// `name` is a path, or, with an `@` in front, an abstract name.
fn connect(name: &[u8]) -> std::io::Result<UnixDatagram> {
    let address = match name.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(name))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}
