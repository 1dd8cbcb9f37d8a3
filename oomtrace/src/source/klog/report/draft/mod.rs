//! A report that is being collected: what its lines have said so far, copied out of them.

mod owned;

use crate::model::Name;
use crate::model::evidence::{Counter, Frame};

use super::super::framing::Caller;
use super::super::grammar::{self, Buddy, Column, Columns, Fact, Machine, Of, Usage};
pub(super) use owned::{Asked, Asker, Choice, Kill, Scored, TaskRow, ZoneDraft};

/// Frames that are kept.
const MOST_FRAMES: usize = 128;
/// Rows of the table that are kept: `PID_MAX_LIMIT`.
const MOST_ROWS: usize = 4 << 20;
/// Nodes, zones and counters that are kept.
const MOST: usize = 8192;
/// Bytes of a name: `TASK_COMM_LEN` less the end.
const LONGEST_COMM: usize = 15;

/// A report so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) id: u64,
    pub(super) caller: Option<Caller>,
    /// Stamps of its first and last line.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) trigger: Option<Asked>,
    pub(super) context: Option<Asker>,
    pub(super) frames: Option<Vec<Frame>>,
    pub(super) frames_cut: bool,
    pub(super) cpuset: Option<(Name, Name)>,
    pub(super) usages: Vec<Usage>,
    pub(super) stats: Option<(Name, Vec<Counter>)>,
    pub(super) task_in: Option<(Name, Name)>,
    pub(super) mem_info: bool,
    pub(super) totals: Vec<Counter>,
    pub(super) nodes: Vec<(u32, Vec<Counter>)>,
    pub(super) zones: Vec<ZoneDraft>,
    pub(super) machine: Vec<Machine>,
    pub(super) columns: Option<Columns>,
    pub(super) rows: Vec<TaskRow>,
    pub(super) rows_left_out: bool,
    /// Lines of it were missed.
    pub(super) has_gap: bool,
    pub(super) summary: Option<Choice>,
    pub(super) chosen: Option<Scored>,
    pub(super) kills: Vec<Kill>,
    pub(super) group: Option<Name>,
    pub(super) none_killable: bool,
    pub(super) already_exiting: Option<(i32, Name)>,
    pub(super) unread: u32,
    /// Lines that could not be read while the table was printed.
    pub(super) unread_rows: u32,
    /// Lines since the last one that belonged to it.
    pub(super) idle: u32,
    /// What is being printed.
    pub(super) part: Part,
    /// A line that only this report can end has come.
    pub(super) ended: bool,
}

/// Parts whose lines do not tell by themselves what they belong to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Part {
    #[default]
    None,
    Stack,
    Stats,
    Table,
}

impl Draft {
    pub(super) fn new(id: u64, caller: Option<Caller>, at: u64) -> Self {
        Self { id, caller, first: at, last: at, ..Self::default() }
    }

    /// Whether it is about an OOM. `Mem-Info` also comes with other messages.
    pub(super) fn is_oom(&self) -> bool {
        self.trigger.is_some()
            || self.columns.is_some()
            || self.summary.is_some()
            || self.chosen.is_some()
            || !self.kills.is_empty()
            || !self.usages.is_empty()
            || self.none_killable
            || self.already_exiting.is_some()
    }

    /// Whether nothing but the kill is there.
    pub(super) fn is_kill_only(&self) -> bool {
        self.trigger.is_none()
            && self.columns.is_none()
            && self.summary.is_none()
            && self.usages.is_empty()
            && !self.mem_info
            && !self.none_killable
    }

