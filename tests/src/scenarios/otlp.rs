//! A confined capture and a receiver of OTLP in the same guest: it gets the episodes that the JSON has, also when it was busy; one that is
//! down costs a message, and a process that delivers and is stopped does not hold up the end.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use super::common::MIB;
use crate::harness::cgroup::Cgroup;
use crate::harness::process::Launch;
use crate::harness::stage::Stage;
use crate::harness::watch::{Lines, Watch};

/// Path and body of each request that was taken.
type Taken = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

pub(super) fn run(stage: &Stage) -> Result<()> {
    let up = Command::new("busybox").args(["ip", "link", "set", "lo", "up"]).output();
    let up = up.context("failed to run busybox")?;
    ensure!(up.status.success(), "no loopback: {}", String::from_utf8_lossy(&up.stderr));
    let cgroup = Cgroup::new("otlp")?;
    cgroup.limit(6 * MIB)?;
    told(stage, &cgroup)?;
    down(stage, &cgroup).context("a receiver that is down")?;
    stopped(stage, &cgroup).context("a process that is stopped")?;
    let refused = stage.logged("type=1326")?;
    ensure!(refused.is_empty(), "system calls were refused: {refused:#?}");
    Ok(())
}

/// Two kills, and a receiver that is busy at the first.
fn told(stage: &Stage, cgroup: &Cgroup) -> Result<()> {
    let (url, taken) = receiver()?;
    let watch = stage.watch(&["--otlp", &url])?;
    ensure!(watch.stderr.text().contains("confined"), "it is not confined: {}", watch.stderr.text());
    let mut killed = Vec::new();
    for _ in 0..2 {
        die_in(cgroup)?;
    }
    for episode in watch.await_episodes("two kills", 2, |episode| episode.is_of(cgroup.path()))? {
        killed.extend(episode.victim_pids());
    }
    let finished = watch.end(Signal::INT)?;
    ensure!(finished.code == Some(0), "it ended with {:?}: {}", finished.code, finished.stderr);
    ensure!(finished.stderr.contains("503"), "it does not say that it was busy: {}", finished.stderr);
    Lines::read(&finished.stdout)?.lossless()?;
    let taken = taken.lock().map_err(|_| anyhow::anyhow!("the receiver panicked"))?;
    let mut pids = Vec::new();
    for (_, body) in taken.iter().filter(|(path, _)| path == "/v1/logs") {
        for record in records(body)? {
            let text = |number| strings(record, number);
            ensure!(text(12)? == [&b"oom.episode"[..]], "another event");
            pids.extend(pid(record)?);
        }
    }
    ensure!(pids == killed, "it got {pids:?}, killed were {killed:?}");
    let metrics: Vec<&[u8]> =
        taken.iter().filter(|(path, _)| path == "/v1/metrics").map(|(_, body)| &body[..]).collect();
    let last = metrics.last().context("no metrics came")?;
    let named = |name: &[u8]| last.windows(name.len()).any(|window| window == name);
    ensure!(metrics.len() >= 2 && named(b"oomtrace_kills"), "{} times metrics", metrics.len());
    Ok(())
}

fn down(stage: &Stage, cgroup: &Cgroup) -> Result<()> {
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let watch = stage.watch(&["--otlp", &format!("http://{address}"), "--otlp-patience", "1s"])?;
    die_in(cgroup)?;
    watch.await_episode("a kill", |episode| episode.is_of(cgroup.path()))?;
    let finished = watch.end(Signal::INT)?;
    ensure!(finished.code == Some(4), "it ended with {:?}: {}", finished.code, finished.stderr);
    ensure!(finished.stderr.contains("it is tried again"), "it says nothing: {}", finished.stderr);
    ensure!(finished.stderr.contains("--otlp: 0 delivered"), "it does not count: {}", finished.stderr);
    Lines::read(&finished.stdout)?.lossless()
}

