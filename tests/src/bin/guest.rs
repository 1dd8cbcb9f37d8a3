//! The one program of ours that runs inside a guest beside oomtrace: as `/init` it brings the guest up, and called by
//! name it runs the guest's test programs. The table of them is in `oomtrace_tests::guest`.

use std::process::ExitCode;

fn main() -> ExitCode {
    oomtrace_tests::guest::main()
}
