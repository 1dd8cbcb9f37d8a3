//! What the kernel says of a loaded program in `/proc/self/fdinfo`: counters, in text, each only there on kernels that keep it.
//!
//! Needs no privilege beyond having the descriptor, to open it: these files are root's, if the process was given its capabilities or is
//! confined. What has been opened can be read again and again.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::fd::RawFd;

/// The file of a program, open.
pub(super) struct Open(File);

/// One reading.
pub(super) struct Fdinfo(String);

impl Open {
    /// Of this program; `None` when it cannot be read.
    pub(super) fn of(program: RawFd) -> Option<Self> {
        File::open(format!("/proc/self/fdinfo/{program}")).ok().map(Self)
    }

    /// What it says now.
    pub(super) fn read(&self) -> Option<Fdinfo> {
        let mut text = String::new();
        let mut file = &self.0;
        file.rewind().and_then(|()| file.read_to_string(&mut text)).ok()?;
        Some(Fdinfo(text))
    }
}

impl Fdinfo {
    /// Of this program, once.
    pub(super) fn read(program: RawFd) -> Option<Self> {
        Open::of(program)?.read()
    }

    /// A counter; `None` on a kernel that does not have it.
    pub(super) fn counter(&self, name: &str) -> Option<u64> {
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok();
        self.0.lines().find_map(value)
    }
}

#[cfg(test)]
mod tests {
    use super::Fdinfo;

    #[test]
    fn a_kernel_that_does_not_count_is_not_one_that_counted_nothing() {
        let older = "pos:\t0\nflags:\t02000002\nprog_type:\t2\nrun_cnt:\t0\n";
        let misses = |text: &str| Fdinfo(text.to_owned()).counter("recursion_misses");
        assert_eq!(misses(older), None);
        assert_eq!(misses(&format!("{older}recursion_misses:\t0\n")), Some(0));
        assert_eq!(misses(&format!("{older}recursion_misses:\t12\nverified_insns:\t9\n")), Some(12));
        assert_eq!(Fdinfo(older.to_owned()).counter("run"), None);
    }
}
