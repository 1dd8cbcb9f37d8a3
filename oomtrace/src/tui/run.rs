//! The loop: waits for keys, signals and arrivals, and draws. It is a thread's own, whoever reads or captures goes on without it.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, sleep_until};

use super::app::App;
use super::inbox::Inbox;
use super::keys::Key;
use super::screen::{Screen, keyboard};
use super::view;

/// Arrivals are gathered for so long before they are drawn.
const GATHERED: Duration = Duration::from_millis(50);
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
        screen.terminal.draw(|frame| view::draw(&mut app, color, frame))?;
        tokio::select! {
            biased;
            signal = signals.next() => match signal {
                Said::End => return Ok(()),
                Said::Resized => {}
                Said::Continued => screen.again()?,
            },
            ready = keyboard.readable() => {
                let mut ready = ready?;
                match read(&mut app, keyboard.get_ref())? {
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
fn read(app: &mut App, keyboard: &OwnedFd) -> io::Result<After> {
    let mut after = After::Draw;
    // Of a terminal that is gone nothing more comes, over and over.
    let mut ready = [PollFd::new(keyboard, PollFlags::IN)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    if poll(&mut ready, Some(&now)).is_ok() && ready[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
    {
        return Ok(After::End);
    }
    while event::poll(Duration::ZERO)? {
        let Event::Key(event) = event::read()? else { continue };
        // What came with an escape in front of it: it was typed quickly, or the line is slow.
        if event.modifiers.contains(KeyModifiers::ALT) && event.kind != KeyEventKind::Release {
            app.key(Key::Esc);
        }
        let Some(key) = key(event) else { continue };
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

fn key(event: KeyEvent) -> Option<Key> {
    if event.kind == KeyEventKind::Release {
        return None;
    }
    Some(match event.code {
        // Nobody else makes a signal of it.
        KeyCode::Char(c) if event.modifiers.contains(KeyModifiers::CONTROL) => {
            Key::Ctrl(c.to_ascii_lowercase())
        }
        KeyCode::Char(c) => Key::Char(c),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    })
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
