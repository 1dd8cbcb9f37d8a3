//! Messages on stderr.

use std::io::{IsTerminal, Write};

use unicode_width::UnicodeWidthStr;

use crate::pipeline::Summary;
use crate::sink::terminal::text;

use super::aside::{self, Told};

/// Columns before the lines that a long message goes on in.
const HANGING: usize = 4;

/// Writes one message, led by the program's name: for a person at a terminal broken at words, else in one line, so that a
/// log has it whole. A stderr that is closed must not stop the capture.
pub(crate) fn say(message: &str) {
    if aside::tell(Told::Message(message)) {
        return;
    }
    super::status::clear();
    let mut stderr = std::io::stderr().lock();
    let message = format!("oomtrace: {message}");
    let columns = stderr
        .is_terminal()
        .then(|| rustix::termios::tcgetwinsize(rustix::stdio::stderr()).ok())
        .flatten()
        .map(|size| usize::from(size.ws_col))
        .filter(|&columns| columns > 2 * HANGING);
    let text = match columns {
        Some(columns) => wrapped(&message, columns),
        None => message,
    };
    let _ = writeln!(stderr, "{text}");
}

/// What the capture cost, when that was asked for.
pub(super) fn say_stats(summary: &Summary) {
    let totals = &summary.totals;
    if let Some(stats) = &totals.stats {
        say("what the capture cost:");
        let _ = std::io::stderr().lock().write_all(text::stats(stats, &totals.lost).as_bytes());
    }
}

/// Breaks each line at blanks so that none is wider than `columns`; a word that is wider stays whole, to be copied.
fn wrapped(text: &str, columns: usize) -> String {
    let mut out = String::new();
    for (i, line) in text.split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
        }
        let mut column = 0;
        for word in line.split_inclusive(' ') {
            if column > HANGING && column + word.trim_end_matches(' ').width() > columns {
                out.truncate(out.trim_end_matches(' ').len());
                out.push('\n');
                out.push_str(&" ".repeat(HANGING));
                column = HANGING;
            }
            out.push_str(word);
            column += word.width();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn long_messages_are_broken_at_words() {
        assert_eq!(
            wrapped("oomtrace: it cannot be done; run it with sudo", 20),
            "oomtrace: it cannot\n    be done; run it\n    with sudo"
        );
        assert_eq!(wrapped("short", 20), "short");
        let word = "setcap_cap_bpf,cap_perfmon,cap_dac_read_search";
        assert_eq!(wrapped(&format!("run {word} now"), 20), format!("run {word}\n    now"));
        // What is laid out already stays so.
        assert_eq!(wrapped("wrong usage\n\n  --count <N>", 20), "wrong usage\n\n  --count <N>");
    }
}
