//! bpf(2) and perf_event_open(2), as far as they are needed here: one function a command.
//!
//! The structs are the parts of `union bpf_attr` that a command reads (include/uapi/linux/bpf.h); the kernel takes what is left
//! out as zero.

use std::{
    ffi::{CStr, c_long},
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
};

use rustix::process::{Resource, Rlimit, setrlimit};

/// `enum bpf_cmd`
mod cmd {
    pub(super) const MAP_CREATE: u32 = 0;
    pub(super) const MAP_UPDATE_ELEM: u32 = 2;
    pub(super) const PROG_LOAD: u32 = 5;
    pub(super) const PROG_TEST_RUN: u32 = 10;
    pub(super) const OBJ_GET_INFO_BY_FD: u32 = 15;
    pub(super) const RAW_TRACEPOINT_OPEN: u32 = 17;
    pub(super) const MAP_FREEZE: u32 = 22;
    pub(super) const LINK_CREATE: u32 = 28;
}

/// `BPF_PERF_EVENT` of `enum bpf_attach_type`.
const ATTACH_PERF_EVENT: u32 = 41;
/// `BPF_OBJ_NAME_LEN`, with the NUL.
const NAME_LEN: usize = 16;

/// What a map is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MapShape {
    pub(crate) kind: u32,
    pub(crate) key: u32,
    pub(crate) value: u32,
    pub(crate) entries: u32,
    pub(crate) flags: u32,
}

/// What a program is loaded as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a, I> {
    /// `BPF_PROG_TYPE_*`
    pub(crate) kind: u32,
    /// `BPF_TRACE_*`, or 0.
    pub(crate) attach: u32,
    /// `BPF_F_*`
    pub(crate) flags: u32,
    /// Id of the function in the running kernel's BTF, or 0.
    pub(crate) function: u32,
    pub(crate) name: &'a str,
    pub(crate) license: &'a CStr,
    pub(crate) instructions: &'a [I],
}

pub(crate) fn create_map(name: &str, shape: MapShape) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attr {
        kind: u32,
        key_size: u32,
        value_size: u32,
        max_entries: u32,
        flags: u32,
        inner_map_fd: u32,
        numa_node: u32,
        name: [u8; NAME_LEN],
    }
    let MapShape { kind, key, value, entries, flags } = shape;
    let mut attr = Attr {
        kind,
        key_size: key,
        value_size: value,
        max_entries: entries,
        flags,
        inner_map_fd: 0,
        numa_node: 0,
        name: object_name(name),
    };
    // SAFETY: the attributes have no pointers.
    with_locked_memory(|| unsafe { new_fd(cmd::MAP_CREATE, &mut attr) })
}

