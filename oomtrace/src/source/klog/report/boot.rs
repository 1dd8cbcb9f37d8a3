//! What the lines of one boot of one machine have in common: its clock, its kernel, its swap; and the head of a session that
//! follows from that.

use crate::model::session::{GfpFlag, LogClock, SessionInfo, Settings, SourceKind};

use super::super::framing::{Calendar, Framed, Wall};

/// Stamps may be out of order by this much: CPUs print side by side. Further back is another boot. ns.
const DISORDER_NS: u64 = 5_000_000_000;
/// What stands for the time from one line to the next in a log without times, ns: its episodes are given up some time.
const LINE_NS: u64 = 1_000_000;

/// One boot of one machine.
#[derive(Debug, Default)]
pub(super) struct Boot {
    pub(super) host: Option<String>,
    pub(super) boot_id: Option<String>,
    pub(super) release: Option<String>,
    pub(super) total_swap_kb: Option<u64>,
    pub(super) page_kb: Option<u64>,
    pub(super) cgroup_version: Option<u8>,
    axis: Option<Axis>,
    /// A moment of which both clocks are known: Unix ns, boot ns.
    pair: Option<(i64, u64)>,
    first_wall: Option<Wall>,
    last_mono: Option<u64>,
    last_stamp: u64,
    lines: u64,
}

/// What stamps count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axis {
    Boot,
    /// Unix time.
    Wall,
    Lines,
}

impl Boot {
    pub(super) fn new(host: Option<String>, release: Option<String>) -> Self {
        Self { host, release, ..Self::default() }
    }

    /// Of a machine that is known.
    pub(super) fn of_machine(info: &SessionInfo) -> Self {
        Self {
            total_swap_kb: info.swap_bytes.map(|bytes| bytes / 1024),
            page_kb: Some(u64::from(info.page_size) / 1024),
            axis: Some(Axis::Boot),
            ..Self::new(None, info.kernel_release.clone())
        }
    }

    /// Whether a line is of another boot than those before.
    pub(super) fn ended_before(&self, framed: &Framed<'_>) -> bool {
        let other_id = match (&self.boot_id, &framed.boot_id) {
            (Some(known), Some(told)) => known.as_bytes() != &**told,
            _ => false,
        };
        let back = match (self.last_mono, framed.mono_ns) {
            (Some(last), Some(now)) => now.saturating_add(DISORDER_NS) < last,
            _ => false,
        };
        // A log that tells other times than before is another log, behind it in the same file.
        let other_times = !framed.continued
            && match self.axis {
                Some(Axis::Lines) => true,
                Some(Axis::Boot) => framed.mono_ns.is_none(),
                Some(Axis::Wall) => framed.wall.is_none(),
                None => false,
            };
        other_id || back || other_times
    }

    /// Whether a line that names `release` is of another boot.
    pub(super) fn is_other(&self, release: &str) -> bool {
        self.release.as_deref().is_some_and(|known| known != release)
    }

    /// The next boot, told by its release: its lines have the same kind of times.
    pub(super) fn next(&self, release: String) -> Self {
        let Self { axis, last_mono, last_stamp, lines, .. } = *self;
        let host = self.host.clone();
        Self { host, release: Some(release), axis, last_mono, last_stamp, lines, ..Self::default() }
    }

    /// The stamp of a line.
    pub(super) fn stamp(&mut self, framed: &Framed<'_>) -> u64 {
        self.lines += 1;
        if self.boot_id.is_none() {
            self.boot_id = framed.boot_id.as_ref().map(|id| String::from_utf8_lossy(id).into_owned());
        }
        if let (Some(wall), Some(mono)) = (framed.wall, framed.mono_ns) {
            self.pair.get_or_insert((wall.unix_ns, mono));
        }
        if let Some(wall) = framed.wall {
            self.first_wall.get_or_insert(wall);
        }
        self.last_mono = framed.mono_ns.or(self.last_mono);
        let axis = *self.axis.get_or_insert(match (framed.mono_ns, framed.wall) {
            (Some(_), _) => Axis::Boot,
            (None, Some(_)) => Axis::Wall,
            (None, None) => Axis::Lines,
        });
        let told = match axis {
            Axis::Boot => framed.mono_ns,
            Axis::Wall => framed.wall.and_then(|wall| u64::try_from(wall.unix_ns).ok()),
            Axis::Lines => Some(self.lines.saturating_mul(LINE_NS)),
        };
        // A line without a stamp goes with the one before.
        self.last_stamp = told.unwrap_or(self.last_stamp);
        self.last_stamp
    }

    /// Times are known, so that distances of stamps mean something.
    pub(super) fn has_times(&self) -> bool {
        self.axis != Some(Axis::Lines)
    }

    /// The head of a session of this boot.
    pub(super) fn info(
        &self,
        source: SourceKind,
        calendar: &Calendar,
        by_shape: Option<&str>,
    ) -> SessionInfo {
        let axis = self.axis.unwrap_or(Axis::Lines);
        let wall = self.first_wall;
        let (started_unix_ns, started_boot_ns) = match axis {
            Axis::Boot => match self.pair {
                Some((unix_ns, boot_ns)) => (Some(unix_ns), boot_ns),
                None => (None, 0),
            },
            Axis::Wall => {
                let unix_ns = wall.map_or(0, |wall| wall.unix_ns);
                (Some(unix_ns), u64::try_from(unix_ns).unwrap_or(0))
            }
            Axis::Lines => (None, 0),
        };
        SessionInfo {
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            source,
            host: self.host.clone(),
            kernel_release: self.release.clone(),
            kernel_version: None,
            machine: None,
            boot_id: self.boot_id.clone(),
            page_size: u32::try_from(self.page_kb.unwrap_or(4).saturating_mul(1024)).unwrap_or(4096),
            cpus: None,
            ram_bytes: None,
            swap_bytes: None,
            started_unix_ns,
            started_boot_ns,
            utc_offset_seconds: wall.and_then(|wall| wall.offset).unwrap_or(calendar.utc_offset),
            ring_bytes: None,
            hooks: Vec::new(),
            settings: Settings::default(),
            gfp_flags: gfp_flags(self.release.as_deref().or(by_shape)),
            cgroup_version: self.cgroup_version,
            rss_counters_percpu: false,
            node_stat_items: Vec::new(),
            zone_stat_items: Vec::new(),
            memcg_stat_items: Vec::new(),
            vmstat_oom_kills: None,
            tainted: None,
            log_clock: Some(LogClock {
                boot: axis == Axis::Boot,
                zone: wall.is_none_or(|wall| wall.offset.is_some()),
                year: wall.is_none_or(|wall| wall.year),
                step_ns: match axis {
                    Axis::Boot => 1000,
                    Axis::Wall if wall.is_some_and(|wall| wall.fraction) => 1000,
                    Axis::Wall => 1_000_000_000,
                    Axis::Lines => 0,
                },
            }),
            release_by_shape: by_shape.map(str::to_owned),
        }
    }
}

/// Names for the bits of masks that the log does not name.
fn gfp_flags(release: Option<&str>) -> Vec<GfpFlag> {
    let table = super::gfp::table(release);
    table.iter().map(|&(bits, name)| GfpFlag { bits, name: name.to_owned() }).collect()
}
