//! Any bytes as records of the ring: from wire bytes to explained episodes, by way of a recording.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use oomtrace::model::SessionInfo;

#[path = "../../oomtrace/tests/support/hostile.rs"]
mod hostile;
#[path = "../../oomtrace/tests/support/made_up.rs"]
mod made_up;

static INFO: LazyLock<SessionInfo> = LazyLock::new(made_up::info);

fuzz_target!(|bytes: &[u8]| hostile::records(bytes, &INFO));
