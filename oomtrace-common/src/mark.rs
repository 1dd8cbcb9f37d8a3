//! What the `log` flavour's programs are told and tell: victims from tracepoints alone, without types of the kernel.

use crate::{
    config::ABSENT,
    record::{COMM_LEN, Header, kind},
};

/// Byte offsets of fields in tracepoints' records, from their `format` files: a read-only global. [`ABSENT`] until the loader has set
/// it, and where this kernel's record has no such field.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkFields {
    /// `oom:mark_victim` field `pid`: the marked thread's id
    pub pid: u32,
    /// field `comm` (6.10 and later, and stable series): a `__data_loc`
    pub comm: u32,
    /// field `uid`
    pub uid: u32,
    /// field `oom_score_adj`
    pub oom_score_adj: u32,
    /// field `total_vm`, kB, as the next
    pub total_vm: u32,
    /// field `anon_rss`
    pub anon_rss: u32,
    /// field `file_rss`
    pub file_rss: u32,
    /// field `shmem_rss`
    pub shmem_rss: u32,
    /// field `pgtables`
    pub pgtables: u32,
    /// `sched:sched_process_exit` field `group_dead` (6.16 and later)
    pub group_dead: u32,
}

impl MarkFields {
    /// Nothing found yet.
    pub const UNSET: Self = Self {
        pid: ABSENT,
        comm: ABSENT,
        uid: ABSENT,
        oom_score_adj: ABSENT,
        total_vm: ABSENT,
        anon_rss: ABSENT,
        file_rss: ABSENT,
        shmem_rss: ABSENT,
        pgtables: ABSENT,
        group_dead: ABSENT,
    };
}

/// `oom:mark_victim`: a thread was marked. 24 + 72 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Victim {
    /// Kind [`kind::VICTIM`].
    pub header: Header,
    /// Thread id of the marked thread.
    pub tid: i32,
    /// `task_struct.cred->uid`; [`crate::UNKNOWN_U32`] when not known.
    pub uid: u32,
    /// `mm_struct.total_vm`, kB; [`crate::UNKNOWN_U64`] when not known, as all the sizes below.
    pub total_vm_kb: u64,
    /// `MM_ANONPAGES`, kB.
    pub anon_kb: u64,
    /// `MM_FILEPAGES`, kB.
    pub file_kb: u64,
    /// `MM_SHMEMPAGES`, kB.
    pub shmem_kb: u64,
    /// `mm_struct.pgtables_bytes`, kB.
    pub pgtables_kb: u64,
    /// `signal->oom_score_adj`; [`crate::UNKNOWN_I16`] when not known.
    pub oom_score_adj: i16,
    /// Zero.
    pub reserved: [u16; 3],
    /// The name, zeros after the NUL; empty when not known.
    pub comm: [u8; COMM_LEN],
}

const _: () = {
    assert!(size_of::<Victim>() == 24 + 72);
    assert!(kind::VICTIM != kind::MARKED);
};

#[cfg(feature = "user")]
mod pod {
    // SAFETY: `MarkFields` is `repr(C)`, `Copy`, `'static`, and only `u32`s: no padding, any bytes are valid.
    unsafe impl aya::Pod for super::MarkFields {}
}
