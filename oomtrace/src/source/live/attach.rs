//! Attaching: by trying, hook by hook, and saying what came of each.

use std::os::fd::RawFd;

use oomtrace_common::step;

use super::{
    LiveError,
    bpf::Programs,
    hooks::{
        BEHIND, EVIDENCE, EvidenceHook, FUNCTIONS, FunctionHook, REAPS, REPORT, SCORER, STEPS, TRACEPOINTS,
    },
    layout::Functions,
    load::Flavour,
    support,
    symbols::Symbols,
};
use crate::model::session::Hook;

/// Why there are none.
const NO_KPROBES: &str = "the kernel was built without CONFIG_KPROBES";

/// What was attached.
pub struct Attached {
    /// Every hook, also those that could not be attached, in the order of trying.
    pub hooks: Vec<Hook>,
    /// Descriptors of the programs that only run inside an episode: a run of them that the kernel skipped is a loss. Open as
    /// long as the programs are.
    pub program_fds: Vec<RawFd>,
}

/// Loads and attaches all hooks for a flavour.
///
/// # Errors
/// When a hook that nothing works without cannot be attached in either way.
pub fn all(
    programs: &mut Programs,
    flavour: Flavour,
    functions: Option<&Functions>,
    patched: bool,
    without: &[String],
    symbols: &Result<Symbols, String>,
) -> Result<Attached, LiveError> {
    let attached = Attached { hooks: Vec::new(), program_fds: Vec::new() };
    let mut attaching = Attaching { programs, functions, patched, symbols, attached };
    attaching.not_in_vain(flavour)?;
    let ahead = !without.iter().any(|name| name == SCORER) && attaching.ahead(flavour);
    for hook in &TRACEPOINTS {
        let target = format!("{}:{}", hook.category, hook.event);
        if without.contains(&target) {
            attaching.note(&target, "tracepoint", Some("left out as asked".into()));
        } else {
            let result = attaching.tracepoint(hook.category, hook.event);
            attaching.note(&target, "tracepoint", result.err());
        }
    }
    if support::has_kprobes() {
        attaching.load_early()?;
    }
    for hook in &EVIDENCE {
        if without.iter().any(|name| name == hook.function || name == hook.evidence) {
            attaching.note(hook.function, "none", Some(format!("{}: left out as asked", hook.evidence)));
        } else {
            attaching.evidence(hook);
        }
    }
    attaching.note_hidden_addresses();
    let mut late = None;
    for hook in &FUNCTIONS {
        // Before the first kprobe: behind it the kernel soon holds locks that whatever is loaded waits for, a filter of system calls
        // among it.
        if hook.seldom
            && let Some(scorer) = late.take()
        {
            attaching.settle(scorer);
        }
        // Before the choice, as the other evidence.
        if hook.function == "oom_kill_process" {
            attaching.report(without);
        }
        if without.iter().any(|name| name == hook.function) {
            attaching.note(hook.function, "none", Some("left out as asked".into()));
            continue;
        }
        if hook.function == SCORER && ahead {
            attaching.split_copies_of_the_scorer();
            late = Some(hook);
            continue;
        }
        attaching.function(hook, flavour)?;
    }
    if let Some(hook) = late {
        attaching.settle(hook);
    }
    Ok(attaching.attached)
}

struct Attaching<'a> {
    programs: &'a mut Programs,
    functions: Option<&'a Functions>,
    /// Functions begin with what ftrace patches.
    patched: bool,
    symbols: &'a Result<Symbols, String>,
    attached: Attached,
}

