//! Where members of `task_struct` are: kprobe events before 6.2 know numbers only, and a person would look them up as well.

use anyhow::{Context as _, Result, ensure};
use btf_rs::{Btf, Type};

/// Bytes from the start of `task_struct`.
#[derive(Clone, Copy)]
pub(super) struct Offsets {
    pub(super) pid: u32,
    pub(super) comm: u32,
}

impl Offsets {
    /// Of the running kernel.
    pub(super) fn of_guest() -> Result<Self> {
        let btf = Btf::from_file("/sys/kernel/btf/vmlinux").context("failed to read the kernel's types")?;
        let types = btf.resolve_types_by_name("task_struct").context("failed to find task_struct")?;
        let task = types.into_iter().find_map(|found| match found {
            Type::Struct(task) if !task.members.is_empty() => Some(task),
            _ => None,
        });
        let task = task.context("there is no struct task_struct")?;
        let offset = |wanted: &str| -> Result<u32> {
            for member in &task.members {
                if btf.resolve_name(member).is_ok_and(|name| name == wanted) {
                    ensure!(member.bit_offset() % 8 == 0, "{wanted} is a bit field");
                    return Ok(member.bit_offset() / 8);
                }
            }
            anyhow::bail!("task_struct has no {wanted}")
        };
        Ok(Self { pid: offset("pid")?, comm: offset("comm")? })
    }
}
