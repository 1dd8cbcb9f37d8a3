//! `oomtrace doctor`: what this machine allows, found out by trying.

use std::io::{self, Write};
use std::path::PathBuf;

use bytesize::ByteSize;
use serde::Serialize;

use crate::exit::Exit;
use crate::model::session::Hook;
use crate::privileges::capabilities::{self, Capability};
use crate::sink::terminal::text;
use crate::source::live::buffer::Buffer;
use crate::source::live::load::Flavour;
use crate::source::live::symbols::Symbols;
use crate::source::live::{Live, Options, hooks, host, layout, support, tracefs};

use super::args::DoctorArgs;

/// Everything that was found, as printed with `--json`.
#[derive(Serialize)]
struct Report {
    #[serde(rename = "type")]
    kind: &'static str,
    tool_version: &'static str,
    kernel_release: Option<String>,
    /// What `--attach auto` would use; null: nothing works.
    flavour: Option<&'static str>,
    checks: Vec<Check>,
    capabilities: Vec<Held>,
    flavours: Vec<Tried>,
}

/// A capability that has to do with a capture.
#[derive(Serialize)]
struct Held {
    name: &'static str,
    /// Whether this process has it.
    held: bool,
    /// Whether hooks on functions need it.
    required: bool,
    purpose: &'static str,
    without: &'static str,
}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
}

#[derive(Serialize)]
struct Tried {
    name: &'static str,
    works: bool,
    reason: Option<String>,
    hooks: Vec<TriedHook>,
}

#[derive(Serialize)]
struct TriedHook {
    target: String,
    kind: String,
    missing: Option<String>,
}

/// The check that the capabilities are listed behind.
const PRIVILEGES: &str = "privileges";

/// Runs the command.
pub(super) fn run(args: &DoctorArgs) -> anyhow::Result<Exit> {
    let report = examine(args);
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        write(&report, &mut out)?;
    }
    out.flush()?;
    Ok(if report.flavour.is_some() { Exit::Done } else { Exit::NotAllowed })
}

fn examine(args: &DoctorArgs) -> Report {
    let btf = args.btf.clone().unwrap_or_else(|| PathBuf::from(layout::VMLINUX_BTF));
    let mut checks = vec![privileges(), lockdown(), types(&btf), tracepoints(), kprobes()];
    checks.extend(symbols());
    checks.push(Check {
        name: "tasks",
        ok: true,
        detail: host::threads().map_or("unknown".to_owned(), |n| n.to_string()),
    });
    checks.push(buffer());
    let flavours: Vec<Tried> =
        [("fentry", Flavour::Fentry), ("kprobe", Flavour::Kprobe), ("log", Flavour::Log)]
            .into_iter()
            .map(|(name, flavour)| attempt(name, flavour, args.btf.clone()))
            .collect();
    Report {
        kind: "doctor",
        tool_version: env!("CARGO_PKG_VERSION"),
        kernel_release: rustix::system::uname().release().to_str().ok().map(str::to_owned),
        flavour: flavours.iter().find(|tried| tried.works).map(|tried| tried.name),
        checks,
        capabilities: held(),
        flavours,
    }
}

fn held() -> Vec<Held> {
    let effective = capabilities::held();
    let held = |capability: &Capability| Held {
        name: capability.name,
        held: effective.contains(capability.bit),
        required: capability.required,
        purpose: capability.purpose,
        without: capability.without,
    };
    capabilities::ALL.iter().map(held).collect()
}

/// Loads and attaches everything, and lets go of it at once.
fn attempt(name: &'static str, flavour: Flavour, btf: Option<PathBuf>) -> Tried {
    let options =
        Options { flavour, btf, buffer_bytes: None, without: Vec::new(), stats: false, probe_log: None };
    match Live::start(&options) {
        Ok(live) => {
            let hooks = live.info.hooks.iter().map(|Hook { target, kind, missing }| TriedHook {
                target: target.clone(),
                kind: kind.clone(),
                missing: missing.clone(),
            });
            Tried { name, works: true, reason: None, hooks: hooks.collect() }
        }
        Err(error) => Tried { name, works: false, reason: Some(error.reason()), hooks: Vec::new() },
    }
}

fn privileges() -> Check {
    match support::privileges() {
        Ok(()) => Check {
            name: PRIVILEGES,
            ok: true,
            detail: format!("this process has {}", capabilities::names(capabilities::held())),
        },
        Err(error) => Check { name: PRIVILEGES, ok: false, detail: error.to_string() },
    }
}

