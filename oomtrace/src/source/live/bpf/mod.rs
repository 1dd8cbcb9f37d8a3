//! The loader: makes the maps of the object, loads its programs and attaches them.
//!
//! aya-obj reads the object and puts addresses of maps into instructions; the rest is a few system calls, in [`sys`]. aya's
//! own loader parses the type information of the whole kernel twice, and searches it once more for every function; here
//! a function comes with its id. A program is only loaded when it is attached: the verifier's work is most of a start.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    ffi::CString,
    fs, io,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd},
};

use aya_obj::{EbpfSectionKind, Function, Object, Program, ProgramSection};
use oomtrace_common::config::Layout;

use super::{markers, support, tracefs};

pub(super) mod sys;

use sys::{Event, Load, MapShape};

/// `BPF_MAP_TYPE_RINGBUF`
const MAP_RINGBUF: u32 = 27;
/// `BPF_PROG_TYPE_*`
const PROG_KPROBE: u32 = 2;
const PROG_TRACEPOINT: u32 = 5;
const PROG_TRACING: u32 = 26;
/// `BPF_TRACE_FENTRY`, `BPF_TRACE_FEXIT`
const TRACE_FENTRY: u32 = 24;
const TRACE_FEXIT: u32 = 25;
/// Where the PMU of kprobes tells its type and format.
const KPROBE_PMU: &str = "/sys/bus/event_source/devices/kprobe";
/// Room for what the verifier says of a program that it refuses: a try that was too small is repeated with more.
const LOG_LEAST: usize = 1 << 16;
const LOG_MOST: usize = 1 << 24;
/// Lines of it that are shown: the last ones tell the reason.
const LOG_LINES: usize = 4;

/// An object in the kernel. Everything is gone when this is dropped, except maps that were taken.
pub struct Programs {
    /// What is left of the object: relocations.
    object: Object,
    programs: HashMap<String, Program>,
    /// Instructions as they are in the object, of programs and of what they call, by [`Program::function_key`].
    code: BTreeMap<(usize, u64), Function>,
    /// Where instructions that use a map are told which one.
    maps_at: Vec<(String, RawFd, aya_obj::Map)>,
    maps: HashMap<String, OwnedFd>,
    /// Programs that are not bound to a function, by name.
    loaded: HashMap<String, OwnedFd>,
    /// Programs that are.
    bound: Vec<(String, OwnedFd)>,
    /// Links, and perf events of kernels without links for them.
    links: Vec<OwnedFd>,
    /// What is being attached on a thread of its own.
    ahead: Option<Ahead>,
    /// The kernel has no links for perf events (before 5.15).
    without_perf_links: bool,
    kprobe_pmu: Option<KprobePmu>,
}

/// Bytes of stack for the thread that attaches: one system call. All that is mapped is locked, and thereby filled, in the end.
const STACK: usize = 64 << 10;

/// A program's name, its link and itself.
type Ahead = std::thread::JoinHandle<(String, io::Result<OwnedFd>, OwnedFd)>;

#[derive(Clone, Copy)]
struct KprobePmu {
    kind: u32,
    /// `config` of a return probe.
    of_return: u64,
}

/// What an object is told before it is loaded.
#[derive(Default)]
pub struct Preset<'a> {
    /// Read-only globals: name, bytes.
    pub globals: Vec<(&'a str, &'a [u8])>,
    /// Numbers of entries of maps.
    pub entries: Vec<(&'a str, u32)>,
    /// Where members are that instructions have markers for.
    pub layout: Option<&'a Layout>,
}