fn stopped(stage: &Stage, cgroup: &Cgroup) -> Result<()> {
    let watch = stage.watch(&["--exec", "true"])?;
    let helper = child_of(&watch)?;
    kill_process(helper, Signal::STOP)?;
    die_in(cgroup)?;
    watch.await_episode("a kill", |episode| episode.is_of(cgroup.path()))?;
    let finished = watch.end(Signal::INT);
    // The kernel wakes up a stopped process that is left alone (an orphaned process group), so that it may have ended.
    let _ = kill_process(helper, Signal::KILL);
    let finished = finished?;
    ensure!(finished.code == Some(4), "it ended with {:?}: {}", finished.code, finished.stderr);
    ensure!(finished.stderr.contains("is stopped, and is left alone"), "it says: {}", finished.stderr);
    Lines::read(&finished.stdout)?.lossless()
}

/// The process that delivers for a capture.
fn child_of(watch: &Watch) -> Result<Pid> {
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // Behind the name, which may hold anything: state, parent.
        let parent = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(1));
        if parent == Some(watch.pid().to_string().as_str()) {
            return Pid::from_raw(pid).context("no pid");
        }
    }
    bail!("the capture has no child")
}

/// Takes everything but the first records, for which it is too busy.
fn receiver() -> Result<(String, Taken)> {
    let listener = TcpListener::bind("127.0.0.1:0").context("failed to be a receiver")?;
    let url = format!("http://{}", listener.local_addr()?);
    let taken = Taken::default();
    let all = Arc::clone(&taken);
    thread::spawn(move || {
        let mut busy = true;
        // It sends one request at a time. A connection that breaks is seen by what is missing.
        while let Ok((stream, _)) = listener.accept() {
            let _ = serve(&stream, &all, &mut busy);
        }
    });
    Ok((url, taken))
}

fn serve(stream: &TcpStream, taken: &Taken, busy: &mut bool) -> Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.parse()?,
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let path = first.split(' ').nth(1).context("no path")?.to_owned();
    let status = if path == "/v1/logs" && std::mem::take(busy) {
        "503 Service Unavailable\r\nRetry-After: 1"
    } else {
        taken.lock().map_err(|_| anyhow::anyhow!("a panic"))?.push((path, body));
        "200 OK"
    };
    let mut writer = stream;
    write!(writer, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    Ok(())
}

/// One process, which grows until it is killed.
fn die_in(cgroup: &Cgroup) -> Result<()> {
    let (mut hog, _) = Launch::guest("hog")?.inside(cgroup).start_ready()?;
    hog.wait()?;
    Ok(())
}

/// A field of protobuf's wire format.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed,
}

fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().context("it ends in a number")?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    bail!("a number that is too long")
}

fn fields(mut bytes: &[u8]) -> Result<Vec<(u64, Field<'_>)>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let skip = |length: u64| usize::try_from(length).context("a length");
        let length = match tag & 7 {
            0 => {
                fields.push((tag >> 3, Field::Number(varint(&mut bytes)?)));
                continue;
            }
            1 => 8,
            2 => skip(varint(&mut bytes)?)?,
            5 => 4,
            kind => bail!("a field of kind {kind}"),
        };
        let (value, rest) = bytes.split_at_checked(length).context("it ends in a field")?;
        bytes = rest;
        fields.push((tag >> 3, if tag & 7 == 2 { Field::Bytes(value) } else { Field::Fixed }));
    }
    Ok(fields)
}

/// All fields of bytes with this number.
fn strings(bytes: &[u8], number: u64) -> Result<Vec<&[u8]>> {
    let of = fields(bytes)?.into_iter().filter_map(|(it, field)| match field {
        Field::Bytes(bytes) if it == number => Some(bytes),
        _ => None,
    });
    Ok(of.collect())
}

/// `resource_logs`, `scope_logs`, `log_records`.
fn records(body: &[u8]) -> Result<Vec<&[u8]>> {
    let mut level = vec![body];
    for number in [1, 2, 2] {
        let inner: Result<Vec<_>> = level.into_iter().map(|bytes| strings(bytes, number)).collect();
        level = inner?.concat();
    }
    Ok(level)
}

/// The attribute `process.pid`.
fn pid(record: &[u8]) -> Result<Option<i32>> {
    for attribute in strings(record, 6)? {
        if strings(attribute, 1)? != [&b"process.pid"[..]] {
            continue;
        }
        for value in strings(attribute, 2)? {
            for (number, field) in fields(value)? {
                if let (3, Field::Number(pid)) = (number, field) {
                    return Ok(Some(i32::try_from(pid)?));
                }
            }
        }
    }
    Ok(None)
}