impl Attaching<'_> {
    fn note(&mut self, target: &str, kind: &str, missing: Option<String>) {
        self.attached.hooks.push(Hook { target: target.to_owned(), kind: kind.to_owned(), missing });
    }

    /// Loads what is attached late, and the steps that nothing works without. What is refused here is refused again, and told, when it
    /// is attached.
    fn load_early(&mut self) -> Result<(), LiveError> {
        for name in FUNCTIONS.iter().filter(|hook| hook.seldom).map(|hook| hook.function).chain([REPORT]) {
            let _refused = self.programs.prepare(&format!("{name}_kprobe"));
        }
        for step in STEPS {
            self.step(step).map_err(|reason| LiveError::Load { reason })?;
        }
        Ok(())
    }

    fn step(&mut self, step: u32) -> Result<(), String> {
        let program = step::PROGRAMS.get(step as usize).ok_or("there is no such step")?;
        let fd =
            self.programs.step(program, "STEPS", step).map_err(|reason| format!("{program}: {reason}"))?;
        self.counts(fd);
        Ok(())
    }

    /// Evidence: as steps where there are kprobes, else by fentry.
    fn evidence(&mut self, hook: &EvidenceHook) {
        let result = if support::has_kprobes() {
            hook.steps.iter().try_for_each(|&step| self.step(step))
        } else {
            self.trace(hook.evidence, "fentry", hook.function)
        };
        if let Err(reason) = result {
            self.note(hook.function, "none", Some(format!("{}: {reason}", hook.evidence)));
        } else if support::has_kprobes() {
            self.note(hook.function, "kprobe", None);
        }
    }

    /// The kernel's report, which comes without a choice where nobody can be killed.
    fn report(&mut self, without: &[String]) {
        if without.iter().any(|name| name == REPORT || name == "situation") {
            return self.note(REPORT, "none", Some("situation: left out as asked".into()));
        }
        let result =
            if support::has_kprobes() { self.behind(REPORT, REPORT) } else { Err(NO_KPROBES.into()) };
        if let Err(reason) = result {
            self.note(REPORT, "none", Some(format!("situation: {reason}")));
        }
    }

    /// Says what is not known where the kernel hides where it lies.
    fn note_hidden_addresses(&mut self) {
        let missing = match self.symbols {
            Ok(symbols) if symbols.names.is_some() => return,
            Ok(_) => {
                "it hides addresses (kernel.kptr_restrict): call paths without names, no counters of nodes"
                    .to_owned()
            }
            Err(reason) => format!("call paths without names, no counters of nodes: {reason}"),
        };
        self.note("/proc/kallsyms", "none", Some(missing));
    }

    /// A function's hooks, in the flavour's way, else in the other if the flavour allows it.
    fn function(&mut self, hook: &FunctionHook, flavour: Flavour) -> Result<(), LiveError> {
        if hook.function == SCORER {
            self.split_copies_of_the_scorer();
        }
        let by_fentry = match flavour {
            Flavour::Kprobe | Flavour::Log => None,
            Flavour::Fentry | Flavour::Auto => Some(self.by_fentry(hook)),
        };
        let reason = match by_fentry {
            Some(Ok(())) => return Ok(()),
            // What cannot be done for the function that opens an episode cannot be done for the flavour.
            Some(Err(reason)) if hook.required => {
                return Err(LiveError::Attach {
                    target: hook.function.to_owned(),
                    flavour: "fentry",
                    reason,
                });
            }
            Some(Err(reason)) => format!("fentry: {reason}; kprobe: "),
            None => String::new(),
        };
        match self.by_kprobe(hook) {
            Ok(()) => Ok(()),
            Err(more) if hook.required => Err(LiveError::Attach {
                target: hook.function.to_owned(),
                flavour: "kprobe",
                reason: format!("{reason}{more}"),
            }),
            Err(more) => {
                self.note(hook.function, "none", Some(format!("{reason}{more}")));
                Ok(())
            }
        }
    }

    /// Where there are no kprobes, finds out whether the kernel takes what nothing works without, before anything is attached:
    /// taking tracepoints away again takes the kernel a second.
    fn not_in_vain(&mut self, flavour: Flavour) -> Result<(), LiveError> {
        const OPENS: &str = "out_of_memory";
        let refused = |flavour, reason| LiveError::Attach { target: OPENS.to_owned(), flavour, reason };
        if support::has_kprobes() {
            return Ok(());
        }
        if flavour == Flavour::Kprobe {
            return Err(refused("kprobe", NO_KPROBES.to_owned()));
        }
        match self.functions.and_then(|functions| functions.id(OPENS)) {
            Some(id) => {
                let program = format!("{OPENS}_fexit");
                self.programs.is_taken(&program, id).map_err(|reason| refused("fentry", reason))
            }
            None => Ok(()),
        }
    }

    /// Begins to hook the scorer by fexit, before anything else is done. False where it has to be hooked later.
    fn ahead(&mut self, flavour: Flavour) -> bool {
        let id =
            self.functions.filter(|_| flavour != Flavour::Kprobe).and_then(|functions| functions.id(SCORER));
        id.is_some_and(|id| self.programs.trace_ahead(&format!("{SCORER}_fexit"), id).is_ok())
    }

    /// The end of [`Self::ahead`].
    fn settle(&mut self, hook: &FunctionHook) {
        match self.programs.settle() {
            Ok(fd) => self.attached(hook.function, "fexit", hook.function, fd),
            Err(reason) => {
                if let Err(more) = self.by_kprobe(hook) {
                    self.note(hook.function, "none", Some(format!("fentry: {reason}; kprobe: {more}")));
                }
            }
        }
    }

    fn by_fentry(&mut self, hook: &FunctionHook) -> Result<(), String> {
        if hook.fexit {
            self.trace(hook.function, "fexit", hook.function)?;
        }
        if hook.seldom && support::has_kprobes() && self.by_seldom(hook).is_ok() {
            return Ok(());
        }
        if hook.fentry {
            self.trace(hook.function, "fentry", hook.function)?;
        }
        Ok(())
    }

    fn by_kprobe(&mut self, hook: &FunctionHook) -> Result<(), String> {
        if !support::has_kprobes() {
            return Err(NO_KPROBES.to_owned());
        }
        if hook.kretprobe {
            self.kprobe(hook.function, "kretprobe", hook.function)?;
        }
        if hook.kprobe {
            if hook.seldom && !hook.at_return_probe {
                self.by_seldom(hook)?;
            } else {
                self.kprobe(hook.function, "kprobe", hook.function)?;
            }
        }
        Ok(())
    }

    /// Attaches the program `<name>_<kind>` to `target` by its type.
    fn trace(&mut self, name: &str, kind: &str, target: &str) -> Result<(), String> {
        let functions = self.functions.ok_or("no BTF of the running kernel")?;
        let id = functions.id(target).ok_or_else(|| format!("BTF has no function {target}"))?;
        let fd = self.programs.trace(&format!("{name}_{kind}"), id)?;
        self.attached(name, kind, target, fd);
        Ok(())
    }

    /// Attaches the kprobe of a hook on a function that is seldom entered.
    fn by_seldom(&mut self, hook: &FunctionHook) -> Result<(), String> {
        if hook.shared {
            self.kprobe(hook.function, "kprobe", hook.function)
        } else {
            self.behind(hook.function, hook.function)
        }
    }

    /// Attaches the program `<name>_kprobe` to `function`, behind what ftrace patches; at its entry, where that cannot be done.
    fn behind(&mut self, name: &str, function: &str) -> Result<(), String> {
        if self.patched {
            for &offset in BEHIND {
                if self.kprobe_at(name, "kprobe", function, offset).is_ok() {
                    return Ok(());
                }
            }
        }
        self.kprobe(name, "kprobe", function)
    }

    /// Attaches the program `<name>_<kind>` to `target` by its name.
    fn kprobe(&mut self, name: &str, kind: &str, target: &str) -> Result<(), String> {
        self.kprobe_at(name, kind, target, 0)
    }

    fn kprobe_at(&mut self, name: &str, kind: &str, target: &str, offset: u64) -> Result<(), String> {
        let fd = self.programs.probe(&format!("{name}_{kind}"), target, offset)?;
        self.attached(name, kind, target, fd);
        Ok(())
    }

    /// The copies of the scorer that the compiler split off, in both flavours: they have no BTF.
    fn split_copies_of_the_scorer(&mut self) {
        match self.symbols {
            Ok(symbols) => {
                for copy in &symbols.split_copies {
                    if let Err(reason) = self.kprobe(SCORER, "kretprobe", copy) {
                        self.note(copy, "kretprobe", Some(reason));
                    }
                }
            }
            Err(error) => self.note(
                "oom_badness.*",
                "kretprobe",
                Some(format!("cannot read /proc/kallsyms to look for split copies: {error}")),
            ),
        }
    }

    fn tracepoint(&mut self, category: &str, event: &str) -> Result<(), String> {
        self.programs.tracepoint(&format!("{event}_tracepoint"), category, event).map(drop)
    }

    fn attached(&mut self, name: &str, kind: &str, target: &str, program: RawFd) {
        self.note(target, kind, None);
        // The scorer also runs for readers of `/proc/PID/oom_score`, what the reaper calls for exiting processes, and a skipped
        // run there is nobody's loss.
        let counts = name != SCORER && name != REAPS;
        if counts {
            self.counts(program);
        }
    }

    /// A skipped run of this program is a loss.
    fn counts(&mut self, program: RawFd) {
        if !self.attached.program_fds.contains(&program) {
            self.attached.program_fds.push(program);
        }
    }
}
