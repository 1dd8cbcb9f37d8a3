//! Everything a process prints, collected by a thread: unlike the test programs, oomtrace prints more than a pipe holds.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// What has been printed so far. Cheap to clone; clones see the same stream.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    shared: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    ended: bool,
}

impl Collected {
    /// Starts to collect from `source` until its end.
    pub fn from(mut source: impl Read + Send + 'static) -> Result<(Self, JoinHandle<()>)> {
        let collected = Self::default();
        let mine = collected.clone();
        let thread = std::thread::Builder::new()
            .name("collect".to_owned())
            .spawn(move || {
                let mut chunk = vec![0; 64 * 1024];
                loop {
                    let length = source.read(&mut chunk).unwrap_or(0);
                    let mut state = mine.state();
                    state.bytes.extend_from_slice(&chunk[..length]);
                    state.ended = length == 0;
                    drop(state);
                    mine.shared.1.notify_all();
                    if length == 0 {
                        return;
                    }
                }
            })
            .context("failed to start a thread")?;
        Ok((collected, thread))
    }

    /// All bytes so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.state().bytes.clone()
    }

    /// All bytes so far, readable.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.state().bytes).into_owned()
    }

    /// Waits until `look` finds what it looks for. `None` when the stream ended, or patience did, without it.
    pub fn wait_for<T>(&self, patience: Duration, mut look: impl FnMut(&[u8]) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut state = self.state();
        loop {
            if let Some(found) = look(&state.bytes) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return None;
            }
            state = self.shared.1.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A poisoned lock still holds all bytes that came before the panic.
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
