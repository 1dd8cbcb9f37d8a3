//! The consumer's end of one ring: takes records off it, and waits for more without polling.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use aya::maps::{MapData, RingBuf};
use bytes::Bytes;
use oomtrace_common::record::Header;
use tokio::io::{Interest, unix::AsyncFd};

/// Where in a record its time is.
const BOOT_NS: usize = std::mem::offset_of!(Header, boot_ns);

/// One ring.
pub(super) struct RingEnd {
    ring: Option<RingBuf<MapData>>,
    ready: Option<AsyncFd<RingBuf<MapData>>>,
    /// The next record, when it has been taken off the ring to look at it.
    head: Option<Bytes>,
}

impl RingEnd {
    pub(super) fn new(ring: RingBuf<MapData>) -> Self {
        Self { ring: Some(ring), ready: None, head: None }
    }

    /// When the next record that is there was made, ns since boot; 0 for one that is too short to say.
    pub(super) fn peek(&mut self) -> Option<u64> {
        if self.head.is_none() {
            // An item borrows the ring and gives its place back when it is dropped: it is copied out at once.
            self.head = self.ring_mut()?.next().map(|item| Bytes::copy_from_slice(&item));
        }
        let head = self.head.as_ref()?;
        let time = head.get(BOOT_NS..BOOT_NS + size_of::<u64>()).and_then(|bytes| bytes.try_into().ok());
        Some(time.map_or(0, u64::from_ne_bytes))
    }

    /// The next record that is there.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        self.peek()?;
        self.head.take()
    }

    /// Waits until the programs wake the consumer. Cancel safe: nothing is taken.
    ///
    /// # Errors
    /// When the ring cannot be waited for.
    pub(super) async fn readable(&mut self) -> io::Result<()> {
        self.registered()?.readable_mut().await?.clear_ready();
        Ok(())
    }

    /// The ring's descriptor, until the runtime has it.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.ring.as_ref().map(AsFd::as_fd)
    }

    fn ring_mut(&mut self) -> Option<&mut RingBuf<MapData>> {
        match (&mut self.ready, &mut self.ring) {
            (Some(ready), _) => Some(ready.get_mut()),
            (None, ring) => ring.as_mut(),
        }
    }

    /// Registers with the runtime on first use, which is when there is one.
    fn registered(&mut self) -> io::Result<&mut AsyncFd<RingBuf<MapData>>> {
        if let Some(ring) = self.ring.take() {
            // SAFETY: the ring owns its descriptor, returns the same one for as long as it lives, and is not replaced
            // while registered: `get_mut` is only used to read from it.
            let ready = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) };
            self.ready = Some(ready.map_err(io::Error::from)?);
        }
        self.ready.as_mut().ok_or_else(|| io::Error::other("the ring has been closed"))
    }
}
