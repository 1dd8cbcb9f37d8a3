//! The first line, and who asked for memory.

use unicode_width::UnicodeWidthStr;

use crate::model::episode::{Episode, Scope};
use crate::model::observation::Constraint;
use crate::model::{Name, ShortId, gfp};

use super::page::Page;
use super::{Context, called, callpath, words};

/// Columns before what does not fit on the first line.
const HANGING: usize = 4;

/// `#1 kxqvtbnd  14:03:22.418  memcg OOM: /kubepods/…/9a1c hit its own limit of 512.0M`
pub(super) fn write(context: &Context<'_>, last_date: &mut Option<jiff::civil::Date>, page: &mut Page) {
    let Context { info, episode, .. } = context;
    let mut head = format!("#{} {}  ", episode.id, ShortId::of(episode, info));
    if let Some(boot_ns) = episode.opened_ns.or(episode.closed_ns) {
        let (date, time) = words::time(info, boot_ns);
        let zone = match (&last_date, date) {
            // Said once: it is the same for the whole session.
            (None, Some(_)) => format!(" {}", words::zone(info)),
            _ => String::new(),
        };
        if date.is_some() && date != *last_date {
            *last_date = date;
            head.extend(date.map(|date| format!("{date} ")));
        }
        head.push_str(&time);
        head.push_str(&zone);
        head.push_str("  ");
    }
    let text = what(context, head.width());
    page.headline(&format!("{head}{text}"), HANGING);
}

/// What happened, behind so many columns.
pub(super) fn what(context: &Context<'_>, before: usize) -> String {
    let Context { episode, options, .. } = context;
    match episode.scope {
        Some(Scope::Memcg) => {
            let tail = limit_words(context);
            let used = before + "memcg OOM: ".width() + tail.width();
            // On a narrow screen the path gets a line's worth, and the rest wraps.
            let room = options.width.saturating_sub(used);
            let room = if room < 16 { options.width.saturating_sub(HANGING + 1).max(16) } else { room };
            let path = match limiting_path(episode) {
                Some(path) => called::or_path(episode, path, room),
                None => "a cgroup".to_owned(),
            };
            format!("memcg OOM: {path}{tail}")
        }
        Some(Scope::Global) => global(context),
        None if episode.report.is_some() => "OOM".to_owned(),
        None => "OOM, the entry was not seen".to_owned(),
    }
}

fn limiting_path(episode: &Episode) -> Option<&Name> {
    episode.memcg.iter().find(|level| level.limiting)?.path.as_ref()
}

/// ` hit its own limit of 512.0M`: its own when the trigger lives right there, not further down.
fn limit_words(context: &Context<'_>) -> String {
    let episode = context.episode;
    let level = episode.memcg.iter().find(|level| level.limiting);
    let path = level.and_then(|level| level.path.as_ref());
    let home = episode.trigger.as_ref().and_then(|trigger| trigger.cgroup.as_ref());
    let own = if path.is_some() && path == home { "own " } else { "" };
    match level.and_then(|level| level.max_pages) {
        Some(pages) => format!(" hit its {own}limit of {}", words::size(context.info.bytes(pages))),
        None => format!(" hit its {own}limit"),
    }
}

fn global(context: &Context<'_>) -> String {
    let Context { info, episode, .. } = context;
    if episode.order == Some(-1) {
        return "global OOM: asked for by hand (sysrq-f)".to_owned();
    }
    let allowed = match episode.totalpages {
        Some(pages) => format!(" ({} allowed, swap included)", words::size(info.bytes(pages))),
        None => String::new(),
    };
    match episode.constraint {
        Some(Constraint::Cpuset) => format!("global OOM: the memory nodes of a cpuset ran out{allowed}"),
        Some(Constraint::MemoryPolicy) => {
            format!("global OOM: the memory nodes of a memory policy ran out{allowed}")
        }
        Some(Constraint::None | Constraint::Memcg) | None => {
            let ram = info.ram_bytes.map(|bytes| format!("{} RAM", words::size(bytes)));
            let swap = info.swap_bytes.map(|bytes| match bytes {
                0 => "no swap".to_owned(),
                bytes => format!("{} swap", words::size(bytes)),
            });
            let sizes: Vec<String> = ram.into_iter().chain(swap).collect();
            let sizes = if sizes.is_empty() { String::new() } else { format!(" ({})", sizes.join(", ")) };
            // Without a scan it did not come to the worst.
            let how = if episode.totalpages.is_some() { "out" } else { "short" };
            format!("global OOM: the machine ran {how} of memory{sizes}")
        }
    }
}

/// `trigger   gunicorn[48121] wanted 1 page (order 0, GFP_KERNEL|__GFP_ACCOUNT)`
pub(super) fn trigger(context: &Context<'_>, page: &mut Page) {
    let Context { episode, options, .. } = context;
    let Some(trigger) = &episode.trigger else {
        page.labelled("trigger", "not seen");
        return;
    };
    let mut text = if episode.order == Some(-1) {
        format!("{}, on behalf of sysrq-f", words::task(trigger))
    } else {
        format!("{} wanted {}", words::task(trigger), wanted(context))
    };
    let path = episode.stack.as_ref().filter(|_| episode.order != Some(-1)).and_then(callpath::words);
    text.extend(path.map(|words| format!(" {words}")));
    if trigger.tid != trigger.pid {
        text.push_str(&format!(", thread {}", trigger.tid));
    }
    let home = trigger.cgroup.as_ref();
    let limiting = episode.memcg.iter().find(|level| level.limiting).and_then(|level| level.path.as_ref());
    if let Some(home) = home.filter(|home| options.verbose || (limiting.is_some() && limiting != Some(home)))
    {
        text.push_str(&format!(
            ", from {}",
            called::or_path(episode, home, page.text_width().saturating_sub(6))
        ));
    }
    if options.verbose {
        let adj = words::or_unknown(trigger.oom_score_adj);
        text.push_str(&format!(", uid {}, oom_score_adj {adj}", words::or_unknown(trigger.uid)));
    }
    page.labelled("trigger", &text);
}

/// `1 page (order 0, GFP_KERNEL)`
fn wanted(context: &Context<'_>) -> String {
    let Context { info, episode, .. } = context;
    let pages = match episode.order {
        Some(order @ 0..=30) => words::count(1 << order, "page"),
        _ => "memory".to_owned(),
    };
    let order = format!("order {}", words::or_unknown(episode.order));
    let flags = match episode.gfp_mask {
        Some(0) => "no gfp flags".to_owned(),
        Some(_) => words::plain(&gfp::names_of(episode, info).join("|")),
        None => "gfp flags unknown".to_owned(),
    };
    format!("{pages} ({order}, {flags})")
}
