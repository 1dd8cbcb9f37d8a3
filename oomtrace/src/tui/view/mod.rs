//! Draws what [`super::app`] has: a head, what is looked at, and a foot.
//!
//! Like the text output it uses the terminal's own colours, reversed for what is selected, and red for who died; without colour, bold says
//! the same.

mod candidates;
mod list;
mod over;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget as _;

use crate::sink::terminal::text::{counted, grouped};
use crate::sink::terminal::{Painted, Tone};

use super::app::{App, Pane, Source};
use super::keys;
use super::prompt::Purpose;
use super::text::wrapped;

/// Columns and rows at the least.
pub(super) const LEAST: (u16, u16) = (60, 10);
/// Rows of the head: where one is, and what there is to say of the whole.
const HEAD: u16 = 2;
/// Rows of the foot.
const FOOT: u16 = 1;
/// Rows of a notice at most, as a share of the screen.
const NOTICE: usize = 2;

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const QUIET: Style = Style::new().add_modifier(Modifier::DIM);
const REVERSED: Style = Style::new().add_modifier(Modifier::REVERSED);

/// Draws all of it, after telling `app` what room there is.
pub(super) fn draw(app: &mut App, color: bool, frame: &mut Frame<'_>) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        too_small(frame.buffer_mut(), area);
        return;
    }
    let most = usize::from(area.height - HEAD - FOOT) / NOTICE;
    let notice = if app.prompt.is_some() { 1 } else { app.notice.len().min(most) };
    // A terminal has no more rows than that.
    let notice = u16::try_from(notice).unwrap_or(0);
    let body = Rect { y: HEAD, height: area.height - HEAD - FOOT - notice, ..area };
    app.resize(body.width.into(), body.height.into());
    let app = &*app;
    let mut paint = Paint { buffer: frame.buffer_mut(), color };
    head(app, &mut paint, area);
    match (app.over, app.open) {
        (Some(over), _) => over::draw(app, over, &mut paint, body),
        (None, false) => list::draw(app, &mut paint, body),
        (None, true) => episode(app, &mut paint, body),
    }
    let below = body.y + body.height;
    match &app.prompt {
        Some(prompt) => {
            let asks = match prompt.purpose {
                Purpose::Find => "find: ",
                Purpose::WhatIf => "what if (adj:WHO=N, limit=SIZE, kill:WHO): ",
            };
            let rows = Rect { y: below, height: 1, ..area };
            // The end of a long line is where it is typed.
            let room = usize::from(area.width).saturating_sub(asks.len() + 1);
            let shown = crate::sink::terminal::text::columns_from_end(&prompt.text, room);
            paint.line(rows, vec![Span::styled(asks, BOLD), Span::from(shown), Span::styled(" ", REVERSED)]);
        }
        None => {
            let rows = Rect { y: below, height: notice, ..area };
            paint.text(rows, &app.notice, 0, BOLD);
        }
    }
    let foot = Rect { y: area.height - FOOT, height: FOOT, ..area };
    let place = place(app);
    let room = usize::from(area.width).saturating_sub(place.len() + 3);
    paint.line(foot, vec![Span::styled(keys::foot(app.place_of_keys(), room), QUIET)]);
    paint.right(foot, Span::styled(place, QUIET));
}

