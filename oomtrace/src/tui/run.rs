//! The loop: waits for keys, signals and arrivals, and draws. It is a thread's own, whoever reads or captures goes on without it.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until};

use super::app::App;
use super::inbox::Inbox;
use super::input;
use super::keys::Key;
use super::screen::{Screen, keyboard};
use super::view;

/// Arrivals are gathered for so long before they are drawn.
const GATHERED: Duration = Duration::from_millis(50);
/// The rest of a key that was sent in two pieces comes within this.
const REST: Duration = Duration::from_millis(25);
/// How often it is told what a capture is at.
const TOLD: Duration = Duration::from_secs(1);

/// Tells what a capture is at: given how many episodes there were, and whether anything was lost.
pub type Teller = Box<dyn FnMut(u64, bool) -> String>;

/// Shows what arrives in `inbox` until somebody has had enough, or a signal says so.
///
/// # Errors
///
/// The terminal cannot be used.
pub async fn run(mut app: App, inbox: &Inbox, color: bool, mut teller: Option<Teller>) -> io::Result<()> {
    // SAFETY: it owns its descriptor, and nobody else closes it.
    let keyboard = unsafe { AsyncFd::register_with_interest(keyboard()?, Interest::READABLE)? };
    let mut signals = Signals::listen()?;
    let mut screen = Screen::take()?;
    let mut told = Instant::now();
    loop {
        app.take(inbox.take());
        if let Some(tell) = teller.as_mut().filter(|_| Instant::now() >= told) {
            let (episodes, lost) = app.shown();
            app.tell(tell(episodes, lost));
            told = Instant::now() + TOLD;
        }
        screen.draw(|frame| view::draw(&mut app, color, frame))?;
        tokio::select! {
            biased;
            signal = signals.next() => match signal {
                Said::End => return Ok(()),
                Said::Resized => {}
                Said::Continued => screen.again()?,
            },
            ready = keyboard.readable() => {
                let mut ready = ready?;
                match take(&mut app, keyboard.get_ref())? {
                    After::Draw => ready.clear_ready(),
                    After::End => return Ok(()),
                    After::Again => {
                        ready.clear_ready();
                        screen.again()?;
                    }
                    After::Suspend => {
                        ready.clear_ready();
                        screen.suspend()?;
                    }
                }
            }
            () = inbox.arrived() => sleep(GATHERED).await,
            () = sleep_until(told), if teller.is_some() => {}
        }
    }
}

/// What is to be done after keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Draw,
    Again,
    Suspend,
    End,
}

/// Takes the keys that there are.
fn take(app: &mut App, keyboard: &OwnedFd) -> io::Result<After> {
    let mut after = After::Draw;
    let mut sent = Vec::new();
    let mut wait = Duration::ZERO;
    while let Some(bytes) = read(keyboard, wait)? {
        // Of a terminal that is gone nothing comes, over and over.
        if bytes.is_empty() {
            return Ok(After::End);
        }
        sent.extend(bytes);
        wait = if input::is_cut(&sent) { REST } else { Duration::ZERO };
    }
    for key in input::keys(&sent) {
        match key {
            Key::Ctrl('z') => after = After::Suspend,
            Key::Ctrl('l') => after = After::Again,
            key => {
                if !app.key(key) {
                    return Ok(After::End);
                }
            }
        }
    }
    Ok(after)
}

/// What was sent, if something is within so long; nothing at the end.
fn read(keyboard: &OwnedFd, wait: Duration) -> io::Result<Option<Vec<u8>>> {
    let mut ready = [PollFd::new(keyboard, PollFlags::IN)];
    let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
    match poll(&mut ready, Some(&wait)) {
        Ok(0) | Err(Errno::INTR) => return Ok(None),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    let mut bytes = vec![0; 1024];
    match rustix::io::read(keyboard, &mut bytes) {
        Ok(read) => bytes.truncate(read),
        Err(Errno::INTR | Errno::AGAIN) => return Ok(None),
        // As it ends for those whose terminal was taken away.
        Err(Errno::IO) => bytes.clear(),
        Err(error) => return Err(error.into()),
    }
    Ok(Some(bytes))
}

/// What a signal says.
enum Said {
    End,
    Resized,
    Continued,
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    resized: Signal,
    continued: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            resized: signal(SignalKind::window_change())?,
            continued: signal(SignalKind::from_raw(libc::SIGCONT))?,
        })
    }

    async fn next(&mut self) -> Said {
        tokio::select! {
            _ = self.interrupt.recv() => Said::End,
            _ = self.terminate.recv() => Said::End,
            _ = self.hangup.recv() => Said::End,
            _ = self.resized.recv() => Said::Resized,
            _ = self.continued.recv() => Said::Continued,
        }
    }
}
