//! `oomtrace browse`: the episodes of recordings on a whole screen.

use crate::exit::Exit;

use super::args::BrowseArgs;
use super::screen;

/// Runs the command.
pub(super) fn run(args: &BrowseArgs) -> anyhow::Result<Exit> {
    screen::needed("browse", "`oomtrace replay`")?;
    show(args)
}

#[cfg(not(feature = "tui"))]
fn show(_: &BrowseArgs) -> anyhow::Result<Exit> {
    Ok(Exit::Done)
}

/// Another thread reads, so that what is there can be looked at while the rest comes.
#[cfg(feature = "tui")]
fn show(args: &BrowseArgs) -> anyhow::Result<Exit> {
    use std::sync::mpsc;
    use std::thread;

    use anyhow::Context as _;

    use crate::tui::{self, App, Inbox, Source};

    use super::recordings::Recordings;
    use super::replay::Pace;
    use super::stream::{self, Wanted};
    use super::{capture, output};

    let mut recordings = Recordings::of(&args.files)?.following(args.follow);
    // What cannot be opened is no screen's business.
    recordings.open_first()?;
    let inbox = Inbox::of(Source::Recordings);
    let on_screen = screen::screened(&inbox);
    let (tell, ended) = mpsc::channel();
    let wanted_of = args.pick.with(&args.filter);
    let arriving = inbox.clone();
    let reader = move || {
        let (name, named) = (recordings.name(), arriving.clone());
        let wanted =
            Wanted { opening: Box::new(move |name| named.file(name)), ..Wanted::all(wanted_of, Pace::max()) };
        let read = stream::show(recordings, "the screen", Box::new(arriving.clone()), wanted);
        if let Err(error) = &read {
            super::say(&format!("{error:#}"));
        }
        // Nobody waits for it when somebody has had enough before.
        let _ = tell.send(read.map_or(Exit::Failed, |(_, exit)| exit));
        arriving.ended(&name);
    };
    thread::Builder::new().name("reader".to_owned()).spawn(reader).context("no thread can be started")?;
    let color = output::color(args.color);
    let shown = capture::runtime()?.block_on(tui::run(App::new(Source::Recordings), &inbox, color, None));
    drop(on_screen);
    shown.context("the screen")?;
    // What was read and found damaged until now; the rest was not wanted.
    Ok(ended.try_recv().unwrap_or(Exit::Done))
}
