//! A small HTTP server for pages that a few programs read now and then: metrics, and whether this is alive. It knows nothing of what it
//! shows.
//!
//! A fixed number of threads, started before a capture gives up its privileges, take one connection at a time; what more comes waits in
//! the kernel's queue. Each connection has one request and one answer, few bytes and little time for both. Nothing here is called by,
//! or waited for by, a capture.
//!
//! - [`address`]: where to listen, from its text;
//! - [`http`]: a request and its answer.

pub mod address;
pub mod http;

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

pub use address::{Address, BadAddress};
use http::{Request, Response, Timed};

/// Connections that are served at a time.
const THREADS: usize = 3;
/// What answering takes, with room; all threads' stacks are locked in memory.
const STACK: usize = 128 << 10;
/// For a request and its answer together, unless something else is said.
pub const AT_MOST: Duration = Duration::from_secs(5);
/// Before another connection is tried for when there are too many descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// A socket that listens.
#[derive(Debug)]
pub enum Listener {
    /// Of an internet address.
    Tcp(TcpListener),
    /// Of a path.
    Unix(UnixListener, String),
}

/// What answers requests.
pub trait Pages: Send + Sync + 'static {
    /// Answers one; `None`: there is no such page.
    fn page(&self, request: &Request<'_>) -> Option<Response>;
}

impl Listener {
    /// Listens at `address`.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Ip(address) => Ok(Self::Tcp(TcpListener::bind(address)?)),
            Address::Any(port) => address::any(*port).map(Self::Tcp),
            Address::Unix(path) => Ok(Self::Unix(address::unix(path)?, path.display().to_string())),
        }
    }

    /// Where it can be reached, for messages: the port is the one that was found when 0 was asked for.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => format!("http://{address}{path}"),
                Err(_) => path.to_owned(),
            },
            Self::Unix(_, name) => format!("unix:{name}, {path}"),
        }
    }

    /// Serves `pages` from now on, each request for this time at the most. `begin` is run by each thread first of all.
    ///
    /// # Errors
    ///
    /// A thread cannot be started.
    pub fn serve(self, pages: impl Pages, at_most: Duration, begin: fn()) -> io::Result<()> {
        let (listener, pages) = (Arc::new(self), Arc::new(pages));
        for _ in 0..THREADS {
            let (listener, pages) = (Arc::clone(&listener), Arc::clone(&pages));
            thread::Builder::new().name("metrics".to_owned()).stack_size(STACK).spawn(move || {
                begin();
                loop {
                    // A connection that was given up before it was taken is no reason to stop.
                    if listener.one(pages.as_ref(), at_most).is_err() {
                        thread::sleep(PAUSE);
                    }
                }
            })?;
        }
        Ok(())
    }

    /// Takes a connection and answers it.
    fn one(&self, pages: &impl Pages, at_most: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => answer(listener.accept()?.0, pages, at_most),
            Self::Unix(listener, _) => answer(listener.accept()?.0, pages, at_most),
        }
        Ok(())
    }
}

/// A connection.
pub trait Connection: io::Read + io::Write {
    /// Waits no longer than this for the other side.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    fn wait_at_most(&self, time: Duration) -> io::Result<()>;

    /// Nothing more is written.
    fn written(&self);
}

impl Connection for TcpStream {
    fn wait_at_most(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }

    fn written(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

impl Connection for UnixStream {
    fn wait_at_most(&self, time: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(time))?;
        self.set_write_timeout(Some(time))
    }

    fn written(&self) {
        let _ = self.shutdown(Shutdown::Write);
    }
}

/// Answers one request. That the other side went away, or takes too long, is its own affair.
fn answer(stream: impl Connection, pages: &impl Pages, at_most: Duration) {
    let mut stream = Timed::new(stream, Instant::now() + at_most);
    if http::exchange(&mut stream, |request| pages.page(request)).is_ok() {
        stream.end();
    }
}

#[cfg(test)]
mod tests;
