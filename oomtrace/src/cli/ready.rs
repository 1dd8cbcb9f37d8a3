//! What a capture says of itself on stderr: what it is attached to, what is missing, how it is guarded, and what it came to.

use bytesize::ByteSize;

use crate::model::session::Hook;
use crate::model::{SessionInfo, SourceKind};
use crate::pipeline::Summary;
use crate::privileges::Confined;
use crate::sink::terminal::text;
use crate::source::live::Live;

use super::say;

/// How the capture is guarded, in a few words: from the OOM killer (`exposed`: why not), from having no memory (`unlocked`: likewise),
/// and what it gave up, if it was to.
pub(super) fn protection(
    exposed: Option<String>,
    unlocked: Option<String>,
    confined: Option<&Confined>,
) -> String {
    let mut words = match exposed {
        None => vec!["protected".to_owned()],
        Some(reason) => vec![format!("not protected from the OOM killer ({reason})")],
    };
    words.extend(unlocked.map(|reason| format!("memory not locked ({reason})")));
    words.push(match confined {
        None => "not confined".to_owned(),
        Some(Confined { failed, .. }) if !failed.is_empty() => {
            format!("not confined ({})", failed.join("; "))
        }
        Some(Confined { kept, .. }) if kept.is_empty() => "confined".to_owned(),
        Some(Confined { kept, .. }) => format!("confined to {kept}"),
    });
    words.join(", ")
}

/// Says what was attached, what is missing, and that it waits from here on.
pub(super) fn say_ready(info: &SessionInfo, protection: &str) {
    say_missing(&info.hooks, info.source);
    if info.source == SourceKind::Log {
        say(LOG_LIMITS);
    }
    let size = |bytes: Option<u64>| {
        bytes.map_or("?".to_owned(), |bytes| ByteSize(bytes).display().iec().to_string())
    };
    let flavour = info.source.word();
    let cpus = info.cpus.map_or("?".to_owned(), |cpus| cpus.to_string());
    let how = match (info.source, info.ring_bytes) {
        (SourceKind::Log, None) => "log alone".to_owned(),
        (SourceKind::Log, Some(_)) => "log and tracepoints".to_owned(),
        (_, ring) => format!("{flavour}, ring {}", size(ring)),
    };
    say(&format!(
        "{} · Linux {} · {cpus} CPUs, {} RAM, {} swap · {how}, {protection} · waiting, Ctrl-C ends",
        info.tool_version,
        info.kernel_release.as_deref().unwrap_or("?"),
        size(info.ram_bytes),
        size(info.swap_bytes),
    ));
}

/// Says that it goes by the log, and why not by hooks on functions.
pub(super) fn say_refused(live: &Live) {
    if let Some(reason) = &live.refused {
        say(&format!("functions cannot be hooked here ({reason}); following the kernel's log instead"));
    }
}

/// What is not hooked; a reason that several have is said once. What the log flavour hooks nowhere is told by [`LOG_LIMITS`].
fn say_missing(hooks: &[Hook], source: SourceKind) {
    let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
    for hook in hooks {
        let Some(reason) = hook.missing.as_deref() else { continue };
        if source == SourceKind::Log && hook.kind == "none" && !hook.target.starts_with("vm.") {
            continue;
        }
        match by_reason.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, targets)) => targets.push(&hook.target),
            None => by_reason.push((reason, vec![&hook.target])),
        }
    }
    for (reason, targets) in by_reason {
        let are = if targets.len() == 1 { "is" } else { "are" };
        say(&format!("{} {are} not hooked: {reason}", targets.join(", ")));
    }
}

/// What a log does not tell: the hooks that it has not, in one line.
const LOG_LIMITS: &str = "the log does not tell the kernel's points (they are computed from its table of tasks), who was passed \
    over and why, when out_of_memory() was entered and left, and passes of which the kernel prints nothing";

/// The last word on stderr; `alone` when there is none on stdout.
pub(super) fn say_summary(summary: &Summary, alone: bool) {
    let totals = &summary.totals;
    let counted = |n: u64, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let lost = if totals.lost.any() { "some of it lost, see above" } else { "nothing lost" };
    say(&format!("{}, {}; {lost}", counted(totals.episodes, "episode"), counted(totals.victims, "victim")));
    if alone && let Some(line) = text::ledger(&totals.ledger) {
        say(&line);
    }
}
