//! Bars as SVG: what points are made of, and how full a limit is. Lengths are percentages, so that a bar is as wide as there is
//! room; each part has a pattern beside its colour, and its size as its title.

use std::fmt::{self, Display};

use crate::sink::terminal::text;

use super::super::parts::{Makeup, Part};
use super::text::{Esc, Html, put};

/// The width that all bars of a chart share: bytes to the left of zero and to the right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Scale {
    left: i64,
    right: i64,
}

impl Scale {
    /// Room for all of them.
    pub(super) fn of<'a>(all: impl Iterator<Item = &'a Makeup>) -> Self {
        all.fold(Self::default(), |scale, makeup| {
            let (left, right) = makeup.span();
            Self { left: scale.left.min(left), right: scale.right.max(right) }
        })
    }

    /// Where a value is, per cent of the width.
    fn at(self, bytes: i64) -> Percent {
        let whole = i128::from(self.right) - i128::from(self.left);
        let from_left = i128::from(bytes) - i128::from(self.left);
        Percent(if whole <= 0 { 0.0 } else { from_left as f64 * 100.0 / whole as f64 })
    }

    /// The two ends, bytes.
    pub(super) fn ends(self) -> (i64, i64) {
        (self.left, self.right)
    }
}

#[derive(Clone, Copy)]
struct Percent(f64);

impl Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}%", self.0)
    }
}

/// `470.3M`, `-24.1M`.
pub(super) fn signed(bytes: i64) -> String {
    let size = text::size(bytes.unsigned_abs());
    if bytes < 0 { format!("-{size}") } else { size }
}

/// One bar. It says nothing that the row that it is in does not say in numbers.
pub(super) fn bar(html: &mut Html, makeup: &Makeup, scale: Scale) {
    put!(html, "<svg class=\"bar\" aria-hidden=\"true\" width=\"100%\" height=\"16\">");
    let (mut left, mut right) = (0_i64, 0_i64);
    for (part, bytes) in &makeup.parts {
        let (from, to) = if *bytes < 0 {
            let to = left;
            left = left.saturating_add(*bytes);
            (left, to)
        } else {
            let from = right;
            right = right.saturating_add(*bytes);
            (from, right)
        };
        let (x, end) = (scale.at(from), scale.at(to));
        put!(
            html,
            "<rect class=\"p-{}\" x=\"{x}\" y=\"2\" width=\"{}\" height=\"12\"><title>{}: {}</title></rect>",
            part.class(),
            Percent(end.0 - x.0),
            part.words(),
            Esc(signed(*bytes))
        );
    }
    let zero = scale.at(0);
    put!(html, "<line class=\"zero\" x1=\"{zero}\" x2=\"{zero}\" y1=\"0\" y2=\"16\"/>");
    if let Some(points) = makeup.points {
        let x = scale.at(points);
        put!(
            html,
            "<line class=\"sum\" x1=\"{x}\" x2=\"{x}\" y1=\"0\" y2=\"16\"><title>points: {}</title></line>",
            Esc(signed(points))
        );
    }
    put!(html, "</svg>");
}

/// The parts that a chart has, named.
pub(super) fn legend(html: &mut Html, makeups: &[Makeup]) {
    put!(html, "<ul class=\"legend\">");
    let has = |part: Part| makeups.iter().any(|makeup| makeup.parts.iter().any(|(other, _)| *other == part));
    for part in Part::ALL.into_iter().filter(|part| has(*part)) {
        put!(
            html,
            "<li><svg class=\"bar\" aria-hidden=\"true\" width=\"24\" height=\"16\"><rect class=\"p-{}\" y=\"2\" width=\"24\" \
             height=\"12\"/></svg> {}",
            part.class(),
            part.words()
        );
        if part == Part::Adj {
            put!(html, ", to the left of zero when it protects");
        }
        put!(html, "</li>");
    }
    if makeups.iter().any(|makeup| makeup.points.is_some()) {
        put!(
            html,
            "<li><svg class=\"bar\" aria-hidden=\"true\" width=\"24\" height=\"16\"><line class=\"sum\" x1=\"12\" x2=\"12\" y1=\"0\" \
             y2=\"16\"/></svg> the points, which is the sum</li>"
        );
    }
    put!(html, "</ul>");
}

/// How much of a limit is used.
pub(super) fn full(html: &mut Html, usage: u64, limit: u64) {
    let part = Percent(if limit == 0 { 100.0 } else { (usage as f64 * 100.0 / limit as f64).min(100.0) });
    put!(
        html,
        "<svg class=\"bar full\" aria-hidden=\"true\" width=\"100%\" height=\"12\"><rect class=\"room\" width=\"100%\" height=\"12\"/><rect \
         class=\"p-anon\" width=\"{part}\" height=\"12\"/></svg>"
    );
}
