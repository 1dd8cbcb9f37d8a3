//! The terminal while it is ours, and giving it back: at the end, on an error, in a panic, and for as long as we are suspended.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{execute, queue};
use ratatui::{Frame, Terminal};
use rustix::process::{Signal, getpid, kill_process};

/// Bytes of a screen that are written at once.
const BUFFER: usize = 1 << 16;

/// The terminal is ours.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is ours.
pub(super) struct Screen {
    // It says what it has to say when it is dropped, and is before the terminal is given back.
    terminal: Drawn,
    _given_back: GiveBack,
}

type Drawn = Terminal<CrosstermBackend<BufWriter<Stdout>>>;

impl Screen {
    /// Takes it.
    pub(super) fn take() -> io::Result<Self> {
        // A panic aborts, and drops nothing.
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                before(panic);
            }));
        });
        take()?;
        // From here on it is given back by being dropped.
        let given_back = GiveBack;
        Ok(Self { terminal: terminal()?, _given_back: given_back })
    }

    /// Draws what has changed. A terminal that can shows it at once, and no half of it.
    pub(super) fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        self.terminal.draw(render)?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    /// Lets the shell have it until we are continued.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        give_back();
        // Where there is no shell to continue us, the kernel does not stop us either.
        kill_process(getpid(), Signal::TSTP)?;
        self.again()
    }

    /// Takes it again, after others had it.
    pub(super) fn again(&mut self) -> io::Result<()> {
        give_back();
        take()?;
        // One that knows nothing of what was drawn before. Asking it to clear would ask the terminal where its cursor is, which not every
        // terminal answers.
        execute!(io::stdout(), Clear(ClearType::All))?;
        self.terminal = terminal()?;
        Ok(())
    }
}

struct GiveBack;

impl Drop for GiveBack {
    fn drop(&mut self) {
        give_back();
    }
}

fn terminal() -> io::Result<Drawn> {
    Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(BUFFER, io::stdout())))
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    if let Err(error) = execute!(io::stdout(), EnterAlternateScreen) {
        give_back();
        return Err(error);
    }
    Ok(())
}

fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // A terminal that is gone needs nothing.
        let _ = execute!(io::stdout(), EndSynchronizedUpdate, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
        let _ = io::stdout().flush();
    }
}

/// Where keys come from: stdin, or the terminal when a recording comes through stdin.
pub(super) fn keyboard() -> io::Result<OwnedFd> {
    if io::stdin().is_terminal() {
        return io::stdin().as_fd().try_clone_to_owned();
    }
    Ok(File::open("/dev/tty")?.into())
}
