//! The list of episodes; on a wide screen the selected one beside it.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

use super::super::app::{App, Source};
use super::super::text::wrapped;
use super::{Paint, QUIET};
use crate::sink::terminal::Painted;

pub(super) fn draw(app: &App, paint: &mut Paint<'_>, body: Rect) {
    if app.rows.is_empty() {
        nothing(app, paint, body);
        return;
    }
    let (columns, beside) = app.split();
    let width = u16::try_from(columns).unwrap_or(body.width).min(body.width);
    let area = Rect { width, ..body };
    let mut rows = area.rows();
    if let Some(row) = rows.next() {
        paint.line(row, vec![Span::styled(app.layout.heading(columns), QUIET)]);
    }
    let selected = app.place();
    let shown = app.visible.iter().enumerate().skip(app.top);
    for (row, (place, &at)) in rows.zip(shown) {
        let Some(item) = app.rows.get(at).map(|row| &row.item) else { break };
        let mut style = Style::new();
        if place == selected {
            style = style.add_modifier(Modifier::REVERSED);
            // The bar goes to the end of the line.
            paint.buffer.set_style(row, style);
        }
        paint.line(row, vec![Span::styled(app.layout.line(&item.row, columns), style)]);
    }
    if let Some(beside) = beside {
        let x = area.x + area.width + 1;
        for row in body.rows() {
            paint.line(Rect { x, width: 1, ..row }, vec![Span::styled("│", QUIET)]);
        }
        let area = Rect { x: x + 2, width: u16::try_from(beside).unwrap_or(0), ..body };
        let area = area.intersection(body);
        paint.text(area, &app.lines.lines, 0, Style::new());
    }
}

/// There is no episode: what is known of why.
fn nothing(app: &App, paint: &mut Paint<'_>, body: Rect) {
    let why = match (app.source, &app.ended) {
        (Source::Recordings, None) => "No episode yet: it is being read.",
        (Source::Recordings, Some(_)) => "There is no episode in it.",
        (Source::Capture, None) => "No episode yet: it is waiting for the OOM killer.",
        (Source::Capture, Some(_)) => "There was no episode.",
    };
    let mut lines: Vec<Painted> = wrapped(why, body.width.into());
    for message in &app.messages {
        lines.push(Painted::new());
        lines.extend(wrapped(message, body.width.into()));
    }
    paint.text(Rect { y: body.y + 1, height: body.height - 1, ..body }, &lines, 0, Style::new());
}