#[repr(C)]
struct Element {
    map: u32,
    _padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Writes an element of an array whose values are `value.len()` bytes long.
pub(crate) fn write(map: BorrowedFd<'_>, key: u32, value: &[u8]) -> io::Result<()> {
    let mut attr =
        Element { map: fd(map), _padding: 0, key: address(&key), value: address(value.as_ptr()), flags: 0 };
    // SAFETY: the kernel reads a key of 4 bytes and a value of this length, and both outlive the call.
    unsafe { bpf(cmd::MAP_UPDATE_ELEM, &mut attr) }.map(drop)
}

/// Makes a map's contents constant, for user space and for the verifier.
pub(crate) fn freeze(map: BorrowedFd<'_>) -> io::Result<()> {
    #[repr(C)]
    struct Attr {
        map: u32,
    }
    // SAFETY: the attributes have no pointers.
    unsafe { bpf(cmd::MAP_FREEZE, &mut Attr { map: fd(map) }) }.map(drop)
}

/// Whether this thread may use what it has a descriptor of. Asks about a descriptor that there is not, so that nothing comes of it.
pub(crate) fn is_allowed() -> bool {
    #[repr(C)]
    struct Attr {
        fd: u32,
        info_len: u32,
        info: u64,
    }
    let mut attr = Attr { fd: u32::MAX, info_len: 0, info: 0 };
    // SAFETY: the attributes have no pointers, as there is nothing to tell.
    let asked = unsafe { bpf(cmd::OBJ_GET_INFO_BY_FD, &mut attr) };
    asked.err().is_none_or(|error| error.raw_os_error() != Some(libc::EPERM))
}

/// Loads a program. With a `log` the verifier writes down what it did, as much as there is room for.
pub(crate) fn load<I>(program: &Load<'_, I>, log: Option<&mut [u8]>) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attr {
        kind: u32,
        instructions_len: u32,
        instructions: u64,
        license: u64,
        log_level: u32,
        log_len: u32,
        log: u64,
        kernel_version: u32,
        flags: u32,
        name: [u8; NAME_LEN],
        interface: u32,
        attach: u32,
        btf: u32,
        func_info_size: u32,
        func_info: u64,
        func_info_count: u32,
        line_info_size: u32,
        line_info: u64,
        line_info_count: u32,
        function: u32,
    }
    let (log_level, log_len, log) = log
        .map_or((0, 0, 0), |log| (1, u32::try_from(log.len()).unwrap_or(u32::MAX), log.as_mut_ptr() as u64));
    let mut attr = Attr {
        kind: program.kind,
        instructions_len: u32::try_from(program.instructions.len()).unwrap_or(u32::MAX),
        instructions: address(program.instructions.as_ptr()),
        license: address(program.license.as_ptr()),
        log_level,
        log_len,
        log,
        kernel_version: 0,
        flags: program.flags,
        name: object_name(program.name),
        interface: 0,
        attach: program.attach,
        btf: 0,
        func_info_size: 0,
        func_info: 0,
        func_info_count: 0,
        line_info_size: 0,
        line_info: 0,
        line_info_count: 0,
        function: program.function,
    };
    const { assert!(size_of::<I>() == 8, "a BPF instruction has 8 bytes") };
    // SAFETY: the kernel reads so many instructions of 8 bytes and a licence that ends with NUL, and writes no more than the log's
    // length to it; all of them outlive the call.
    with_locked_memory(|| unsafe { new_fd(cmd::PROG_LOAD, &mut attr) })
}

/// Attaches a program that was loaded for a function.
pub(crate) fn attach_tracing(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attr {
        name: u64,
        program: u32,
        _padding: u32,
    }
    // SAFETY: without a name the attributes have no pointers.
    unsafe { new_fd(cmd::RAW_TRACEPOINT_OPEN, &mut Attr { name: 0, program: fd(program), _padding: 0 }) }
}

/// Attaches a program to a perf event; there from 5.15 on (`EINVAL` before).
pub(crate) fn link_perf_event(program: BorrowedFd<'_>, event: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct Attr {
        program: u32,
        event: u32,
        attach: u32,
        flags: u32,
    }
    let mut attr = Attr { program: fd(program), event: fd(event), attach: ATTACH_PERF_EVENT, flags: 0 };
    // SAFETY: the attributes have no pointers.
    unsafe { new_fd(cmd::LINK_CREATE, &mut attr) }
}