    /// Takes what a line says. False: it is not of this report.
    pub(super) fn take(&mut self, fact: Fact<'_>, at: u64) -> bool {
        let part = match &fact {
            Fact::CallTrace | Fact::Frame(_) => Part::Stack,
            Fact::MemcgStats { .. } | Fact::Stat(..) => Part::Stats,
            Fact::TableTitle | Fact::TableHeader(_) | Fact::Row(_) => Part::Table,
            Fact::Known => self.part,
            _ => Part::None,
        };
        match fact {
            Fact::Trigger(trigger) => self.trigger = Some(trigger.into()),
            Fact::Context(context) => {
                // One of another message may come between.
                self.context.get_or_insert_with(|| context.into());
            }
            Fact::Cpuset { cpuset, mems_allowed } => {
                self.cpuset = Some((Name::from(cpuset), Name::from(mems_allowed)));
            }
            Fact::CallTrace => {
                self.frames.get_or_insert_default();
            }
            Fact::Frame(frame) => self.frame(frame),
            Fact::Known | Fact::TableTitle => {}
            Fact::TaskIn { task, limit } => self.task_in = Some((Name::from(task), Name::from(limit))),
            Fact::Usage(usage) => {
                if self.usages.iter().all(|seen| seen.of != usage.of) {
                    self.usages.push(usage);
                }
            }
            Fact::MemcgStats { path, counters } => {
                // The first is that of the limit, others are below it.
                if self.stats.is_none() {
                    let counters = counters.into_iter().map(|(name, value)| counter(name, value)).collect();
                    self.stats = Some((Name::from(path), counters));
                }
            }
            Fact::Stat(name, value) => {
                if let Some((_, counters)) = &mut self.stats
                    && counters.len() < MOST
                {
                    counters.push(counter(name, value));
                }
            }
            Fact::MemInfo => self.mem_info = true,
            Fact::Totals(pairs) => {
                let room = MOST.saturating_sub(self.totals.len());
                self.totals.extend(pairs.into_iter().take(room).map(|(name, value)| counter(name, value)));
            }
            Fact::Node { node, counters } => {
                if self.nodes.len() < MOST {
                    let counters = counters.into_iter().map(|(name, value)| counter(name, value)).collect();
                    self.nodes.push((node, counters));
                }
            }
            Fact::Zone(zone) => {
                if self.zones.len() < MOST {
                    self.zones.push(zone.into());
                }
            }
            Fact::Reserve(reserve) => {
                if let Some(zone) = self.zones.last_mut() {
                    zone.reserve = reserve;
                }
            }
            Fact::Buddy(buddy) => self.buddy(buddy),
            Fact::Machine(number) => {
                if self.machine.len() < MOST {
                    self.machine.push(number);
                }
            }
            Fact::TableHeader(columns) => self.columns = Some(columns),
            Fact::Row(row) => {
                if self.rows.len() < MOST_ROWS {
                    self.rows.push(row.into());
                } else {
                    self.rows_left_out = true;
                }
            }
            Fact::Summary(summary) => self.summary = Some(summary.into()),
            Fact::Chosen { prefix, pid, comm, score } => {
                self.chosen = Some(Scored { prefix: Name::from(prefix), pid, comm: Name::from(comm), score });
            }
            Fact::Killed(killed) => {
                self.kills.push(Kill::new(killed, at));
                self.ended = true;
            }
            Fact::Group(path) => self.group = Some(Name::from(path)),
            Fact::NoneKillable => {
                self.none_killable = true;
                self.ended = true;
            }
            Fact::AlreadyExiting { pid, comm } => {
                self.already_exiting = Some((pid, Name::from(comm)));
                self.ended = true;
            }
            Fact::SwapOn(_) | Fact::Boot(_) | Fact::Reaped { .. } | Fact::Suppressed(_) => return false,
        }
        self.part = part;
        self.last = self.last.max(at);
        self.idle = 0;
        true
    }

    fn frame(&mut self, frame: Option<grammar::Frame<'_>>) {
        let (Some(frames), Some(frame)) = (&mut self.frames, frame) else { return };
        if frames.len() >= MOST_FRAMES {
            self.frames_cut = true;
            return;
        }
        frames.push(Frame {
            function: Some(Name::from(frame.function)),
            offset: Some(frame.offset),
            size: Some(frame.size),
            module: frame.module.map(Name::from),
        });
    }

    fn buddy(&mut self, buddy: Buddy<'_>) {
        let same = |zone: &&mut ZoneDraft| zone.node == buddy.node && &*zone.name == buddy.name;
        if let Some(zone) = self.zones.iter_mut().find(same) {
            zone.blocks = buddy.blocks;
            zone.page_kb = buddy.page_kb;
        } else if self.zones.len() < MOST {
            self.zones.push(ZoneDraft {
                node: buddy.node,
                name: Name::from(buddy.name),
                blocks: buddy.blocks,
                page_kb: buddy.page_kb,
                ..ZoneDraft::default()
            });
        }
    }

    /// A line that seems to be somebody else's. A name with a newline in it goes on in the next line, which has the same stamp.
    pub(super) fn other(&mut self, text: &[u8], at: u64) {
        self.idle = self.idle.saturating_add(1);
        if self.part == Part::Table
            && at == self.last
            && self.idle == 1
            && let Some(row) = self.rows.last_mut()
            && row.comm.len() + 1 + text.len() <= LONGEST_COMM
        {
            row.comm = Name::from([&row.comm[..], b"\n", text].concat());
            self.idle = 0;
        }
    }

    /// Lines are missing here.
    pub(super) fn gap(&mut self) {
        self.has_gap = true;
        self.rows_left_out |= self.part == Part::Table || self.columns.is_none();
    }

    /// A line that belongs to it and could not be read.
    pub(super) fn unread(&mut self) {
        self.unread = self.unread.saturating_add(1);
        if self.part == Part::Table {
            self.unread_rows = self.unread_rows.saturating_add(1);
        }
        self.idle = 0;
    }

    pub(super) fn usage(&self, of: Of) -> Option<&Usage> {
        self.usages.iter().find(|usage| usage.of == of)
    }

    /// The row of a process, by its id or that of the thread that has its memory.
    pub(super) fn row(&self, pid: i32) -> Option<&TaskRow> {
        self.rows.iter().find(|row| row.pid == pid).or_else(|| self.rows.iter().find(|row| row.tid == pid))
    }

    pub(super) fn has_column(&self, column: Column) -> bool {
        self.columns.as_ref().is_some_and(|columns| columns.has(column))
    }
}

fn counter(name: &[u8], value: u64) -> Counter {
    Counter { name: Name::from(name), value }
}