/// What `--buffer` would be by default, and what fits into it.
fn buffer() -> Check {
    let size = |bytes| ByteSize(bytes).display().iec().to_string();
    match Buffer::of(None) {
        Ok(buffer) => Check {
            name: "buffer",
            ok: true,
            detail: format!(
                "{} by default: rings of {} and {} candidates; --buffer takes another size",
                size(buffer.bytes()),
                size(buffer.rings()),
                text::grouped(buffer.log.into())
            ),
        },
        Err(error) => Check { name: "buffer", ok: false, detail: error.to_string() },
    }
}

fn lockdown() -> Check {
    let state = support::lockdown();
    Check {
        name: "lockdown",
        ok: support::not_locked_down().is_ok(),
        detail: state.unwrap_or_else(|| "not known: securityfs is not there or not readable".to_owned()),
    }
}

fn types(btf: &std::path::Path) -> Check {
    let (ok, detail) = if btf.exists() {
        match layout::read(btf, &hooks::functions()) {
            Ok(kernel) if kernel.missing.is_empty() => {
                (true, format!("{}: every member was found", btf.display()))
            }
            Ok(kernel) => (true, format!("{}: without {}", btf.display(), kernel.missing.join(", "))),
            Err(error) => (false, error.to_string()),
        }
    } else {
        (false, format!("there is none at {}; --btf FILE takes another", btf.display()))
    };
    Check { name: "BTF", ok, detail }
}

fn tracepoints() -> Check {
    match tracefs::root() {
        Some(root) => Check { name: "tracefs", ok: true, detail: root.display().to_string() },
        None => Check {
            name: "tracefs",
            ok: false,
            detail: "not mounted: no exits, signals and reaping are seen; mount -t tracefs tracefs /sys/kernel/tracing"
                .into(),
        },
    }
}

fn kprobes() -> Check {
    let ok = support::has_kprobes();
    let detail = match support::perf_event_paranoid() {
        _ if !ok => "the kernel was built without CONFIG_KPROBES".to_owned(),
        Some(level) => format!("the kernel can place them; kernel.perf_event_paranoid is {level}"),
        None => "the kernel can place them".to_owned(),
    };
    Check { name: "kprobes", ok, detail }
}

/// What the list of symbols gives: split copies of the scorer, and names for call paths.
fn symbols() -> [Check; 2] {
    let (scorer, addresses) = match Symbols::find() {
        Ok(found) => (split(&found.split_copies), addresses(&found)),
        Err(error) => {
            let reason = format!("/proc/kallsyms cannot be read: {error}");
            ((false, reason.clone()), (false, reason))
        }
    };
    [("scorer", scorer), ("addresses", addresses)].map(|(name, (ok, detail))| Check { name, ok, detail })
}

fn split(copies: &[String]) -> (bool, String) {
    let detail = if copies.is_empty() {
        "oom_badness is one function".to_owned()
    } else {
        format!("the compiler split off {}: it is hooked too, by a kretprobe", copies.join(", "))
    };
    (true, detail)
}

fn addresses(found: &Symbols) -> (bool, String) {
    match &found.names {
        Some(names) => (
            true,
            format!("{} gives addresses of the kernel's variables and names for call paths", names.source()),
        ),
        None => {
            let detail = "the kernel hides them (kernel.kptr_restrict): call paths without names, no counters of nodes";
            (false, detail.to_owned())
        }
    }
}

fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "oomtrace {} on Linux {}",
        report.tool_version,
        report.kernel_release.as_deref().unwrap_or("?")
    )?;
    for check in &report.checks {
        writeln!(out, "  {:<4} {:<11} {}", if check.ok { "ok" } else { "NO" }, check.name, check.detail)?;
        if check.name == PRIVILEGES {
            for capability in report.capabilities.iter().filter(|capability| !capability.held) {
                writeln!(out, "       without {}: {}", capability.name, capability.without)?;
            }
        }
    }
    for tried in &report.flavours {
        let detail = match &tried.reason {
            Some(reason) => reason.clone(),
            None => {
                format!("{} hooks attached", tried.hooks.iter().filter(|hook| hook.missing.is_none()).count())
            }
        };
        writeln!(out, "  {:<4} {:<11} {detail}", if tried.works { "ok" } else { "NO" }, tried.name)?;
        for hook in tried.hooks.iter().filter(|hook| hook.missing.is_some()) {
            writeln!(out, "       without {}: {}", hook.target, hook.missing.as_deref().unwrap_or_default())?;
        }
    }
    match report.flavour {
        Some(flavour) => writeln!(out, "`oomtrace watch` works here, by {flavour}"),
        None => writeln!(out, "live tracing is not possible here; `oomtrace replay` works anywhere"),
    }
}