impl Programs {
    /// Reads an object, and makes its maps. No program is loaded yet.
    ///
    /// # Errors
    /// A sentence that says what was refused.
    pub fn new(object: &[u8], preset: Preset<'_>) -> Result<Self, String> {
        let mut object = Object::parse(object).map_err(|error| super::load::explain(&error))?;
        let globals = preset.globals.into_iter().map(|(name, bytes)| (name, (bytes, true))).collect();
        object.patch_map_data(globals).map_err(|error| super::load::explain(&error))?;
        if let Some(layout) = preset.layout {
            for function in object.functions.values_mut() {
                markers::resolve(&mut function.instructions, layout);
            }
        }
        let mut made = Vec::with_capacity(object.maps.len());
        for (name, mut map) in object.maps.drain() {
            if let Some(&(_, entries)) = preset.entries.iter().find(|&&(of, _)| of == name) {
                map.set_max_entries(entries);
            }
            let fd = make(&name, &map).map_err(|error| format!("bpf(BPF_MAP_CREATE) for {name}: {error}"))?;
            made.push((name, fd, map));
        }
        let maps_at =
            made.iter().map(|(name, fd, map)| (name.clone(), fd.as_raw_fd(), map.clone())).collect();
        let maps = made.into_iter().map(|(name, fd, _)| (name, fd)).collect();
        Ok(Self::unloaded(object, maps_at, maps))
    }

    fn unloaded(
        mut object: Object,
        maps_at: Vec<(String, RawFd, aya_obj::Map)>,
        maps: HashMap<String, OwnedFd>,
    ) -> Self {
        Self {
            programs: std::mem::take(&mut object.programs),
            code: std::mem::take(&mut object.functions),
            object,
            maps_at,
            maps,
            loaded: HashMap::new(),
            bound: Vec::new(),
            links: Vec::new(),
            ahead: None,
            without_perf_links: false,
            kprobe_pmu: None,
        }
    }

    /// Takes a map: it outlives the programs then.
    pub fn take_map(&mut self, name: &str) -> Option<OwnedFd> {
        self.maps.remove(name)
    }

