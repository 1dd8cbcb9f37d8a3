//! `cast MEMBER…`: one child for each member, each with a habit of its own, all set up at the same time.
//!
//! A member is a word of `key=value` pairs with commas between them; only `name` and `cgroup` have to be there:
//!
//! | key | meaning |
//! |---|---|
//! | `name` | its name |
//! | `cgroup` | the directory of the cgroup that it enters before it touches anything |
//! | `adj` | its `oom_score_adj` |
//! | `anon`, `shmem`, `file` | memory of each kind, KiB; `file` is mapped from `--file PATH` |
//! | `tables` | page tables beyond those of its memory |
//! | `threads` | threads that sleep |
//! | `habit` | `plain`; `leaderless`: its leader exits while a thread goes on; `shared`: a second process shares its mm; `vfork`: it waits in `vfork()` for a child that never gets to `exec` |
//! | `grow` | KiB more, touched after a line on standard input; one member at most may have it |
//!
//! Says `ready PID…`, in the order of the members. When the growing member has got all of its memory it says `grown`; when it
//! ends, `ended` is said. `--no-huge` rules huge pages out. The first process has no part in it: it is not in any of
//! the cgroups, and is best given an `oom_score_adj` of -1000.

use std::ffi::CString;
use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};

use anyhow::{Context as _, Result, bail};
use rustix::process::{WaitOptions, wait};

use super::exit_leader::leader_is_gone;
use super::share_mm::clone_sharing_mm;
use super::{Arguments, die_with_parent, memory, park, say_ready, set_adj};

/// Steps in which memory grows, KiB.
const STEP_KB: usize = 64;

/// What one child is to be.
#[derive(Debug, Default)]
struct Member {
    name: String,
    cgroup: PathBuf,
    adj: i32,
    anon_kb: usize,
    shmem_kb: usize,
    file_kb: usize,
    tables: usize,
    threads: usize,
    habit: Habit,
    grow_kb: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Habit {
    #[default]
    Plain,
    Leaderless,
    Shared,
    Vfork,
}

pub(super) fn main(mut arguments: Arguments) -> Result<()> {
    let file: Option<PathBuf> = arguments.option("--file")?;
    let no_huge = arguments.flag("--no-huge");
    let mut members = Vec::new();
    while let Some(word) = arguments.optional()? {
        members.push(Member::parse(&word).with_context(|| format!("{word:?} is no member"))?);
    }
    die_with_parent()?;
    if no_huge {
        // SAFETY: takes numbers only.
        let result = unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
        anyhow::ensure!(result == 0, "failed to rule huge pages out: {}", std::io::Error::last_os_error());
    }
    let (mut told, tell) = std::io::pipe().context("failed to make a pipe")?;
    let mut pids = Vec::new();
    for member in &members {
        // SAFETY: this program has one thread, so the child may go on using everything.
        match unsafe { libc::fork() } {
            -1 => bail!("failed to fork {}: {}", member.name, std::io::Error::last_os_error()),
            0 => child(member, file.as_deref(), tell),
            pid => pids.push(pid),
        }
    }
    drop(tell);
    await_all(&mut told, members.len())?;
    let words: Vec<String> = pids.iter().map(ToString::to_string).collect();
    say_ready(&words.join(" "))?;
    let growing = members.iter().position(|member| member.grow_kb.is_some()).and_then(|at| pids.get(at));
    reap(growing.copied())
}

/// One byte comes for each child that is set up; end of file before the last one means that a child died.
fn await_all(told: &mut PipeReader, count: usize) -> Result<()> {
    for ready in 0..count {
        told.read_exact(&mut [0]).with_context(|| format!("only {ready} of {count} members got ready"))?;
    }
    Ok(())
}

/// Waits for children for ever, and tells when the growing one is gone.
fn reap(growing: Option<i32>) -> Result<()> {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, _))) if Some(pid.as_raw_nonzero().get()) == growing => say("ended")?,
            Ok(_) => (),
            Err(rustix::io::Errno::CHILD) => park(),
            Err(error) => return Err(error).context("failed to wait for the members"),
        }
    }
}

fn child(member: &Member, file: Option<&Path>, tell: PipeWriter) -> ! {
    if let Err(error) = live(member, file, tell) {
        eprintln!("cast: {}: {error:#}", member.name);
        std::process::exit(1);
    }
    park();
}

/// Becomes what the member is to be, tells, and grows if it is to. A habit that keeps this thread does not return.
fn live(member: &Member, file: Option<&Path>, mut tell: PipeWriter) -> Result<()> {
    die_with_parent()?;
    let name = CString::new(member.name.as_str()).context("a name cannot hold NUL")?;
    rustix::thread::set_name(&name).context("failed to set the name")?;
    let procs = member.cgroup.join("cgroup.procs");
    std::fs::write(&procs, "0").with_context(|| format!("failed to write to {}", procs.display()))?;
    set_adj(Some(member.adj))?;
    memory::anon(member.anon_kb * 1024)?;
    memory::shmem(member.shmem_kb * 1024)?;
    if let (Some(file), 1..) = (file, member.file_kb) {
        memory::file(file, member.file_kb * 1024)?;
    }
    memory::tables(member.tables)?;
    start_threads(member)?;
    match member.habit {
        Habit::Plain => (),
        Habit::Shared => drop(clone_sharing_mm(0)?),
        Habit::Leaderless => return outlive_leader(tell, member.grow_kb),
        Habit::Vfork => return wait_in_vfork(tell),
    }
    tell.write_all(&[0]).context("failed to say that it is set up")?;
    drop(tell);
    member.grow_kb.map_or(Ok(()), grow)
}

