//! A kernel, and what it makes of a process.

use crate::model::SessionInfo;
use crate::model::episode::{Cause, Explained};
use crate::model::observation::Memory;
use crate::model::session::SourceKind;

use super::era::{Era, Release};
use super::{cause, memory_pages, paged, signed, thousandths};

/// The kernel that scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// Its release.
    pub release: Release,
    /// Bytes in a page.
    pub page_size: u32,
    /// CPUs; `None` when not known.
    pub cpus: Option<u32>,
    /// RSS counters are per-CPU counters.
    pub percpu: bool,
    /// Parts were read from the kernel's memory, not from its log.
    pub live: bool,
}

/// What the scorer looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Memory of its mm.
    pub memory: Memory,
    /// `oom_score_adj`.
    pub oom_score_adj: i16,
    /// Whether it has CAP_SYS_ADMIN, which matters from 2.6.36 to 4.16; `None` when not known.
    pub sys_admin: Option<bool>,
}

/// What the scorer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scored {
    /// Pages from 3.5 on, thousandths from 2.6.36 to 3.4.
    Points(i64),
    /// Protected by -1000.
    Unkillable,
    /// The kernel is older than 2.6.36: see [`NOT_COMPARABLE`](super::NOT_COMPARABLE).
    NotComparable,
}

impl Kernel {
    /// The kernel of a session; `None` when its release is not known.
    #[must_use]
    pub fn of(info: &SessionInfo) -> Option<Self> {
        Some(Self {
            release: Release::parse(info.formula_release()?)?,
            page_size: info.page_size,
            cpus: info.cpus,
            percpu: info.rss_counters_percpu,
            live: match info.source {
                SourceKind::Fentry | SourceKind::Kprobe => true,
                SourceKind::Log | SourceKind::Import => false,
            },
        })
    }

    /// Whether its points are pages, to which an adjustment is added.
    #[must_use]
    pub fn scores_in_pages(&self) -> bool {
        self.release.era() > Era::Thousandths
    }

    /// Scores by this kernel's formula. `None` when something that it needs is not known.
    #[must_use]
    pub fn score(&self, subject: &Subject, totalpages: u64) -> Option<Scored> {
        let era = self.release.era();
        if era == Era::Heuristic {
            return Some(Scored::NotComparable);
        }
        if subject.oom_score_adj == -1000 {
            return Some(Scored::Unkillable);
        }
        let memory = memory_pages(&subject.memory, self.page_size)?;
        let adj = subject.oom_score_adj;
        Some(Scored::Points(match era {
            Era::Heuristic => return Some(Scored::NotComparable),
            Era::Thousandths => thousandths::points(memory, adj, subject.sys_admin?, totalpages),
            Era::BonusOfTotal => paged::bonus_of_total(memory, adj, subject.sys_admin?, totalpages),
            Era::BonusOfOwn => paged::bonus_of_own(memory, adj, subject.sys_admin?, totalpages),
            Era::Floored => paged::no_bonus(memory, adj, totalpages),
            Era::Signed => memory.saturating_add(signed::adj_pages(adj, totalpages)),
        }))
    }

    /// Sets the kernel's points beside ours, and says why they differ. `None` when nothing can be recomputed.
    #[must_use]
    pub fn explain(&self, kernel_points: i64, subject: &Subject, totalpages: u64) -> Option<Explained> {
        let Scored::Points(ours) = self.score(subject, totalpages)? else { return None };
        let difference = kernel_points.saturating_sub(ours);
        let cause = (difference != 0).then(|| self.cause(kernel_points, subject, totalpages, difference));
        let memory_pages = match self.release.era() {
            // Nothing is cut off there: the memory that the kernel has counted follows from its points.
            Era::Signed => signed::memory_part(kernel_points, subject.oom_score_adj, totalpages),
            _ => memory_pages(&subject.memory, self.page_size)?,
        };
        Some(Explained { points: ours, difference, memory_pages, cause })
    }

    /// How far the counters behind two readings can be apart without any memory having changed: why, and pages at most;
    /// `None` when the number of CPUs is not known.
    #[must_use]
    pub fn counter_slack(&self) -> Option<(Cause, i64)> {
        let (cause, most) = cause::slack(self, self.percpu);
        Some((cause, i64::try_from(most?).unwrap_or(i64::MAX)))
    }

    fn cause(&self, kernel_points: i64, subject: &Subject, totalpages: u64, difference: i64) -> Cause {
        if self.release.era().has_root_bonus() {
            let other = Subject { sys_admin: subject.sys_admin.map(|it| !it), ..*subject };
            if self.score(&other, totalpages) == Some(Scored::Points(kernel_points)) {
                return Cause::RootBonus;
            }
        }
        cause::likely(self, difference)
    }
}
