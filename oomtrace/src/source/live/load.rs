//! Loading: hands the layout to the programs, loads and attaches them, and describes the session.

use std::path::PathBuf;

use aya::{
    Pod,
    maps::{Map, MapData, RingBuf},
};
use oomtrace_common::{
    config::{Layout, Sizes},
    evidence::Places,
};

use super::{
    LiveError,
    attach::{self, Attached},
    bpf::{self, Preset, Programs},
    buffer::Buffer,
    by_log::{self, LogFeed},
    candidate_log::CandidateLog,
    events,
    fdinfo::Fdinfo,
    feed::Feed,
    hooks, host,
    layout::{self, Functions},
    losses::Losses,
    ring::Ring,
    stats::Meter,
    support,
    symbols::Symbols,
    tracefs,
};
use crate::{
    decode::context::Context,
    model::{SessionInfo, SourceKind, observation::Lost},
};

/// The compiled programs; `cargo xtask build-ebpf` makes them, for every architecture that they know the registers of.
#[cfg(target_arch = "x86_64")]
pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../ebpf/oomtrace.bpf.o");
#[cfg(target_arch = "aarch64")]
pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../ebpf/oomtrace.aarch64.bpf.o");
/// Elsewhere there are none, and what needs none works: the kernel's log, recordings.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) static OBJECT: &[u8] = &[];

/// How to attach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Try fentry, then kprobe, then the log.
    Auto,
    /// fentry/fexit.
    Fentry,
    /// kprobe/kretprobe.
    Kprobe,
    /// The kernel's log, and tracepoints where they can be had.
    Log,
}

/// What a capture can be told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Flavour.
    pub flavour: Flavour,
    /// BTF of the running kernel, instead of its own.
    pub btf: Option<PathBuf>,
    /// Bytes for what waits to be read; chosen by the number of tasks if not given.
    pub buffer_bytes: Option<u64>,
    /// Functions that are not to be hooked.
    pub without: Vec<String>,
    /// Whether to count what the capture costs.
    pub stats: bool,
    /// Level of the probes' own diagnostics; `None` is off.
    pub probe_log: Option<log::LevelFilter>,
}

/// Of the `log` flavour: marks, exits and adjustments, and no candidates.
const LOG_BUFFER: Buffer = Buffer { ring: 4 << 10, aftermath: 128 << 10, log: 1 };

/// A running capture.
pub struct Live {
    /// Describes it.
    pub info: SessionInfo,
    /// What it reads.
    pub feed: Feed,
    /// Why it is not by hooks on functions, when these were tried.
    pub refused: Option<String>,
    /// The programs' loss counters.
    losses: Option<Losses>,
    /// Counts what it costs, when asked for.
    pub meter: Option<Meter>,
    /// The probes' own diagnostics, when asked for.
    pub probe_log: Option<aya_log::EbpfLogger<&'static dyn log::Log>>,
    /// Programs and links: the probes are gone when this is dropped.
    programs: Option<Programs>,
}

impl Live {
    /// Loads and attaches. Everything is hooked when this returns.
    ///
    /// # Errors
    /// When the machine does not allow it; see [`LiveError`].
    pub fn start(options: &Options) -> Result<Self, LiveError> {
        match options.flavour {
            Flavour::Log => Self::by_log(options, None),
            Flavour::Fentry | Flavour::Kprobe => Self::by_hooks(options),
            Flavour::Auto => Self::by_hooks(options).or_else(|refused| {
                if !refused.is_of_the_machine() {
                    return Err(refused);
                }
                let reason = refused.reason();
                Self::by_log(options, Some(reason.clone()))
                    .map_err(|log| LiveError::NoFlavour { hooks: reason, log: log.reason() })
            }),
        }
    }

