//! The `oomtrace` program. Everything is in the library; here is the entry only.

use std::process::ExitCode;

fn main() -> ExitCode {
    oomtrace::cli::main().into()
}
