//! The system calls of a running capture: a filter that lets these pass and answers all others with `EPERM`.
//!
//! An answer, and no signal: if a C library or a kernel makes a call that is not foreseen here, a recorder that goes on without it is
//! worth more than one that is killed at the moment for which it is there. The kernel logs what was refused (`SECCOMP_FILTER_FLAG_LOG`).
//!
//! What a feature needs beyond a plain capture is a list of its own; see [`Features`].

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

/// What a capture does beside following the kernel and writing to what is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Files are opened to be written: a recording that was removed is begun again.
    pub recording: bool,
    /// Files are also renamed and removed: a directory of recordings. Goes with `recording`.
    pub directory: bool,
    /// Threads are started while it runs.
    pub threads: bool,
    /// A process that was started before is waited for.
    pub helper: bool,
    /// Connections are taken on a socket that listens already.
    pub server: bool,
    /// A command is waited for and signalled, and its cgroup removed.
    pub job: bool,
}

/// Calls without conditions.
const PLAIN: &[libc::c_long] = &[
    // What is open: the ring, the log, recordings, terminals and pipes.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_flock,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_statx,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_restart_syscall,
    // Clocks and facts about this process and the machine.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_getcpu,
    libc::SYS_sched_getaffinity,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_times,
    // Memory; what makes code of it has a condition below.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mlock,
    libc::SYS_munlock,
    libc::SYS_membarrier,
    // Signals, and the end.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The same, where the architecture still has the older ones.
#[cfg(target_arch = "x86_64")]
const PLAIN_OLD: &[libc::c_long] = &[
    libc::SYS_newfstatat,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_epoll_wait,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_time,
];
#[cfg(not(target_arch = "x86_64"))]
const PLAIN_OLD: &[libc::c_long] = &[libc::SYS_newfstatat];

/// Files that are renamed and removed, and folders.
const DIRECTORY: &[libc::c_long] = &[
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_utimensat,
    libc::SYS_statfs,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
];
#[cfg(target_arch = "x86_64")]
const DIRECTORY_OLD: &[libc::c_long] =
    &[libc::SYS_unlink, libc::SYS_rename, libc::SYS_renameat, libc::SYS_mkdir, libc::SYS_link];
#[cfg(target_arch = "aarch64")]
const DIRECTORY_OLD: &[libc::c_long] = &[libc::SYS_renameat];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const DIRECTORY_OLD: &[libc::c_long] = &[];

/// What starting a thread takes, beside `clone` and `clone3`.
const THREADS: &[libc::c_long] = &[
    // Its flags are in memory, where no filter sees them: no exec is let pass, so a process would be no more than a thread is.
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
];

/// What taking a connection and letting go of it takes; reading and writing are let pass for all.
const SERVER: &[libc::c_long] = &[libc::SYS_accept4, libc::SYS_shutdown];
/// What a command takes that was started before.
const JOB: &[libc::c_long] = &[libc::SYS_wait4, libc::SYS_kill, libc::SYS_getpgid];
#[cfg(target_arch = "x86_64")]
const JOB_OLD: &[libc::c_long] = &[libc::SYS_rmdir, libc::SYS_getpgrp];
#[cfg(not(target_arch = "x86_64"))]
const JOB_OLD: &[libc::c_long] = &[];

/// `enum bpf_cmd`: what is asked of the programs' maps, and names for call paths.
const BPF_COMMANDS: [u64; 2] = [1 /* BPF_MAP_LOOKUP_ELEM */, 10 /* BPF_PROG_TEST_RUN */];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// The filter, compiled; an error tells which architecture there is none for.
pub(super) fn filter(features: Features) -> Result<BpfProgram, String> {
    let said = |error: seccompiler::BackendError| error.to_string();
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(said)?;
    let rules = rules(features).map_err(said)?;
    let refused = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(rules, refused, SeccompAction::Allow, arch).map_err(said)?;
    filter.try_into().map_err(said)
}

fn rules(features: Features) -> Result<Rules, seccompiler::BackendError> {
    let mut rules = Rules::new();
    let mut allow = |calls: &[libc::c_long]| {
        // No rule means that there is no condition.
        rules.extend(calls.iter().map(|&call| (call, Vec::new())));
    };
    allow(PLAIN);
    allow(PLAIN_OLD);
    if features.directory {
        allow(DIRECTORY);
        allow(DIRECTORY_OLD);
    }
    if features.job {
        allow(JOB);
        allow(JOB_OLD);
    }
    if features.recording {
        allow(&[libc::SYS_openat]);
    }
    if features.threads {
        allow(THREADS);
    }
    if features.server {
        allow(SERVER);
    }
    if features.helper {
        allow(&[libc::SYS_wait4, libc::SYS_waitid]);
    }
    if !features.recording {
        // Only to be read: /proc, sysfs and cgroup files.
        let writing = libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC;
        rules.insert(libc::SYS_openat, vec![none_of(2, flags(writing))?]);
    }
    let exec = flags(libc::PROT_EXEC);
    rules.insert(libc::SYS_mmap, vec![none_of(2, exec)?]);
    rules.insert(libc::SYS_mprotect, vec![none_of(2, exec)?]);
    rules.insert(
        libc::SYS_bpf,
        BPF_COMMANDS.map(|command| is(0, command)).into_iter().collect::<Result<_, _>>()?,
    );
    // Whether it is a terminal, how wide, and whose at the moment.
    #[allow(clippy::unnecessary_cast, reason = "the type is the C library's")]
    let asked = [libc::TCGETS, libc::TIOCGWINSZ, libc::TIOCGPGRP].map(|request| is(1, request as u64));
    rules.insert(libc::SYS_ioctl, asked.into_iter().collect::<Result<_, _>>()?);
    if features.job && !features.directory {
        // A folder, and no file.
        rules.insert(libc::SYS_unlinkat, vec![all_of(2, flags(libc::AT_REMOVEDIR))?]);
    }
    // The pair of sockets that signals come through, which needs no address; a C library may send to itself what `abort()` sends.
    rules.insert(libc::SYS_sendto, vec![null(4)?]);
    rules.insert(libc::SYS_recvfrom, vec![null(4)?]);
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![is(0, own)?]);
    if features.server {
        // How long to wait for the other side.
        let timeouts = [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO].map(|option| is(2, flags(option)));
        rules.insert(libc::SYS_setsockopt, timeouts.into_iter().collect::<Result<_, _>>()?);
    }
    if features.threads {
        rules.insert(libc::SYS_clone, vec![all_of(0, flags(libc::CLONE_THREAD))?]);
    }
    Ok(rules)
}

fn flags(flags: libc::c_int) -> u64 {
    u64::from(flags.cast_unsigned())
}

/// A pointer leads nowhere.
fn null(argument: u8) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?])
}

/// An argument has this value, in its lower half.
fn is(argument: u8, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    condition(argument, SeccompCmpOp::Eq, value)
}

/// An argument has none of these bits.
fn none_of(argument: u8, bits: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    condition(argument, SeccompCmpOp::MaskedEq(bits), 0)
}

/// An argument has all of these bits.
fn all_of(argument: u8, bits: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    condition(argument, SeccompCmpOp::MaskedEq(bits), bits)
}

fn condition(argument: u8, how: SeccompCmpOp, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    // `int` arguments: the kernel does not look at the upper half, and nothing says what is in it.
    SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, how, value)?])
}