    /// A map.
    #[must_use]
    pub fn map(&self, name: &str) -> Option<BorrowedFd<'_>> {
        self.maps.get(name).map(OwnedFd::as_fd)
    }

    /// Everything that was loaded: its name in the object, and a descriptor that is open as long as this lives.
    #[must_use]
    pub fn loaded(&self) -> Vec<(String, RawFd)> {
        let unbound = self.loaded.iter().map(|(name, fd)| (name.clone(), fd.as_raw_fd()));
        unbound.chain(self.bound.iter().map(|(name, fd)| (name.clone(), fd.as_raw_fd()))).collect()
    }

    /// Lets go of what is only needed to load more programs.
    pub fn complete(&mut self) {
        self.programs = HashMap::new();
        self.code = BTreeMap::new();
        self.maps_at = Vec::new();
    }

    /// Attaches an fentry or fexit program to the function that has this id in the running kernel's BTF. The same program can
    /// be attached to several functions. Returns its descriptor, open as long as this lives.
    ///
    /// # Errors
    /// A sentence that says what was refused.
    pub fn trace(&mut self, program: &str, function: u32) -> Result<RawFd, String> {
        let fd = self.load(program, function)?;
        let link =
            sys::attach_tracing(fd.as_fd()).map_err(|error| syscall("BPF_RAW_TRACEPOINT_OPEN", &error))?;
        self.links.push(link);
        let raw = fd.as_raw_fd();
        self.bound.push((program.to_owned(), fd));
        Ok(raw)
    }

    /// Begins to do what [`Self::trace`] does, on a thread of its own; [`Self::settle`] waits for it. The first function that is hooked
    /// in this way makes kernels up to 6.x wait until all tasks have been seen outside of the old table, for a tenth of a second, and
    /// there is other work to do meanwhile.
    ///
    /// # Errors
    /// A sentence that says what was refused.
    pub fn trace_ahead(&mut self, program: &str, function: u32) -> Result<(), String> {
        let fd = self.load(program, function)?;
        let name = program.to_owned();
        let attach = move || (name, sys::attach_tracing(fd.as_fd()), fd);
        // Else glibc maps 64 MiB for what a second thread may allocate, and they count as locked memory later.
        #[cfg(target_env = "gnu")]
        // SAFETY: no preconditions.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, 1);
        }
        let thread =
            std::thread::Builder::new().stack_size(STACK).spawn(attach).map_err(|error| error.to_string())?;
        self.ahead = Some(thread);
        Ok(())
    }

    /// Waits for what [`Self::trace_ahead`] began, and returns what [`Self::trace`] would have.
    ///
    /// # Errors
    /// A sentence that says what was refused.
    pub fn settle(&mut self) -> Result<RawFd, String> {
        let thread = self.ahead.take().ok_or("it was not begun")?;
        let (name, link, fd) = thread.join().map_err(|_| "its thread ended early".to_owned())?;
        self.links.push(link.map_err(|error| syscall("BPF_RAW_TRACEPOINT_OPEN", &error))?);
        let raw = fd.as_raw_fd();
        self.bound.push((name, fd));
        Ok(raw)
    }

    /// Whether the kernel takes a program for this function; it is not kept.
    ///
    /// # Errors
    /// A sentence that says what was refused.
    pub fn is_taken(&mut self, program: &str, function: u32) -> Result<(), String> {
        self.load(program, function).map(drop)
    }

    /// Loads a program that is attached later.
    ///
    /// # Errors
    /// A sentence that says what was refused.
    pub fn prepare(&mut self, program: &str) -> Result<(), String> {
        self.load_once(program)
    }

    /// Loads a program, and puts it where others jump to it: at `index` in the map `map`. Returns its descriptor.
    ///
    /// # Errors
    /// A sentence that says what was refused.
    pub fn step(&mut self, program: &str, map: &str, index: u32) -> Result<RawFd, String> {
        self.load_once(program)?;
        let program = self.loaded.get(program).ok_or("it is not loaded")?.as_raw_fd();
        let map = self.maps.get(map).ok_or_else(|| format!("the object has no map {map}"))?;
        sys::write(map.as_fd(), index, &program.to_ne_bytes())
            .map_err(|error| syscall("BPF_MAP_UPDATE_ELEM", &error))?;
        Ok(program)
    }

    /// Attaches a kprobe or kretprobe program to a function, `offset` bytes behind its entry. Returns the program's descriptor.
    ///
    /// # Errors
    /// A sentence that says what was refused.
    pub fn probe(&mut self, program: &str, function: &str, offset: u64) -> Result<RawFd, String> {
        let pmu = self.pmu()?;
        self.load_once(program)?;
        let config = match self.programs.get(program).map(|program| &program.section) {
            Some(ProgramSection::KRetProbe) => pmu.of_return,
            _ => 0,
        };
        let function = CString::new(function).map_err(|_| "the function's name has a NUL".to_owned())?;
        self.on_event(program, &Event::Kprobe { pmu: pmu.kind, config, function: &function, offset })
    }

    /// Attaches a tracepoint's program. Returns its descriptor.
    ///
    /// # Errors
    /// A sentence that says what was refused.
    pub fn tracepoint(&mut self, program: &str, category: &str, event: &str) -> Result<RawFd, String> {
        let root = tracefs::root().ok_or("tracefs is not mounted, or cannot be read")?;
        let number = tracefs::number(&root, category, event).map_err(|error| error.to_string())?;
        self.load_once(program)?;
        self.on_event(program, &Event::Tracepoint(number))
    }

    fn on_event(&mut self, program: &str, event: &Event<'_>) -> Result<RawFd, String> {
        let program = self.loaded.get(program).ok_or("it is not loaded")?;
        let event = sys::open_perf_event(event).map_err(|error| support::perf_refusal(&error))?;
        let link = if self.without_perf_links {
            None
        } else {
            match sys::link_perf_event(program.as_fd(), event.as_fd()) {
                Ok(link) => Some(link),
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => None,
                Err(error) => return Err(syscall("BPF_LINK_CREATE", &error)),
            }
        };
        match link {
            Some(link) => self.links.push(link),
            None => {
                sys::set_perf_event_program(program.as_fd(), event.as_fd())
                    .map_err(|error| format!("ioctl(PERF_EVENT_IOC_SET_BPF): {error}"))?;
                self.without_perf_links = true;
                self.links.push(event);
            }
        }
        Ok(program.as_raw_fd())
    }

    fn load_once(&mut self, program: &str) -> Result<(), String> {
        if !self.loaded.contains_key(program) {
            let fd = self.load(program, 0)?;
            self.loaded.insert(program.to_owned(), fd);
        }
        Ok(())
    }

    /// Loads a program, for a function if it is one that is bound to one.
    fn load(&mut self, name: &str, function: u32) -> Result<OwnedFd, String> {
        let code = self.relocated(name)?;
        let program = self.programs.get(name).ok_or_else(|| no_program(name))?;
        let (kind, attach) = match &program.section {
            ProgramSection::KProbe | ProgramSection::KRetProbe => (PROG_KPROBE, 0),
            ProgramSection::TracePoint => (PROG_TRACEPOINT, 0),
            ProgramSection::FEntry { .. } => (PROG_TRACING, TRACE_FENTRY),
            ProgramSection::FExit { .. } => (PROG_TRACING, TRACE_FEXIT),
            section => return Err(format!("{name} is in a section that is not attached: {section:?}")),
        };
        let load = Load {
            kind,
            attach,
            flags: 0,
            function,
            name,
            license: &self.object.license,
            instructions: &code.instructions,
        };
        sys::load(&load, None).map_err(|error| refused(&load, &error))
    }

    /// The instructions of one program, with its maps and what it calls put in. Not done for all of them at once: of the two
    /// flavours' programs only one's are loaded.
    fn relocated(&mut self, name: &str) -> Result<Function, String> {
        let program = self.programs.get(name).ok_or_else(|| no_program(name))?;
        let key = program.function_key();
        let others: HashSet<_> =
            self.programs.values().map(Program::function_key).filter(|&of| of != key).collect();
        let of_this = self.code.iter().filter(|(of, _)| !others.contains(*of));
        self.object.functions = of_this.map(|(&of, code)| (of, code.clone())).collect();
        self.object.programs = HashMap::from([(name.to_owned(), program.clone())]);
        let sections = self.code.keys().map(|&(section, _)| section).collect();
        self.object
            .relocate_maps(self.maps_at.iter().map(|(name, fd, map)| (name.as_str(), *fd, map)), &sections)
            .and_then(|()| self.object.relocate_calls(&sections))
            .map_err(|error| super::load::explain(&error))?;
        self.object.functions.remove(&key).ok_or_else(|| no_program(name))
    }

    fn pmu(&mut self) -> Result<KprobePmu, String> {
        if let Some(pmu) = self.kprobe_pmu {
            return Ok(pmu);
        }
        let read = |file: &str| {
            let path = format!("{KPROBE_PMU}/{file}");
            fs::read_to_string(&path).map_err(|error| format!("cannot read {path}: {error}"))
        };
        let strange = || format!("{KPROBE_PMU} is of a format that is not known");
        let kind = read("type")?.trim().parse().map_err(|_| strange())?;
        let bit = read("format/retprobe")?;
        let bit: u32 =
            bit.trim().strip_prefix("config:").and_then(|bit| bit.parse().ok()).ok_or_else(strange)?;
        let pmu = KprobePmu { kind, of_return: 1u64.checked_shl(bit).ok_or_else(strange)? };
        self.kprobe_pmu = Some(pmu);
        Ok(pmu)
    }
}

