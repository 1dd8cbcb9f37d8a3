//! The architectures that oomtrace is built for, and what each is called by whom.

/// An architecture.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arch {
    /// The one of the machine that all of this runs on
    #[value(name = "x86_64")]
    X86_64,
    /// Built on another machine and tested in an emulated one; see [`crate::cross`]
    Aarch64,
}

impl Arch {
    /// Those that there are packages for.
    pub(crate) const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// To rustc, and to QEMU.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// To Debian.
    pub(crate) fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// What static programs are built for.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Aarch64 => "aarch64-unknown-linux-gnu",
        }
    }
}
