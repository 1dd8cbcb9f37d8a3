//! Messages on stderr.

use std::io::Write;

/// Writes one message, led by the program's name. A stderr that is closed must not stop the capture.
pub(crate) fn say(message: &str) {
    let _ = writeln!(std::io::stderr().lock(), "oomtrace: {message}");
}