    /// By hooks on functions.
    fn by_hooks(options: &Options) -> Result<Self, LiveError> {
        support::privileges()?;
        support::not_locked_down()?;
        let buffer = Buffer::of(options.buffer_bytes)?;
        let own_btf = PathBuf::from(layout::VMLINUX_BTF);
        let btf = options.btf.clone().unwrap_or_else(|| own_btf.clone());
        if options.btf.is_none() && !btf.exists() {
            return Err(LiveError::NoBtf { path: btf });
        }
        let wanted = hooks::functions();
        let mut kernel = layout::read(&btf, &wanted)?;
        tracepoint_offsets(&mut kernel.layout);
        // Attaching by fentry goes by the running kernel's own BTF; another file can only serve offsets.
        let functions = if options.btf.is_some() {
            Functions::read(&own_btf, &wanted).ok()
        } else {
            Some(kernel.functions)
        };
        let symbols = Symbols::find().map_err(|error| error.to_string());
        let places = symbols.as_ref().map_or(Places::UNSET, |symbols| kernel.evidence.at(&symbols.addresses));

        let patched = tracefs::patches_functions();
        let start = |flavour| {
            let globals = Globals { layout: &kernel.layout, places: &places };
            let (programs, attached) =
                load(flavour, options, &globals, buffer, functions.as_ref(), patched, &symbols)?;
            Ok((flavour, programs, attached))
        };
        let (flavour, programs, attached) = match options.flavour {
            Flavour::Auto => start(Flavour::Fentry).or_else(|fentry: LiveError| {
                start(Flavour::Kprobe)
                    .map_err(|kprobe| LiveError::NoHooks { fentry: fentry.reason(), kprobe: kprobe.reason() })
            }),
            flavour => start(flavour),
        }?;
        let info = host::describe(host::Capture {
            source: match flavour {
                Flavour::Kprobe => SourceKind::Kprobe,
                Flavour::Fentry | Flavour::Auto => SourceKind::Fentry,
                Flavour::Log => SourceKind::Log,
            },
            ring_bytes: Some(buffer.rings()),
            hooks: attached.hooks,
            rss_counters_percpu: kernel.rss_counters_percpu,
            node_stat_items: kernel.evidence.node_items,
            zone_stat_items: kernel.evidence.zone_items,
            memcg_stat_items: kernel.evidence.memcg_items,
        });
        let context = Context {
            page_counter_max: page_counter_max(info.page_size),
            page_size: info.page_size,
            zone: kernel.evidence.zone,
            symbols: symbols.ok().and_then(|symbols| symbols.names).map(|names| Box::new(names) as _),
        };
        let mut programs = programs;
        let ring = ring(&mut programs, options, buffer, context)?;
        Self::running(Some(programs), info, options, attached.program_fds, Feed::Ring(Box::new(ring)))
    }

    /// By the kernel's log. `refused`: why not by hooks.
    fn by_log(options: &Options, refused: Option<String>) -> Result<Self, LiveError> {
        let mut feed = LogFeed::open()?;
        let traced = by_log::attach(options, LOG_BUFFER, host::settings().oom_dump_tasks);
        let info = host::describe(host::Capture {
            source: SourceKind::Log,
            ring_bytes: traced.programs.as_ref().map(|_| LOG_BUFFER.rings()),
            hooks: traced.hooks,
            rss_counters_percpu: false,
            node_stat_items: Vec::new(),
            zone_stat_items: Vec::new(),
            memcg_stat_items: Vec::new(),
        });
        let mut programs = traced.programs;
        let context = Context { page_size: info.page_size, ..Context::default() };
        let ring =
            programs.as_mut().map(|programs| ring(programs, options, LOG_BUFFER, context)).transpose()?;
        feed.of(&info, ring);
        let live = Self::running(programs, info, options, traced.program_fds, Feed::Log(Box::new(feed)))?;
        Ok(Self { refused, ..live })
    }

    /// Takes the hooks away; what has been captured can still be read.
    pub fn detach(&mut self) {
        self.programs = None;
        self.feed.end();
    }

    /// Runs of hooks that the kernel skipped; to be asked while they are there.
    #[must_use]
    pub fn missed_runs(&self) -> Option<u64> {
        self.losses.as_ref().and_then(Losses::missed_runs)
    }

    /// Whether reading what the programs counted takes CAP_BPF here, as it did before Linux 5.19 where unprivileged bpf(2) is
    /// switched off. To be asked when no capability is in use.
    #[must_use]
    pub fn needs_bpf(&self) -> bool {
        self.losses.is_some() && !bpf::sys::is_allowed()
    }

    /// What was lost outside of what episodes report themselves; to be asked when all has been read.
    #[must_use]
    pub fn lost(&self) -> Lost {
        let mut lost = self.losses.as_ref().map(Losses::counted).unwrap_or_default();
        lost.add(self.feed.lost());
        lost
    }

    fn running(
        mut programs: Option<Programs>,
        info: SessionInfo,
        options: &Options,
        program_fds: Vec<i32>,
        feed: Feed,
    ) -> Result<Self, LiveError> {
        let refused = |reason: String| LiveError::Load { reason };
        let mut losses = None;
        if let Some(programs) = &mut programs {
            let counters = Map::PerCpuArray(take_map(programs, "LOSS")?);
            losses = Some(Losses::new(counters, &program_fds).map_err(|error| refused(error.to_string()))?);
        }
        let probe_log =
            programs.as_ref().and_then(|programs| options.probe_log.and_then(|_| probe_log(programs)));
        let loaded = programs.as_ref().map(Programs::loaded).unwrap_or_default();
        let meter = options.stats.then(|| Meter::start(loaded));
        if let Some(programs) = &mut programs {
            programs.complete();
        }
        Ok(Self { info, feed, refused: None, losses, meter, probe_log, programs })
    }
}

