//! `guest`: everything of ours that runs inside a guest beside oomtrace, by the name of its first argument; as process 1
//! it needs none.

use std::process::ExitCode;

fn main() -> ExitCode {
    if rustix::process::getpid().is_init() {
        oomtrace_tests::guest::init::main();
    }
    eprintln!("guest: this is process 1 of a guest, and needs to be started as one");
    ExitCode::from(2)
}
