//! `oomtrace info`: what is in a recording.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::exit::Exit;
use crate::filter::Filter;
use crate::model::episode::{Episode, Outcome};
use crate::model::{Ledger, Name, SessionInfo};
use crate::pipeline::{Pipeline, Summary};
use crate::sink::json::{LedgerJson, LostJson, StatsJson, rfc3339};
use crate::sink::terminal::text;
use crate::sink::{FanOut, Sink, Totals};

use super::args::InfoArgs;
use super::input::Input;
use super::recordings::Recordings;
use super::replay::Pace;
use super::{replay, say};

/// Runs the command.
pub(super) fn run(args: &InfoArgs) -> anyhow::Result<Exit> {
    let mut recordings = Recordings::of(&args.files)?;
    let mut exit = Exit::Done;
    let mut first = true;
    while let Some(mut input) = recordings.next()? {
        if !std::mem::take(&mut first) && !args.json {
            writeln!(io::stdout())?;
        }
        exit = exit.max(tell(&mut input, args)?);
        recordings.done(input);
    }
    Ok(exit.max(recordings.exit()))
}

fn tell(input: &mut Input, args: &InfoArgs) -> anyhow::Result<Exit> {
    let counts = Arc::new(Mutex::new(Counts::default()));
    let mut sinks = FanOut::default();
    sinks.add("the counts", Box::new(Counter(Arc::clone(&counts))));
    let pipeline = Pipeline::new(sinks, Filter::default(), |message| say(&message));
    let (summary, _) = replay::drive(input, pipeline, &mut Pace::max());
    let counts = *counts.lock().unwrap_or_else(PoisonError::into_inner);

    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &json(input, &summary, counts)).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        out.write_all(describe(input, &summary, counts).as_bytes())?;
    }
    out.flush()?;
    Ok(summary.exit().max(input.verdict()))
}

/// What the episodes come to.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// By outcome, in the order of [`OUTCOMES`].
    outcomes: [u64; OUTCOMES.len()],
    first_ns: Option<u64>,
    last_ns: Option<u64>,
    folded: u64,
    /// Boots and machines that the recording goes on with.
    origins: u64,
}

const OUTCOMES: [(Outcome, &str); 7] = [
    (Outcome::Killed, "killed"),
    (Outcome::GroupKilled, "group_killed"),
    (Outcome::AlreadyExiting, "already_exiting"),
    (Outcome::Freed, "freed"),
    (Outcome::NoneKillable, "none_killable"),
    (Outcome::Skipped, "skipped"),
    (Outcome::Incomplete, "incomplete"),
];

struct Counter(Arc<Mutex<Counts>>);

impl Sink for Counter {
    fn start(&mut self, _: &SessionInfo) -> io::Result<()> {
        Ok(())
    }

    fn origin(&mut self, _: &SessionInfo) -> io::Result<()> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.origins += 1;
        Ok(())
    }

    fn episode(&mut self, episode: &Episode) -> io::Result<()> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (count, (outcome, _)) in counts.outcomes.iter_mut().zip(OUTCOMES) {
            *count += u64::from(outcome == episode.outcome);
        }
        let folded = episode.folded;
        counts.folded +=
            u64::from(folded.aborted_scans) + u64::from(folded.already_exiting) + u64::from(folded.repeats);
        // Times of another boot cannot be compared with these.
        let times = [episode.opened_ns, episode.closed_ns].into_iter().flatten();
        let comparable = counts.origins == 0;
        for ns in times.filter(|_| comparable) {
            counts.first_ns = Some(counts.first_ns.map_or(ns, |first| first.min(ns)));
            counts.last_ns = Some(counts.last_ns.map_or(ns, |last| last.max(ns)));
        }
        Ok(())
    }

    fn end(&mut self, _: &Totals) -> io::Result<()> {
        Ok(())
    }
}