/// The consumer's end of the programs' ring and of their candidate log.
fn ring(
    programs: &mut Programs,
    options: &Options,
    buffer: Buffer,
    context: Context,
) -> Result<Ring, LiveError> {
    let refused = |reason: String| LiveError::Load { reason };
    let mut take_ring = |name: &str| {
        RingBuf::try_from(Map::RingBuf(take_map(programs, name)?)).map_err(|error| refused(error.to_string()))
    };
    let rings = (take_ring("RING")?, take_ring("AFTERMATH")?);
    let read = take_map(programs, "LOG_READ")?;
    let log = CandidateLog::new(&take_map(programs, "LOG")?, &read, buffer.log)
        .map_err(|error| refused(error.to_string()))?;
    let mut ring = Ring::new(rings.0, rings.1, log, context);
    if options.stats {
        ring.watch_level(buffer.ring, buffer.aftermath).map_err(|error| refused(error.to_string()))?;
    }
    Ok(ring)
}

fn take_map(programs: &mut Programs, name: &str) -> Result<MapData, LiveError> {
    let map = programs
        .take_map(name)
        .ok_or_else(|| LiveError::Broken { reason: format!("it has no map {name}") })?;
    MapData::from_fd(map).map_err(|error| LiveError::Load { reason: explain(&error) })
}

/// The reader of the programs' own log: it finds their ring through a program that writes to it.
fn probe_log(programs: &Programs) -> Option<aya_log::EbpfLogger<&'static dyn log::Log>> {
    let logger = |(_, fd): (String, i32)| {
        let id = u32::try_from(Fdinfo::read(fd)?.counter("prog_id")?).ok()?;
        aya_log::EbpfLogger::init_from_id(id).ok()
    };
    programs.loaded().into_iter().find_map(logger)
}

/// What the programs are told of this kernel.
struct Globals<'a> {
    layout: &'a Layout,
    places: &'a Places,
}

/// Loads the object for one flavour and attaches it.
fn load(
    flavour: Flavour,
    options: &Options,
    globals: &Globals<'_>,
    buffer: Buffer,
    functions: Option<&Functions>,
    patched: bool,
    symbols: &Result<Symbols, String>,
) -> Result<(Programs, Attached), LiveError> {
    let page_size = u32::try_from(rustix::param::page_size()).unwrap_or(4096);
    let sizes =
        Sizes { headroom: buffer.ring / 4, ring: buffer.ring, aftermath: buffer.aftermath, log: buffer.log };
    let mut preset = Preset {
        globals: vec![
            ("LAYOUT", bytes_of(globals.layout)),
            ("PLACES", bytes_of(globals.places)),
            ("SIZES", bytes_of(&sizes)),
        ],
        entries: vec![
            ("RING", u32::try_from(buffer.ring).unwrap_or(u32::MAX)),
            ("AFTERMATH", u32::try_from(buffer.aftermath).unwrap_or(u32::MAX)),
            ("LOG", u32::try_from(buffer.log + 1).unwrap_or(u32::MAX)),
        ],
        layout: Some(globals.layout),
    };
    let log_level = [probe_log_level(options.probe_log)];
    preset.globals.push(("AYA_LOG_LEVEL", &log_level));
    if options.probe_log.is_none() {
        preset.entries.push(("AYA_LOGS", page_size));
    }
    let mut programs = Programs::new(OBJECT, preset).map_err(|reason| LiveError::Load { reason })?;
    if options.probe_log.is_some() {
        for program in ["log_kretprobe", "log_kprobe"] {
            programs.probe(program, "out_of_memory", 0).map_err(|reason| LiveError::Load { reason })?;
        }
    }
    let attached = attach::all(&mut programs, flavour, functions, patched, &options.without, symbols)?;
    Ok((programs, attached))
}

/// A global as the programs have it.
pub(super) fn bytes_of<T: Pod>(value: &T) -> &[u8] {
    // SAFETY: `Pod` promises that every byte of the value is initialised, and the slice borrows it.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast(), size_of::<T>()) }
}

/// An error with its causes, each said once: some of aya's errors repeat theirs.
pub(super) fn explain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text
}

/// Level numbers of `aya-log`; 0 lets the verifier drop the code.
fn probe_log_level(level: Option<log::LevelFilter>) -> u8 {
    level.map_or(0, |level| level as u8)
}

/// `PAGE_COUNTER_MAX` on 64-bit kernels (include/linux/page_counter.h), in pages.
fn page_counter_max(page_size: u32) -> u64 {
    i64::MAX as u64 / u64::from(page_size.max(1))
}

/// Offsets in tracepoints' records.
fn tracepoint_offsets(layout: &mut Layout) {
    let Some(root) = tracefs::root() else { return };
    let signal = &mut [
        ("sig", &mut layout.tp_signal_sig),
        ("pid", &mut layout.tp_signal_pid),
        ("comm", &mut layout.tp_signal_comm),
        ("result", &mut layout.tp_signal_result),
    ];
    events::find(&root, "signal", "signal_generate", signal);
    events::of_all_flavours(&root, layout);
}
