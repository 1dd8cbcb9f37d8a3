//! Any bytes as a session file: from frames to explained episodes.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use oomtrace::session::encode;

#[path = "../../oomtrace/tests/support/hostile.rs"]
mod hostile;
#[path = "../../oomtrace/tests/support/made_up.rs"]
mod made_up;

static HEAD: LazyLock<Vec<u8>> = LazyLock::new(|| encode::head(&made_up::info()).expect("it is short"));

fuzz_target!(|bytes: &[u8]| hostile::session(bytes, &HEAD));
