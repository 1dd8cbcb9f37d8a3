//! Exit codes: what each one promises, and the one place that maps results to them.

use std::error::Error;
use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: done. Also when the reader of the output went away.
    Done,
    /// 4: finished, but something was lost, or the input was damaged or has no end. What was shown is right.
    Lossy,
    /// 3: the machine does not allow it; the message says what would.
    NotAllowed,
    /// 2: wrong usage.
    Usage,
    /// 1: failed.
    Failed,
    /// What a command that was run ended with.
    Command(u8),
}

impl Exit {
    /// The number for the shell.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotAllowed => 3,
            Self::Lossy => 4,
            Self::Command(code) => code,
        }
    }

    /// What an error means for the exit: looks for [`NotAllowed`] and [`Usage`] among its causes.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Self {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.is::<NotAllowed>() {
                return Self::NotAllowed;
            }
            if error.is::<Usage>() {
                return Self::Usage;
            }
            cause = error.source();
        }
        Self::Failed
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// The machine does not allow it: no privilege, no kernel support, lockdown. The text says which, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotAllowed(pub String);

/// Arguments that are each fine and do not go together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot attach")]
    struct Outer(#[source] NotAllowed);

    #[test]
    fn causes_decide() {
        assert_eq!(Exit::of(&Outer(NotAllowed("no CAP_BPF".into()))), Exit::NotAllowed);
        assert_eq!(Exit::of(&Usage("a and b".into())), Exit::Usage);
        assert_eq!(Exit::of(&std::io::Error::other("x")), Exit::Failed);
    }

    #[test]
    fn codes_are_a_promise() {
        let codes = [Exit::Done, Exit::Failed, Exit::Usage, Exit::NotAllowed, Exit::Lossy].map(Exit::code);
        assert_eq!(codes, [0, 1, 2, 3, 4]);
    }
}
