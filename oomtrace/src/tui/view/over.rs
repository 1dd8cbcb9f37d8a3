//! What lies over the rest: all keys, and what there was to say.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::super::app::{App, Over};
use super::super::keys::KEYS;
use super::super::text::wrapped;
use super::{BOLD, Paint, QUIET};

/// Columns of where a key means something, and of the names of keys.
const WHERE: usize = 11;
const NAMES: usize = 26;

pub(super) fn draw(app: &App, over: Over, paint: &mut Paint<'_>, body: Rect) {
    match over {
        Over::Help => help(paint, body),
        Over::Messages => {
            let width = usize::from(body.width);
            let mut lines: Vec<_> = app.messages.iter().flat_map(|message| wrapped(message, width)).collect();
            if lines.is_empty() {
                lines = wrapped("There was nothing to say.", width);
            }
            let from = lines.len().saturating_sub(body.height.into());
            paint.text(body, &lines, from, Style::new());
        }
    }
}

fn help(paint: &mut Paint<'_>, body: Rect) {
    let mut last = None;
    for (row, (place, keys, what, _)) in body.rows().zip(&KEYS) {
        let heading = if last == Some(place) { "" } else { place.title() };
        last = Some(place);
        paint.line(
            row,
            vec![
                Span::styled(format!("{heading:<WHERE$}"), QUIET),
                Span::styled(format!("{keys:<NAMES$}"), BOLD),
                Span::from(*what),
            ],
        );
    }
}
