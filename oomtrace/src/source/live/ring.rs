//! The rings' consumer: puts their records into one order, decodes them; candidates come from their log.

use std::collections::VecDeque;

use aya::maps::{MapData, RingBuf};
use bytes::Bytes;

use super::{candidate_log::CandidateLog, gauge::Gauge, ring_end::RingEnd};
use crate::{
    decode::{DecodeError, context::Context, decode},
    model::{Observation, stats::BufferStats},
};

/// The consumer's end of the rings. Needs a tokio runtime.
pub struct Ring {
    episodes: RingEnd,
    aftermath: RingEnd,
    log: CandidateLog,
    context: Context,
    /// Observations of the last record that have not been taken.
    decoded: VecDeque<Observation>,
    rejected: u64,
    gauge: Option<Gauge>,
}

impl Ring {
    pub(super) fn new(
        episodes: RingBuf<MapData>,
        aftermath: RingBuf<MapData>,
        log: CandidateLog,
        context: Context,
    ) -> Self {
        Self {
            episodes: RingEnd::new(episodes),
            aftermath: RingEnd::new(aftermath),
            log,
            context,
            decoded: VecDeque::new(),
            rejected: 0,
            gauge: None,
        }
    }

    /// From now on notes how full they are together; their sizes are in bytes.
    pub(super) fn watch_level(&mut self, episodes: u64, aftermath: u64) -> std::io::Result<()> {
        let mut gauge = Gauge::default();
        for (ring, bytes) in [(&self.episodes, episodes), (&self.aftermath, aftermath)] {
            if let Some(fd) = ring.fd() {
                gauge.add(fd, bytes)?;
            }
        }
        self.gauge = Some(gauge);
        Ok(())
    }

    /// How full they were, if that was noted.
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

    /// Waits until the programs wake the consumer. Cancel safe: nothing is taken.
    ///
    /// # Errors
    /// When one cannot be waited for.
    pub async fn readable(&mut self) -> std::io::Result<()> {
        tokio::select! {
            ready = self.episodes.readable() => ready,
            ready = self.aftermath.readable() => ready,
        }
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

    /// The next record of both rings, by the time at which it was made.
    ///
    /// The aftermath is looked at first: what its records follow from was told before, and is there by now.
    fn next_record(&mut self) -> Option<Bytes> {
        if let Some(gauge) = &mut self.gauge {
            gauge.look();
        }
        let after = self.aftermath.peek();
        match (self.episodes.peek(), after) {
            (Some(episode), Some(after)) if after < episode => self.aftermath.take(),
            (Some(_), _) => self.episodes.take(),
            (None, _) => self.aftermath.take(),
        }
    }

    fn reject(&mut self, error: DecodeError) {
        log::warn!("record rejected: {error}");
        self.rejected += 1;
    }
}
