//! Lines of one episode: labels in a column, wrapping with a hanging indent, colour when wanted.
//!
//! Text is in the terminal's own colour, which can be read on light and on dark; only victims have one of the sixteen. Yellow, which would
//! be usual for warnings, is all but invisible on the white of some terminals: a warning is bold, and its label reversed.

use std::ops::Range;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

use super::Options;

/// Columns before a label.
pub(super) const INDENT: usize = 4;
/// Columns of a label, with the gap after it.
pub(super) const LABEL: usize = 10;

/// How a piece of text is told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Not at all.
    Plain,
    /// It heads what follows.
    Heading,
    /// It only says what other text is.
    Quiet,
    /// Who died.
    Victim,
    /// Something that is not as it should be.
    Warning,
    /// The label of such a thing.
    Alarm,
}

impl Tone {
    const fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Heading | Self::Warning => Style::new().bold(),
            Self::Quiet => Style::new().dimmed(),
            Self::Victim => AnsiColor::Red.on_default().bold(),
            Self::Alarm => Style::new().bold().invert(),
        }
    }
}

/// A line in pieces.
pub type Painted = Vec<(Tone, String)>;

/// Columns where nothing is to be cut or wrapped.
const UNBOUNDED: usize = 1 << 20;

/// A label and what is said under it, for outputs that lay it out themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) label: String,
    /// A sentence each.
    pub(crate) texts: Vec<String>,
    /// About something that is not as it should be.
    pub(crate) warning: bool,
}

/// Text being put together.
pub(super) struct Page {
    text: String,
    options: Options,
    /// Instead of the text, what is said.
    said: Option<Vec<Said>>,
    /// Where in the text what is not plain is, if that is wanted.
    tones: Option<Vec<(Range<usize>, Tone)>>,
}

impl Page {
    pub(super) fn new(options: Options) -> Self {
        Self { text: String::new(), options, said: None, tones: None }
    }

    /// Options under which nothing is cut, for a page that is not laid out.
    pub(super) fn unbounded() -> Options {
        Options { width: UNBOUNDED, color: false, verbose: false }
    }

    /// What is written with labels, not laid out.
    pub(super) fn said(write: impl FnOnce(&mut Self)) -> Vec<Said> {
        let mut page = Self { said: Some(Vec::new()), ..Self::new(Self::unbounded()) };
        write(&mut page);
        page.said.unwrap_or_default()
    }

    pub(super) fn into_string(self) -> String {
        self.text
    }

    /// Laid out on so many columns, for a screen that is drawn in other ways than by writing text.
    pub(super) fn painted(width: usize, write: impl FnOnce(&mut Self, Options)) -> Vec<Painted> {
        let options = Options { width, color: false, verbose: false };
        let mut page = Self { tones: Some(Vec::new()), ..Self::new(options) };
        write(&mut page, options);
        let mut tones = page.tones.unwrap_or_default().into_iter().peekable();
        let mut lines = Vec::new();
        let mut at = 0;
        for line in page.text.split_terminator('\n') {
            let end = at + line.len();
            let mut pieces = Painted::new();
            while let Some((range, tone)) = tones.next_if(|(range, _)| range.start < end) {
                if range.start > at {
                    pieces.push((Tone::Plain, page.text[at..range.start].to_owned()));
                }
                pieces.push((tone, page.text[range.clone()].to_owned()));
                at = range.end;
            }
            if at < end {
                pieces.push((Tone::Plain, page.text[at..end].to_owned()));
            }
            lines.push(pieces);
            at = end + 1;
        }
        lines
    }

    /// Columns for the text after a label.
    pub(super) fn text_width(&self) -> usize {
        self.options.width.saturating_sub(INDENT + LABEL).max(20)
    }

    pub(super) fn blank(&mut self) {
        self.text.push('\n');
    }

    /// The first line of an episode.
    pub(super) fn headline(&mut self, text: &str, hanging: usize) {
        self.wrapped("", text, hanging, Tone::Heading);
    }

