//! The trigger's call path: what it was about in a few words, and the frames that tell.
//!
//! The words come from functions that stand in the path and mean one thing only; of a path without such there are none.

use crate::model::evidence::{Frame, Stack};

use super::page::Page;
use super::{Context, words};

/// Frames that are shown without `-v`.
const TELLING: usize = 4;

/// What the memory was for: the first of these functions from the inside tells.
const WHAT: [(&str, &[&str]); 8] = [
    (
        "reading a file into the page cache",
        &[
            "page_cache_ra_unbounded",
            "page_cache_ra_order",
            "page_cache_sync_ra",
            "page_cache_async_ra",
            "force_page_cache_ra",
            "do_page_cache_ra",
            "ondemand_readahead",
            "__do_page_cache_readahead",
            "filemap_get_pages",
            "filemap_create_folio",
            "filemap_fault",
            "generic_file_buffered_read",
        ],
    ),
    (
        "writing a file into the page cache",
        &["generic_perform_write", "iomap_file_buffered_write", "iomap_write_begin", "btrfs_buffered_write"],
    ),
    (
        "for tmpfs or shared memory",
        &["shmem_getpage_gfp", "shmem_get_folio_gfp", "shmem_alloc_and_add_folio", "shmem_fault"],
    ),
    (
        "reading from swap",
        &["do_swap_page", "__read_swap_cache_async", "swap_cluster_readahead", "swapin_readahead"],
    ),
    ("for a page table", &["pte_alloc_one", "__pte_alloc", "__pte_alloc_one", "__pmd_alloc", "__pud_alloc"]),
    ("copying a page on write", &["wp_page_copy", "do_wp_page", "do_cow_fault"]),
    (
        "for a network buffer",
        &["__alloc_skb", "sk_page_frag_refill", "skb_page_frag_refill", "sock_alloc_send_pskb"],
    ),
    ("for a pipe", &["pipe_write", "anon_pipe_write"]),
];

/// From where: the first line of which a function is in the path. The order settles which one counts where several are: a
/// fault on the way into a system call's buffer is a page fault.
const WHERE: [(&str, &[&str]); 9] = [
    ("writing memory.max", &["memory_max_write"]),
    ("in fork", &["copy_process", "dup_mm"]),
    ("in exec", &["do_execveat_common", "__do_execve_file", "bprm_execve", "load_elf_binary"]),
    (
        "in a page fault",
        &["exc_page_fault", "do_user_addr_fault", "do_page_fault", "__do_page_fault", "do_mem_abort"],
    ),
    ("filling memory beforehand (mlock, MAP_POPULATE)", &["populate_vma_page_range", "__mm_populate"]),
    ("for memory that is being pinned", &["__get_user_pages", "__get_user_pages_locked"]),
    ("in a page fault", &["handle_mm_fault"]),
    ("in mmap", &["do_mmap", "vm_mmap_pgoff"]),
    ("in kswapd", &["kswapd"]),
];

/// Ways into the OOM killer that say nothing of why memory was wanted.
const PLUMBING: [&str; 8] = [
    "mem_cgroup_out_of_memory",
    "mem_cgroup_oom",
    "try_charge",
    "try_charge_memcg",
    "get_page_from_freelist",
    "new_slab",
    "allocate_slab",
    "___slab_alloc",
];
/// The same, by how they begin: the allocator's entries change their names with every release.
const ALLOCATOR: [&str; 7] = [
    "__alloc_pages",
    "alloc_pages",
    "__alloc_frozen_pages",
    "alloc_frozen_pages",
    "folio_alloc",
    "__folio_alloc",
    "vma_alloc_folio",
];
/// Ways into the kernel.
const ENTRIES: [&str; 11] = [
    "asm_",
    "entry_",
    "do_syscall_",
    "__x64_sys_",
    "x64_sys_call",
    "ret_from_fork",
    "el0",
    "do_el0_",
    "invoke_syscall",
    "__arm64_sys_",
    "do_mem_abort",
];

/// `in a page fault`; `None` when the path does not tell.
pub(super) fn words(stack: &Stack) -> Option<String> {
    let names: Vec<&str> = stack.frames.iter().filter_map(name).collect();
    let place = WHERE.iter().find(|(_, functions)| names.iter().any(|name| functions.contains(name)));
    let what = names.iter().find_map(|name| WHAT.iter().find(|(_, functions)| functions.contains(name)));
    match (what, place) {
        (Some((what, _)), Some((place, _))) => Some(format!("{what} {place}")),
        (Some((words, _)), None) | (None, Some((words, _))) => Some((*words).to_owned()),
        (None, None) => None,
    }
}

/// The frames, on lines of their own below the trigger.
pub(super) fn write(context: &Context<'_>, page: &mut Page) {
    let Some(stack) = &context.episode.stack else { return };
    let mut frames: Vec<String> = if context.options.verbose {
        stack.frames.iter().map(whole).collect()
    } else {
        telling(&stack.frames).into_iter().map(short).collect()
    };
    if frames.is_empty() {
        return;
    }
    if context.options.verbose && stack.cut {
        frames.push("…".to_owned());
    }
    for frame in &mut frames {
        *frame = words::path(frame, page.text_width().saturating_sub(2));
    }
    page.labelled("", &frames.join(" < "));
}

/// The name without what the compiler put behind it (`.isra.0`, `.part.0`).
fn name(frame: &Frame) -> Option<&str> {
    frame.function.as_ref()?.as_utf8()?.split('.').next().filter(|name| !name.is_empty())
}