fn describe(input: &Input, summary: &Summary, counts: Counts) -> String {
    let info = input.reader.info();
    let totals = &summary.totals;
    let tally = input.reader.tally();
    let mut lines: Vec<(&str, String)> = Vec::new();
    let plain = |text: &Option<String>| text.as_deref().map(|text| Name::from(text).to_string());
    let mut known = |label: &'static str, text: Option<String>| {
        lines.push((label, text.unwrap_or_else(|| "?".to_owned())));
    };
    known("host", plain(&info.host));
    known("kernel", plain(&info.kernel_release));
    known("machine", plain(&info.machine));
    known("boot id", plain(&info.boot_id));
    let size = |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), text::size);
    known(
        "memory",
        Some(format!(
            "{} RAM, {} swap, pages of {} bytes",
            size(info.ram_bytes),
            size(info.swap_bytes),
            info.page_size
        )),
    );
    known(
        "captured by",
        Some(format!("oomtrace {}, {}", Name::from(info.tool_version.as_str()), info.source.word())),
    );
    known("started", info.started_unix_ns.map(|_| text::date_time(info, info.started_boot_ns)));
    if totals.complete {
        // Of another boot, it is a time of that.
        let ended = totals.boot_ns.filter(|_| counts.origins == 0 && info.has_times());
        known("ended", ended.map(|ns| text::date_time(info, ns)));
    } else {
        known("ended", Some("not known: the recording has no end".to_owned()));
    }
    let mut episodes = text::grouped(totals.episodes.into());
    let by_outcome: Vec<String> = OUTCOMES
        .iter()
        .zip(counts.outcomes)
        .filter(|(_, count)| *count > 0)
        .map(|((_, name), count)| format!("{count} {name}"))
        .collect();
    if !by_outcome.is_empty() {
        episodes.push_str(&format!(" ({})", by_outcome.join(", ")));
    }
    known("episodes", Some(episodes));
    if let (Some(first), Some(last)) = (counts.first_ns, counts.last_ns) {
        known(
            "first, last",
            Some(format!("{}, {}", text::date_time(info, first), text::date_time(info, last))),
        );
    }
    if counts.origins > 0 {
        known("origins", Some(format!("{} more boots or machines", text::grouped(counts.origins.into()))));
    }
    known(
        "folded",
        Some(format!("{} passes counted on other episodes", text::grouped(counts.folded.into()))),
    );
    if let Some((first, last)) = totals.samples.boot_ns {
        let over = text::long_duration(last - first);
        let count = text::grouped(totals.samples.count.into());
        known("samples", Some(format!("{count} of the state of memory, over {over}")));
    }
    known("victims", Some(text::grouped(totals.victims.into())));
    known("lost", Some(if totals.lost.any() { text::losses(&totals.lost) } else { "nothing".to_owned() }));
    known("kills", Some(kills(&totals.ledger)));
    let missing: Vec<String> = info
        .hooks
        .iter()
        .filter_map(|hook| {
            hook.missing
                .as_ref()
                .map(|why| format!("{}: {}", Name::from(hook.target.as_str()), Name::from(why.as_str())))
        })
        .collect();
    for hook in missing {
        known("not attached", Some(hook));
    }
    let damage = match input.reader.ending() {
        Some(ending) if !ending.is_complete() => ending.to_string(),
        _ => "whole".to_owned(),
    };
    known(
        "file",
        Some(format!(
            "format {}, {} frames, {} bytes{}, {damage}",
            input.reader.version(),
            text::grouped(tally.frames.into()),
            text::grouped(tally.bytes.into()),
            if tally.unpacked > tally.bytes {
                format!(" ({} without compression)", text::grouped(tally.unpacked.into()))
            } else {
                String::new()
            },
        )),
    );
    lines.iter().map(|(label, text)| format!("{label:<13} {text}\n")).collect()
}

/// The ledger; without the kernel's side of it, what was captured.
fn kills(ledger: &Ledger) -> String {
    text::ledger(ledger).unwrap_or_else(|| {
        format!(
            "{} captured; how many the kernel counted is not known",
            text::grouped(ledger.captured.into())
        )
    })
}

#[derive(Serialize)]
struct InfoJson<'a> {
    r#type: &'static str,
    format_version: String,
    tool_version: &'a str,
    source: &'static str,
    host: Option<&'a str>,
    kernel_release: Option<&'a str>,
    boot_id: Option<&'a str>,
    started: Option<String>,
    started_boot_ns: u64,
    ended_boot_ns: Option<u64>,
    complete: bool,
    damage: Option<String>,
    episodes: u64,
    victims: u64,
    outcomes: serde_json::Map<String, serde_json::Value>,
    folded: u64,
    first_boot_ns: Option<u64>,
    last_boot_ns: Option<u64>,
    samples: SamplesJson,
    lost: LostJson,
    ledger: LedgerJson<'a>,
    stats: Option<StatsJson<'a>>,
    frames: u64,
    unknown_frames: u64,
    unreadable_frames: u64,
    bytes: u64,
    unpacked_bytes: u64,
}

/// Samples of the state of memory.
#[derive(Serialize)]
struct SamplesJson {
    count: u64,
    first_boot_ns: Option<u64>,
    last_boot_ns: Option<u64>,
}

fn json<'a>(input: &'a Input, summary: &'a Summary, counts: Counts) -> InfoJson<'a> {
    let info = input.reader.info();
    let tally = input.reader.tally();
    let totals = &summary.totals;
    InfoJson {
        r#type: "info",
        format_version: input.reader.version().to_string(),
        tool_version: &info.tool_version,
        source: info.source.word(),
        host: info.host.as_deref(),
        kernel_release: info.kernel_release.as_deref(),
        boot_id: info.boot_id.as_deref(),
        started: info.started_unix_ns.and_then(|ns| rfc3339(ns.into())),
        started_boot_ns: info.started_boot_ns,
        ended_boot_ns: totals.boot_ns,
        complete: totals.complete,
        damage: input.reader.ending().filter(|ending| !ending.is_complete()).map(ToString::to_string),
        episodes: totals.episodes,
        victims: totals.victims,
        outcomes: OUTCOMES
            .iter()
            .zip(counts.outcomes)
            .map(|((_, name), count)| ((*name).to_owned(), count.into()))
            .collect(),
        folded: counts.folded,
        first_boot_ns: counts.first_ns,
        last_boot_ns: counts.last_ns,
        samples: SamplesJson {
            count: totals.samples.count,
            first_boot_ns: totals.samples.boot_ns.map(|(first, _)| first),
            last_boot_ns: totals.samples.boot_ns.map(|(_, last)| last),
        },
        lost: totals.lost.into(),
        ledger: (&totals.ledger).into(),
        stats: totals.stats.as_ref().map(StatsJson::from),
        frames: tally.frames,
        unknown_frames: tally.unknown,
        unreadable_frames: tally.unreadable,
        bytes: tally.bytes,
        unpacked_bytes: tally.unpacked,
    }
}