/// Makes a map, with its data if it has any.
fn make(name: &str, map: &aya_obj::Map) -> io::Result<OwnedFd> {
    let kind = map.map_type();
    let shape = MapShape {
        kind,
        key: map.key_size(),
        // aya's macro gives rings values of a length; the kernel wants none.
        value: if kind == MAP_RINGBUF { 0 } else { map.value_size() },
        entries: map.max_entries(),
        flags: map.map_flags(),
    };
    let fd = sys::create_map(name, shape)?;
    let section = map.section_kind();
    if matches!(section, EbpfSectionKind::Data | EbpfSectionKind::Rodata) && !map.data().is_empty() {
        sys::write(fd.as_fd(), 0, map.data())?;
    }
    if section == EbpfSectionKind::Rodata {
        sys::freeze(fd.as_fd())?;
    }
    Ok(fd)
}

fn syscall(command: &str, error: &io::Error) -> String {
    /// `ENOTSUPP` (include/linux/errno.h), which the kernel keeps to itself: the C library has no words for it.
    const ENOTSUPP: i32 = 524;
    if error.raw_os_error() == Some(ENOTSUPP) {
        return format!("bpf({command}): this kernel does not support it (ENOTSUPP)");
    }
    format!("bpf({command}): {error}")
}

fn no_program(name: &str) -> String {
    format!("the object has no program {name}")
}