/// Attaches a program to a perf event in the older way: it is gone with the event.
pub(crate) fn set_perf_event_program(program: BorrowedFd<'_>, event: BorrowedFd<'_>) -> io::Result<()> {
    /// `_IOW('$', 8, __u32)`
    const SET_BPF: libc::c_ulong = 0x4004_2408;
    // SAFETY: the request takes a descriptor as its argument, no pointer.
    let code = unsafe { libc::ioctl(event.as_raw_fd(), SET_BPF as _, program.as_raw_fd()) };
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Runs a program of type SYSCALL once, without a context.
pub(crate) fn run(program: BorrowedFd<'_>) -> io::Result<()> {
    #[repr(C)]
    struct Attr {
        program: u32,
        returned: u32,
        data: [u32; 2],
        data_pointers: [u64; 2],
        repeat: u32,
        duration: u32,
        context: [u32; 2],
        context_pointers: [u64; 2],
    }
    let mut attr = Attr {
        program: fd(program),
        returned: 0,
        data: [0; 2],
        data_pointers: [0; 2],
        repeat: 0,
        duration: 0,
        context: [0; 2],
        context_pointers: [0; 2],
    };
    // SAFETY: all pointers are null with a length of zero.
    unsafe { bpf(cmd::PROG_TEST_RUN, &mut attr) }.map(drop)
}

/// What a perf event is opened for.
pub(crate) enum Event<'a> {
    /// A tracepoint, by its number.
    Tracepoint(u64),
    /// A kprobe: the type and the configuration of its PMU, the function, bytes from where it begins.
    Kprobe { pmu: u32, config: u64, function: &'a CStr, offset: u64 },
}

/// Opens a perf event for all processes; what is attached to it runs on every CPU.
pub(crate) fn open_perf_event(event: &Event<'_>) -> io::Result<OwnedFd> {
    /// `struct perf_event_attr` up to `config2` (`PERF_ATTR_SIZE_VER1`).
    #[repr(C)]
    struct Attr {
        kind: u32,
        size: u32,
        config: u64,
        sample_period: u64,
        sample_type: u64,
        read_format: u64,
        flags: u64,
        wakeup_events: u32,
        breakpoint_kind: u32,
        config1: u64,
        config2: u64,
    }
    const TYPE_TRACEPOINT: u32 = 2;
    const SAMPLE_RAW: u64 = 1 << 10;
    const CLOEXEC: libc::c_ulong = 1 << 3;
    let (kind, config, config1, config2, sample_type) = match *event {
        Event::Tracepoint(number) => (TYPE_TRACEPOINT, number, 0, 0, SAMPLE_RAW),
        Event::Kprobe { pmu, config, function, offset } => {
            (pmu, config, address(function.as_ptr()), offset, 0)
        }
    };
    let attr = Attr {
        kind,
        size: size_of::<Attr>() as u32,
        config,
        sample_period: 0,
        sample_type,
        read_format: 0,
        flags: 0,
        wakeup_events: 0,
        breakpoint_kind: 0,
        config1,
        config2,
    };
    // SAFETY: the kernel reads `size` bytes of the attributes and a name that ends with NUL; both outlive the call.
    let code = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attr,
            -1 as libc::pid_t,
            0 as libc::c_int,
            -1 as libc::c_int,
            CLOEXEC,
        )
    };
    owned(code)
}

/// # Safety
///
/// Pointers in `attr` must be good for what the command reads and writes through them, and the command must return a new
/// descriptor.
unsafe fn new_fd<A>(command: u32, attr: &mut A) -> io::Result<OwnedFd> {
    // SAFETY: by the caller.
    owned(unsafe { bpf(command, attr) }?)
}

/// # Safety
///
/// Pointers in `attr` must be good for what the command reads and writes through them.
unsafe fn bpf<A>(command: u32, attr: &mut A) -> io::Result<c_long> {
    // SAFETY: the kernel reads and writes `size_of::<A>()` bytes of the attributes; the rest by the caller.
    let code = unsafe {
        libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<A>() as libc::c_uint)
    };
    if code < 0 { Err(io::Error::last_os_error()) } else { Ok(code) }
}

fn owned(code: c_long) -> io::Result<OwnedFd> {
    match RawFd::try_from(code) {
        // SAFETY: only called with what a system call that makes a descriptor returned; nobody else has it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Before 5.11 maps and programs count against `RLIMIT_MEMLOCK`, and `EPERM` says that it is used up.
fn with_locked_memory<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let first = attempt();
    if !first.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::EPERM)) {
        return first;
    }
    match setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None }) {
        Ok(()) => attempt(),
        Err(_) => first,
    }
}

/// A name as the kernel takes it: cut off, with a NUL.
fn object_name(name: &str) -> [u8; NAME_LEN] {
    let mut bytes = [0; NAME_LEN];
    for (to, from) in bytes[..NAME_LEN - 1].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    bytes
}

fn fd(fd: BorrowedFd<'_>) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}

fn address<T>(of: *const T) -> u64 {
    of as u64
}