/// Starts the member's threads and waits until each has set itself up, which takes memory too.
fn start_threads(member: &Member) -> Result<()> {
    let started = Arc::new(Barrier::new(member.threads + 1));
    for index in 0..member.threads {
        let started = Arc::clone(&started);
        std::thread::Builder::new()
            .name(format!("{}/{index}", member.name))
            .stack_size(32 * 1024)
            .spawn(move || {
                started.wait();
                park();
            })
            .with_context(|| format!("failed to start thread {index}"))?;
    }
    started.wait();
    Ok(())
}

/// Ends this thread, the leader, and goes on in another one.
fn outlive_leader(mut tell: PipeWriter, grow_kb: Option<usize>) -> Result<()> {
    in_thread(move || {
        let pid = std::process::id();
        while !leader_is_gone(pid)? {
            std::thread::yield_now();
        }
        tell.write_all(&[0]).context("failed to say that it is set up")?;
        drop(tell);
        grow_kb.map_or(Ok(()), grow)
    })?;
    // SAFETY: exit(2), unlike exit(3), ends this thread only; nothing of it is borrowed by the other one.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    unreachable!("exit(2) does not return");
}

/// Waits in `vfork()`; another thread tells when the child is there, as this one cannot.
fn wait_in_vfork(mut tell: PipeWriter) -> Result<()> {
    in_thread(move || {
        let children = format!("/proc/self/task/{}/children", std::process::id());
        loop {
            let list =
                std::fs::read_to_string(&children).with_context(|| format!("failed to read {children}"))?;
            if !list.trim().is_empty() {
                return tell.write_all(&[0]).context("failed to say that it is set up");
            }
            std::thread::yield_now();
        }
    })?;
    let child = clone_sharing_mm(libc::CLONE_VFORK)?;
    bail!("child {child} of vfork() went away");
}

/// Runs `work` in a thread that stays. A failure ends the process.
fn in_thread(work: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    std::thread::Builder::new()
        .stack_size(64 * 1024)
        .spawn(move || {
            if let Err(error) = work() {
                eprintln!("cast: {error:#}");
                std::process::exit(1);
            }
            park();
        })
        .context("failed to start a thread")?;
    Ok(())
}

/// Touches that much more, when told to, and says when it is done.
fn grow(kb: usize) -> Result<()> {
    std::io::stdin().read_line(&mut String::new()).context("failed to read the word to start")?;
    let mut left = kb;
    while left > 0 {
        let step = left.min(STEP_KB);
        memory::anon(step * 1024)?;
        left -= step;
    }
    say("grown")
}

fn say(word: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word}").and_then(|()| out.flush()).with_context(|| format!("failed to say {word}"))
}

impl Member {
    fn parse(word: &str) -> Result<Self> {
        let mut member = Self::default();
        for pair in word.split(',') {
            let (key, value) = pair.split_once('=').with_context(|| format!("{pair:?} has no value"))?;
            let number = || value.parse::<usize>().with_context(|| format!("{key} is no number"));
            match key {
                "name" => value.clone_into(&mut member.name),
                "cgroup" => member.cgroup = PathBuf::from(value),
                "adj" => member.adj = value.parse().context("adj is no number")?,
                "anon" => member.anon_kb = number()?,
                "shmem" => member.shmem_kb = number()?,
                "file" => member.file_kb = number()?,
                "tables" => member.tables = number()?,
                "threads" => member.threads = number()?,
                "habit" => {
                    member.habit = match value {
                        "plain" => Habit::Plain,
                        "leaderless" => Habit::Leaderless,
                        "shared" => Habit::Shared,
                        "vfork" => Habit::Vfork,
                        other => bail!("there is no habit {other:?}"),
                    }
                }
                "grow" => member.grow_kb = Some(number()?),
                other => bail!("there is no key {other:?}"),
            }
        }
        anyhow::ensure!(!member.name.is_empty(), "it has no name");
        anyhow::ensure!(member.cgroup.is_absolute(), "its cgroup is no absolute path");
        Ok(member)
    }
}

#[cfg(test)]
mod tests {
    use super::{Habit, Member};

    #[test]
    fn a_member_is_read_from_its_word() {
        let member =
            Member::parse("name=m1,cgroup=/a b,adj=-3,anon=64,tables=9,habit=shared,grow=7").unwrap();
        assert_eq!((member.name.as_str(), member.adj, member.anon_kb, member.tables), ("m1", -3, 64, 9));
        assert_eq!((member.habit, member.grow_kb, member.shmem_kb), (Habit::Shared, Some(7), 0));
        assert_eq!(member.cgroup, std::path::Path::new("/a b"));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for word in ["", "name", "name=m", "name=m,cgroup=relative", "name=m,cgroup=/a,anon=much", "x=1"] {
            assert!(Member::parse(word).is_err(), "{word}");
        }
    }
}