/// What the kernel said, with the verifier's last lines if it was the verifier that refused.
fn refused<I>(program: &Load<'_, I>, error: &io::Error) -> String {
    let mut text = syscall("BPF_PROG_LOAD", error);
    let mut room = LOG_LEAST;
    while room <= LOG_MOST {
        let mut log = vec![0; room];
        let again = sys::load(program, Some(&mut log));
        // Kernels before 6.4 keep the beginning of a log that is too long, and say so.
        if again.is_err_and(|error| error.raw_os_error() == Some(libc::ENOSPC)) && room < LOG_MOST {
            room *= 4;
            continue;
        }
        let log =
            String::from_utf8_lossy(log.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned();
        if let Some(lines) = last_lines(&log) {
            text = format!("{text}; the verifier: {lines}");
        }
        break;
    }
    text
}

/// The last lines of a verifier's log that are not statistics.
fn last_lines(log: &str) -> Option<String> {
    let said = |line: &&str| !line.is_empty() && !line.starts_with("processed ");
    let mut lines: Vec<&str> = log.lines().map(str::trim).filter(said).rev().take(LOG_LINES).collect();
    lines.reverse();
    (!lines.is_empty()).then(|| lines.join("; "))
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use aya_obj::Object;

    use super::{Programs, last_lines};

    /// A program that is relocated on its own is what it is among all the others.
    #[test]
    fn programs_are_relocated_one_by_one_as_all_at_once() {
        let mut all = Object::parse(super::super::load::OBJECT).unwrap();
        let maps_at: Vec<_> =
            all.maps.drain().enumerate().map(|(i, (name, map))| (name, 1000 + i as i32, map)).collect();
        let mut one_by_one = Programs::unloaded(all.clone(), maps_at.clone(), HashMap::new());
        let sections: HashSet<usize> = all.functions.keys().map(|&(section, _)| section).collect();
        all.relocate_maps(maps_at.iter().map(|(name, fd, map)| (name.as_str(), *fd, map)), &sections)
            .unwrap();
        all.relocate_calls(&sections).unwrap();
        assert!(all.programs.len() > 10);
        for _twice in 0..2 {
            for (name, program) in &all.programs {
                let expected = &all.functions[&program.function_key()].instructions;
                let found = one_by_one.relocated(name).unwrap().instructions;
                assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{name}");
            }
        }
    }

    #[test]
    fn the_last_lines_of_the_verifier_tell_the_reason() {
        let log = "func#0 @0\n0: R1=ctx() R10=fp0\n0: (79) r6 = *(u64 *)(r1 +0)\n1: (61) r7 = *(u32 *)(r6 +8)\n\
            R6 invalid mem access 'scalar'\nprocessed 2 insns (limit 1000000) max_states_per_insn 0\n\n";
        let lines = last_lines(log).unwrap();
        assert!(lines.ends_with("(61) r7 = *(u32 *)(r6 +8); R6 invalid mem access 'scalar'"), "{lines}");
        assert!(!lines.contains("func#0"));
        assert_eq!(last_lines(""), None);
        assert_eq!(last_lines("processed 0 insns (limit 1000000)\n"), None);
    }
}
