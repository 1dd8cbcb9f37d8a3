//! Whether there can be a whole screen, and `watch --tui`: a process that captures, and this one, which shows.
//!
//! The capture is another process for the reasons that delivering is ([`super::helper`]), the other way round: what draws holds episodes,
//! follows keys and may be stopped by Ctrl-S or Ctrl-Z, and none of that is to be near a capture that the OOM killer must not get and that has
//! no privileges left. So this process has the terminal, and starts the program once more with the same arguments; what that captures comes
//! through a pipe as a recording, written as any is: what does not fit is left out and counted. It ends when this one does.

use std::io::{self, IsTerminal as _};

use crate::exit::Usage;

/// Whether a whole screen can be drawn; `instead` shows the same without one.
///
/// # Errors
///
/// It cannot.
pub(super) fn needed(what: &str, instead: &str) -> anyhow::Result<()> {
    built_in(what)?;
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    let why = match (io::stdout().is_terminal(), dumb) {
        (true, false) => return Ok(()),
        (false, _) => "stdout is none",
        (true, true) => "this one (TERM) can only write lines",
    };
    Err(Usage(format!("{what} needs a terminal, and {why}; {instead} shows the same without")).into())
}

#[cfg(feature = "tui")]
fn built_in(_: &str) -> anyhow::Result<()> {
    Ok(())
}

#[cfg(not(feature = "tui"))]
fn built_in(what: &str) -> anyhow::Result<()> {
    let why = format!("{what}: this oomtrace was built without it; build it with `--features tui`");
    Err(crate::exit::NotAllowed(why).into())
}

#[cfg(not(feature = "tui"))]
pub(super) fn watch(_: &super::args::WatchArgs) -> anyhow::Result<crate::exit::Exit> {
    needed("watch --tui", "`watch`").map(|()| crate::exit::Exit::Done)
}

#[cfg(feature = "tui")]
pub(super) use shown::{screened, watch};

#[cfg(feature = "tui")]
mod shown {
    use std::env;
    use std::io::{BufRead as _, BufReader, Read};
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command, Stdio};
    use std::thread::{self, JoinHandle};

    use anyhow::Context as _;
    use rustix::process::{Pid, Signal, kill_process};

    use crate::cli::args::WatchArgs;
    use crate::cli::aside::{Screened, Told};
    use crate::cli::capture::runtime;
    use crate::cli::deliver::Outlets;
    use crate::cli::input::Input;
    use crate::cli::replay::{self, Pace};
    use crate::cli::status::Status;
    use crate::cli::{output, say};
    use crate::deliver::{AT_THE_END, WhenFull};
    use crate::exit::{Exit, Usage};
    use crate::filter::Filter;
    use crate::pipeline::Pipeline;
    use crate::privileges;
    use crate::session::{OpenError, Reader};
    use crate::sink::FanOut;
    use crate::tui::{self, App, Inbox, Source, Teller};

    /// What is said goes to the screen that `inbox` is for.
    pub(in crate::cli) fn screened(inbox: &Inbox) -> Screened {
        let inbox = inbox.clone();
        Screened::by(move |told| match told {
            Told::Message(message) => inbox.message(message),
            Told::Foot(foot) => inbox.progress(foot),
        })
    }

    /// Runs `watch --tui`.
    pub(in crate::cli) fn watch(args: &WatchArgs) -> anyhow::Result<Exit> {
        super::needed("watch --tui", "`watch`")?;
        if args.output.as_deref().is_some_and(output::is_dash) {
            return Err(Usage("--tui has the terminal for itself: -o FILE".to_owned()).into());
        }
        let mut outlets = Outlets::open(&args.outlets, WhenFull::PassOver, None)?;
        let mut capture = Capture::start()?;
        privileges::drop_unless_root();
        let mut pipe = BufReader::new(capture.child.stdout.take().context("a piped stdout is there")?);
        if pipe.fill_buf()?.is_empty() {
            // It has said why.
            return capture.wait();
        }
        let inbox = Inbox::of(Source::Capture);
        let mut pipeline =
            Pipeline::new(FanOut::default(), Filter::from(&args.filter), |message| say(&message))
                .also_to("the screen", Box::new(inbox.clone()));
        for (name, sink) in outlets.sinks() {
            pipeline = pipeline.also_to(name, sink);
        }
        let on_screen = screened(&inbox);
        let reader = {
            let inbox = inbox.clone();
            // Dropped when it has ended: what reads on would keep the capture waiting.
            thread::spawn(move || read(pipe, pipeline, &inbox))
        };
        let mut status = Status::start();
        let teller: Teller = Box::new(move |episodes, lost| status.line(true, episodes, lost));
        let color = output::color(args.display.color);
        let app = App::new(Source::Capture);
        let shown = runtime()?.block_on(tui::run(app, &inbox, color, Some(teller)));
        drop(on_screen);
        capture.end();
        let read = reader.join().ok().context("the capture's episodes could not be read")?;
        let exit = capture.wait()?;
        shown.context("the screen")?;
        read.context("the capture")?;
        Ok(exit.max(outlets.finish(AT_THE_END)))
    }

    fn read(pipe: impl Read + Send + 'static, pipeline: Pipeline, inbox: &Inbox) -> Result<(), OpenError> {
        let bytes: Box<dyn Read + Send> = Box::new(pipe);
        let mut input =
            Input { name: "the capture".to_owned(), is_file: false, reader: Reader::open(bytes)? };
        replay::drive(&mut input, pipeline, &mut Pace::max());
        input.verdict();
        inbox.ended("the capture has ended");
        Ok(())
    }

    /// The process that captures.
    struct Capture {
        child: Child,
        /// Hands on what it says.
        messages: Option<JoinHandle<()>>,
    }

    impl Capture {
        fn start() -> anyhow::Result<Self> {
            let mut command = Command::new("/proc/self/exe");
            command.args(env::args_os().skip(1)).arg("--feed");
            // A group of its own: keys of the terminal are for the screen.
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
            let mut child = command.spawn().context("the process that captures cannot be started")?;
            let stderr = child.stderr.take().context("a piped stderr is there")?;
            let messages = thread::spawn(move || {
                for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line);
                    say(line.strip_prefix("oomtrace: ").unwrap_or(&line));
                }
            });
            Ok(Self { child, messages: Some(messages) })
        }

        /// Has it end as Ctrl-C does, if it has not yet.
        fn end(&self) {
            if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
                // It is not waited for before, so that it is no other process.
                let _ = kill_process(pid, Signal::INT);
            }
        }

        /// Waits until it has ended; tells how that ends the program.
        fn wait(mut self) -> anyhow::Result<Exit> {
            let status = self.child.wait().context("the process that captures cannot be waited for")?;
            if let Some(messages) = self.messages.take() {
                // It said what it could.
                let _ = messages.join();
            }
            let all = [Exit::Done, Exit::Lossy, Exit::NotAllowed, Exit::Usage, Exit::Failed];
            let exit = all.into_iter().find(|exit| status.code() == Some(exit.code().into()));
            Ok(exit.unwrap_or_else(|| {
                say(&format!("the process that captures ended with {status}"));
                Exit::Failed
            }))
        }
    }

    impl Drop for Capture {
        fn drop(&mut self) {
            // On the way out with an error.
            self.end();
        }
    }
}