/// Where one is: the list, or the screens of an episode; and what is going on.
fn head(app: &App, paint: &mut Paint<'_>, area: Rect) {
    let first = Rect { height: 1, ..area };
    let mut spans = vec![Span::styled("oomtrace ", BOLD)];
    if app.open {
        for (i, (pane, name)) in Pane::ALL.iter().enumerate() {
            let style = if *pane == app.pane { REVERSED } else { Style::new() };
            spans.push(Span::styled(format!(" {} {name} ", i + 1), style));
        }
    } else {
        let episodes = counted(app.visible.len() as u64, "episode", "episodes");
        let of = if app.find.is_empty() {
            format!(" {episodes}, {}", counted(app.victims, "victim", "victims"))
        } else {
            format!(" {episodes} of {} with \"{}\"", grouped(app.rows.len() as i128), app.find)
        };
        spans.push(Span::from(of));
        if app.left_out > 0 {
            spans.push(Span::from(format!(", {} older ones left out", grouped(app.left_out.into()))));
        }
    }
    paint.line(first, spans);
    let going_on = match (&app.ended, &app.progress, app.source) {
        (Some(why), ..) => why.clone(),
        (None, Some(progress), _) => progress.clone(),
        (None, None, Source::Recordings) => "reading".to_owned(),
        (None, None, Source::Capture) => app.status.clone(),
    };
    let second = Rect { y: 1, ..first };
    paint.line(second, vec![Span::styled(going_on, QUIET)]);
    let below = app.lines_below();
    if below > 0 && app.over.is_none() {
        let more = counted(below as u64, "more line", "more lines");
        paint.right(second, Span::styled(format!(" {more} below "), REVERSED));
    }
}

/// How far down it is.
fn place(app: &App) -> String {
    let of = |place: usize, all: usize| {
        let place = (place + 1).min(all);
        format!("{} of {}", grouped(place as i128), grouped(all as i128))
    };
    match (app.over, app.open, &app.candidates) {
        (Some(_), ..) => String::new(),
        (None, false, _) => of(app.place(), app.visible.len()),
        (None, true, Some(candidates)) if app.pane == Pane::Candidates => {
            of(candidates.selected, candidates.order.len())
        }
        (None, true, _) => format!("episode {}", of(app.place(), app.visible.len())),
    }
}

fn episode(app: &App, paint: &mut Paint<'_>, body: Rect) {
    match (&app.candidates, app.pane) {
        (Some(candidates), Pane::Candidates) => {
            let details = u16::try_from(app.details_height()).unwrap_or(0);
            candidates::draw(candidates, paint, body, details);
        }
        _ => paint.text(body, &app.lines.lines, app.scrolled, Style::new()),
    }
}

fn too_small(buffer: &mut Buffer, area: Rect) {
    let (width, height) = LEAST;
    let text = format!(
        "oomtrace needs {width} columns and {height} rows; here are {} and {}. q quits",
        area.width, area.height
    );
    let mut paint = Paint { buffer, color: false };
    paint.text(area, &wrapped(&text, area.width.into()), 0, Style::new());
}

/// Where it is drawn.
struct Paint<'a> {
    buffer: &'a mut Buffer,
    color: bool,
}

impl Paint<'_> {
    /// A line, cut where the room ends.
    fn line(&mut self, area: Rect, spans: Vec<Span<'_>>) {
        Line::from(spans).render(area, self.buffer);
    }

    /// Something at the right of a line.
    fn right(&mut self, area: Rect, span: Span<'_>) {
        let width = u16::try_from(span.width()).unwrap_or(u16::MAX).min(area.width);
        let area = Rect { x: area.x + area.width - width, width, ..area };
        span.render(area, self.buffer);
    }

    /// Lines from one on, as many as there is room for.
    fn text(&mut self, area: Rect, lines: &[Painted], from: usize, style: Style) {
        for (row, line) in area.rows().zip(lines.iter().skip(from)) {
            let spans =
                line.iter().map(|(tone, text)| Span::styled(text.as_str(), style.patch(self.tone(*tone))));
            Line::from_iter(spans).render(row, self.buffer);
        }
    }

    fn tone(&self, tone: Tone) -> Style {
        match tone {
            Tone::Plain => Style::new(),
            Tone::Heading | Tone::Warning => BOLD,
            Tone::Quiet => QUIET,
            Tone::Victim if self.color => BOLD.fg(Color::Red),
            Tone::Victim => BOLD,
            Tone::Alarm => BOLD.add_modifier(Modifier::REVERSED),
        }
    }
}