/// The few frames that say what was going on.
fn telling(frames: &[Frame]) -> Vec<&Frame> {
    // Frames of no known function further in are those of a probe.
    let plumbing = |frame: &&Frame| {
        name(frame).is_none_or(|name| {
            PLUMBING.contains(&name) || ALLOCATOR.iter().any(|beginning| name.starts_with(beginning))
        })
    };
    let entry = |frame: &Frame| {
        name(frame).is_some_and(|name| ENTRIES.iter().any(|beginning| name.starts_with(beginning)))
    };
    let mut shown: Vec<&Frame> = frames.iter().skip_while(plumbing).filter(|frame| !entry(frame)).collect();
    // `__handle_mm_fault < handle_mm_fault` says the same twice.
    let outer: Vec<Option<&str>> = shown.iter().skip(1).map(|frame| name(frame)).chain([None]).collect();
    let mut outer = outer.into_iter();
    shown.retain(|frame| {
        let outer = outer.next().flatten();
        outer.is_none() || name(frame).and_then(|name| name.strip_prefix("__")) != outer
    });
    shown.truncate(TELLING);
    shown
}

fn short(frame: &Frame) -> String {
    match (name(frame), &frame.function) {
        (Some(name), _) => words::plain(name),
        (None, Some(function)) if !function.is_empty() => function.to_string(),
        _ => "?".to_owned(),
    }
}

/// `handle_mm_fault+0x1c4/0x3b0 [module]`
fn whole(frame: &Frame) -> String {
    let function = match &frame.function {
        Some(function) if !function.is_empty() => function.to_string(),
        _ => "?".to_owned(),
    };
    let place = match (frame.offset, frame.size) {
        (Some(offset), Some(size)) => format!("+{offset:#x}/{size:#x}"),
        (Some(offset), None) => format!("+{offset:#x}"),
        (None, _) => String::new(),
    };
    let module = frame.module.as_ref().map_or_else(String::new, |module| format!(" [{module}]"));
    format!("{function}{place}{module}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::made_up::evidence::stack;
    use crate::model::observation::Stamp;

    fn told(functions: &str) -> (Option<String>, String) {
        let stack = Stack { at: Stamp::default(), frames: stack(functions), cut: false };
        let frames: Vec<String> = telling(&stack.frames).into_iter().map(short).collect();
        (words(&stack), frames.join(" < "))
    }

    #[test]
    fn paths_as_they_are_met() {
        for (functions, said, shown) in [
            (
                "mem_cgroup_out_of_memory try_charge_memcg charge_memcg __mem_cgroup_charge mem_cgroup_charge \
                 do_anonymous_page __handle_mm_fault handle_mm_fault exc_page_fault asm_exc_page_fault",
                "in a page fault",
                "charge_memcg < mem_cgroup_charge < do_anonymous_page < handle_mm_fault",
            ),
            (
                "__alloc_pages_slowpath.constprop.0 __alloc_pages_nodemask pagecache_get_page filemap_fault __do_fault \
                 handle_mm_fault do_user_addr_fault exc_page_fault asm_exc_page_fault",
                "reading a file into the page cache in a page fault",
                "pagecache_get_page < filemap_fault < __do_fault < handle_mm_fault",
            ),
            (
                "try_charge_memcg charge_memcg __mem_cgroup_charge __filemap_add_folio filemap_add_folio \
                 page_cache_ra_unbounded filemap_get_pages filemap_read vfs_read ksys_read do_syscall_64",
                "reading a file into the page cache",
                "charge_memcg < __mem_cgroup_charge < filemap_add_folio < page_cache_ra_unbounded",
            ),
            (
                "mem_cgroup_out_of_memory memory_max_write cgroup_file_write kernfs_fop_write_iter vfs_write ksys_write \
                 do_syscall_64 entry_SYSCALL_64_after_hwframe",
                "writing memory.max",
                "memory_max_write < cgroup_file_write < kernfs_fop_write_iter < vfs_write",
            ),
            (
                "try_charge charge_memcg shmem_alloc_and_add_folio shmem_get_folio_gfp shmem_write_begin \
                 generic_perform_write vfs_write",
                "for tmpfs or shared memory",
                "charge_memcg < shmem_alloc_and_add_folio < shmem_get_folio_gfp < shmem_write_begin",
            ),
            (
                "alloc_pages __get_free_pages pte_alloc_one __pte_alloc do_anonymous_page handle_mm_fault \
                 __get_user_pages populate_vma_page_range __mm_populate __x64_sys_mlock",
                "for a page table filling memory beforehand (mlock, MAP_POPULATE)",
                "__get_free_pages < pte_alloc_one < __pte_alloc < do_anonymous_page",
            ),
            (
                "alloc_pages dup_mm copy_process kernel_clone",
                "in fork",
                "dup_mm < copy_process < kernel_clone",
            ),
        ] {
            assert_eq!(told(functions), (Some(said.to_owned()), shown.to_owned()), "{functions}");
        }
    }

    #[test]
    fn nothing_is_said_of_an_unknown_path() {
        assert_eq!(
            told("some_driver_alloc some_driver_ioctl"),
            (None, "some_driver_alloc < some_driver_ioctl".into())
        );
        assert_eq!(told(""), (None, String::new()));
        // Names that only begin like one that is known.
        assert_eq!(told("memory_max_write_helper kswapd_run").0, None);
        assert_eq!(short(&Frame::default()), "?");
        let frames = [vec![Frame::default(); 2], stack("alloc_pages some_driver_alloc")].concat();
        assert_eq!(telling(&frames).into_iter().map(short).collect::<Vec<_>>(), ["some_driver_alloc"]);
        assert!(telling(&[Frame::default()]).is_empty());
        let frame = Frame { offset: Some(16), module: Some("zram".into()), ..Frame::default() };
        assert_eq!(whole(&frame), "?+0x10 [zram]");
    }
}
