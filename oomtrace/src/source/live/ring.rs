//! The ring's consumer: waits without polling, copies records out, decodes them; candidates come from their log.

use std::collections::VecDeque;
use std::os::fd::AsFd;

use aya::maps::{MapData, RingBuf};
use bytes::Bytes;
use tokio::io::{Interest, unix::AsyncFd};

use super::{candidate_log::CandidateLog, gauge::Gauge};
use crate::{
    decode::{DecodeError, context::Context, decode},
    model::{Observation, stats::BufferStats},
};

/// The consumer's end of the ring. Needs a tokio runtime.
pub struct Ring {
    ring: Option<RingBuf<MapData>>,
    ready: Option<AsyncFd<RingBuf<MapData>>>,
    log: CandidateLog,
    context: Context,
    /// Observations of the last record that have not been taken.
    decoded: VecDeque<Observation>,
    rejected: u64,
    gauge: Option<Gauge>,
}

impl Ring {
    pub(super) fn new(ring: RingBuf<MapData>, log: CandidateLog, context: Context) -> std::io::Result<Self> {
        Ok(Self {
            ring: Some(ring),
            ready: None,
            log,
            context,
            decoded: VecDeque::new(),
            rejected: 0,
            gauge: None,
        })
    }

    /// From now on notes how full it is; `bytes` is its size.
    pub(super) fn watch_level(&mut self, bytes: u64) -> std::io::Result<()> {
        if let Some(ring) = &self.ring {
            self.gauge = Some(Gauge::new(ring.as_fd(), bytes)?);
        }
        Ok(())
    }

    /// How full it was, if that was noted.
    #[must_use]
    pub fn level(&self) -> Option<BufferStats> {
        self.gauge.as_ref().map(Gauge::stats)
    }

    /// The same of the candidate log.
    #[must_use]
    pub fn log_level(&self) -> Option<BufferStats> {
        self.gauge.as_ref().map(|_| self.log.level())
    }

    /// Records that could not be decoded so far.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejected
    }

    /// Waits until the programs wake the consumer. Cancel safe: nothing is taken from the ring.
    ///
    /// # Errors
    /// When the ring cannot be waited for.
    pub async fn readable(&mut self) -> std::io::Result<()> {
        self.registered()?.readable_mut().await?.clear_ready();
        Ok(())
    }

    /// The next observation that is there, without waiting. Records that cannot be decoded are counted and passed over.
    pub fn take(&mut self) -> Option<Observation> {
        loop {
            if let Some(observation) = self.decoded.pop_front() {
                return Some(observation);
            }
            let record = match self.log.next_batch() {
                Some(batch) => Bytes::from(batch),
                None => match self.next_record() {
                    Some(record) => record,
                    None => {
                        self.log.all_read();
                        return None;
                    }
                },
            };
            if self.log.told(&record) {
                continue;
            }
            if let Err(error) = decode(&record, &self.context, &mut self.decoded) {
                self.reject(error);
            }
        }
    }

    /// A ring item borrows the map and gives its slot back when it is dropped: it is copied out at once.
    fn next_record(&mut self) -> Option<Bytes> {
        if let Some(gauge) = &mut self.gauge {
            gauge.look();
        }
        let ring = match (&mut self.ready, &mut self.ring) {
            (Some(ready), _) => ready.get_mut(),
            (None, Some(ring)) => ring,
            (None, None) => return None,
        };
        ring.next().map(|item| Bytes::copy_from_slice(&item))
    }

    fn reject(&mut self, error: DecodeError) {
        log::warn!("record rejected: {error}");
        self.rejected += 1;
    }

    /// Registers with the runtime on first use, which is when there is one.
    fn registered(&mut self) -> std::io::Result<&mut AsyncFd<RingBuf<MapData>>> {
        if let Some(ring) = self.ring.take() {
            // SAFETY: the ring owns its descriptor, returns the same one for as long as it lives, and is not replaced
            // while registered: `get_mut` is only used to read from it.
            let ready = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) };
            self.ready = Some(ready.map_err(std::io::Error::from)?);
        }
        self.ready.as_mut().ok_or_else(|| std::io::Error::other("the ring has been closed"))
    }
}
