//! What can stand in the way of live tracing. Each variant says what was tried, on what, and what to do.

use std::{io, path::PathBuf};

/// Why this machine cannot be traced, or not now.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// Neither root nor the capabilities.
    #[error(
        "loading eBPF programs needs {missing}, which this process (uid {uid}) does not have; \
         run it with sudo, or give the binary the capabilities: setcap cap_bpf,cap_perfmon,cap_dac_read_search,cap_syslog,cap_sys_resource,cap_ipc_lock+ep"
    )]
    Privileges {
        /// The missing capabilities.
        missing: String,
        /// Effective uid.
        uid: u32,
    },
    /// No type information.
    #[error(
        "the kernel offers no BTF at {path}: it was built without CONFIG_DEBUG_INFO_BTF; \
         pass --btf FILE with the BTF of exactly this kernel (pahole makes it from a vmlinux with debug info)"
    )]
    NoBtf {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file cannot be read as BTF.
    #[error("cannot read BTF from {path}: {reason}")]
    BadBtf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A member that nothing works without.
    #[error(
        "this kernel's BTF has no {member}: its OOM killer is of a layout that this version of oomtrace does not know; \
         please report it with the output of `oomtrace doctor --json`"
    )]
    Layout {
        /// `struct.member`.
        member: String,
    },
    /// Lockdown.
    #[error(
        "the kernel is locked down (confidentiality): it refuses eBPF programs that read kernel memory; \
         boot with lockdown=integrity or none"
    )]
    Lockdown,
    /// Functions cannot be hooked.
    #[error(
        "functions of this kernel cannot be hooked: by fentry: {fentry}; by kprobe: {kprobe}; that needs a kernel with \
         CONFIG_KPROBES, or with fentry (CONFIG_FUNCTION_TRACER and BTF) where policy allows it"
    )]
    NoHooks {
        /// What came of fentry.
        fentry: String,
        /// What came of kprobes.
        kprobe: String,
    },
    /// Nothing works.
    #[error(
        "this kernel cannot be traced: {hooks}; and not by its log: {log}; `oomtrace doctor` shows more, and `oomtrace replay` \
         works anywhere"
    )]
    NoFlavour {
        /// What came of hooks on functions.
        hooks: String,
        /// What came of the log.
        log: String,
    },
    /// The kernel's log may not be read.
    #[error(
        "cannot read /dev/kmsg: {error}: it takes CAP_SYSLOG where kernel.dmesg_restrict is set; run it with sudo, or give the \
         binary the capability: setcap cap_syslog+ep"
    )]
    LogRefused {
        /// What the kernel said.
        error: io::Error,
    },
    /// A hook that nothing works without.
    #[error("cannot attach to {target} by {flavour}: {reason}; `oomtrace doctor` shows what works here")]
    Attach {
        /// Function or tracepoint.
        target: String,
        /// Flavour asked for.
        flavour: &'static str,
        /// What the kernel said.
        reason: String,
    },
    /// The parts of the program do not fit together.
    #[error("the eBPF program is not the one that this oomtrace was built for: {reason}; build it again")]
    Broken {
        /// What is missing.
        reason: String,
    },
    /// The object was refused.
    #[error("cannot load the eBPF program: {reason}")]
    Load {
        /// What the loader or the verifier said.
        reason: String,
    },
    /// A bad `--buffer`.
    #[error("a buffer of {asked} bytes is not possible: it can have {least} to {most} bytes")]
    Buffer {
        /// Asked for.
        asked: u64,
        /// Least.
        least: u64,
        /// Most.
        most: u64,
    },
    /// A file of the kernel's could not be read.
    #[error("cannot read {path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl LiveError {
    /// Whether the machine is in the way, and not who asks or what for.
    #[must_use]
    pub fn is_of_the_machine(&self) -> bool {
        match self {
            Self::NoBtf { .. }
            | Self::Layout { .. }
            | Self::Lockdown
            | Self::NoHooks { .. }
            | Self::Attach { .. }
            | Self::Load { .. } => true,
            Self::Privileges { .. }
            | Self::BadBtf { .. }
            | Self::NoFlavour { .. }
            | Self::LogRefused { .. }
            | Self::Broken { .. }
            | Self::Buffer { .. }
            | Self::Read { .. } => false,
        }
    }

    /// What stood in the way, without the advice that only fits when it is the whole story.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::Attach { target, reason, .. } => format!("{target}: {reason}"),
            Self::Load { reason } => reason.clone(),
            Self::NoHooks { fentry, kprobe } => format!("by fentry: {fentry}; by kprobe: {kprobe}"),
            other => other.to_string(),
        }
    }
}