    /// Text from the first column on.
    pub(super) fn paragraph(&mut self, text: &str, hanging: usize) {
        self.wrapped("", text, hanging, Tone::Plain);
    }

    /// The same, about something that is not as it should be.
    pub(super) fn warning(&mut self, text: &str, hanging: usize) {
        self.wrapped("", text, hanging, Tone::Warning);
    }

    /// A label and its text.
    pub(super) fn labelled(&mut self, label: &str, text: &str) {
        self.under(label, text, INDENT + LABEL, Tone::Plain);
    }

    /// A label and its text, of which what does not fit on the line begins so many columns further in.
    pub(super) fn labelled_hanging(&mut self, label: &str, text: &str, hanging: usize) {
        self.under(label, text, INDENT + LABEL + hanging, Tone::Plain);
    }

    /// The same, about something that is not as it should be.
    pub(super) fn labelled_warning(&mut self, label: &str, text: &str) {
        self.under(label, text, INDENT + LABEL, Tone::Warning);
    }

    fn under(&mut self, label: &str, text: &str, hanging: usize, tone: Tone) {
        let Some(said) = &mut self.said else {
            self.wrapped(&label_column(label), text, hanging, tone);
            return;
        };
        let (text, warning) = (text.trim().to_owned(), tone == Tone::Warning);
        match said.last_mut() {
            // Without a label it goes on under the one before.
            Some(last) if label.is_empty() => last.texts.push(text),
            _ => said.push(Said { label: label.to_owned(), texts: vec![text], warning }),
        }
    }

    /// A line of the table, as it is.
    pub(super) fn row(&mut self, text: &str, kind: Row) {
        let tone = match kind {
            Row::Header => Tone::Quiet,
            Row::Victim => Tone::Victim,
            Row::Other => Tone::Plain,
        };
        self.styled(text.trim_end(), tone);
        self.text.push('\n');
    }

    fn wrapped(&mut self, label: &str, text: &str, hanging: usize, tone: Tone) {
        if tone == Tone::Warning && !label.is_empty() {
            let word = label.trim();
            let (before, after) = label.split_once(word).unwrap_or((label, ""));
            self.text.push_str(before);
            self.styled(word, Tone::Alarm);
            self.text.push_str(after);
        } else {
            self.styled(label, Tone::Quiet);
        }
        let mut column = label.width();
        let mut line = String::new();
        for piece in pieces(text, self.options.width.saturating_sub(hanging)) {
            let needed = piece.trim_end_matches(' ').width();
            if column + needed > self.options.width && column > hanging.max(label.width()) {
                self.styled(line.trim_end(), tone);
                self.text.push('\n');
                self.text.push_str(&" ".repeat(hanging));
                line.clear();
                column = hanging;
            }
            line.push_str(piece);
            column += piece.width();
        }
        self.styled(line.trim_end(), tone);
        self.text.push('\n');
    }

    fn styled(&mut self, text: &str, tone: Tone) {
        if tone == Tone::Plain || text.is_empty() {
            self.text.push_str(text);
        } else if let Some(tones) = &mut self.tones {
            tones.push((self.text.len()..self.text.len() + text.len(), tone));
            self.text.push_str(text);
        } else if self.options.color {
            let style = tone.style();
            self.text.push_str(&format!("{style}{text}{style:#}"));
        } else {
            self.text.push_str(text);
        }
    }
}

/// What a row of the table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    Header,
    Victim,
    Other,
}

fn label_column(label: &str) -> String {
    format!("{:INDENT$}{label:<LABEL$}", "")
}

/// Where a line may be broken: after blanks; in words that are longer than a line also after `|`, which joins flags.
fn pieces(text: &str, room: usize) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ').flat_map(move |word| {
        let separator = if word.width() > room.min(24) { '|' } else { ' ' };
        word.split_inclusive(separator)
    })
}
