//! What a case consists of. Sizes are KiB. Printed whole when a case fails.

/// A case.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::scenarios) struct Spec {
    /// What it was made from.
    pub(in crate::scenarios) seed: u64,
    /// The cgroups, parents before children; the first has no parent.
    pub(in crate::scenarios) nodes: Vec<Node>,
    /// The processes.
    pub(in crate::scenarios) members: Vec<Member>,
    /// What makes the OOM.
    pub(in crate::scenarios) trigger: Trigger,
    /// Swap that some of the memory is in.
    pub(in crate::scenarios) swap: Option<SwapUse>,
    /// Whether processes may have huge pages.
    pub(in crate::scenarios) huge_pages: bool,
}

/// A cgroup.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::scenarios) struct Node {
    /// Its parent's place in the list.
    pub(in crate::scenarios) parent: Option<usize>,
    /// A limit that is never met.
    pub(in crate::scenarios) roomy_limit_kb: Option<u64>,
}

/// A process.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::scenarios) struct Member {
    /// The cgroup that it is in; a leaf.
    pub(in crate::scenarios) node: usize,
    /// `oom_score_adj`.
    pub(in crate::scenarios) adj: i32,
    /// Anonymous memory.
    pub(in crate::scenarios) anon_kb: u64,
    /// Shared memory.
    pub(in crate::scenarios) shmem_kb: u64,
    /// Mapped pages of a file.
    pub(in crate::scenarios) file_kb: u64,
    /// Page tables beside those of its memory.
    pub(in crate::scenarios) tables: u64,
    /// Threads that sleep.
    pub(in crate::scenarios) threads: u64,
    /// What is odd about it.
    pub(in crate::scenarios) habit: Habit,
    /// What it touches when told to; of one member at most.
    pub(in crate::scenarios) grow_kb: Option<u64>,
    /// It is not there, though it keeps its place in the list.
    pub(in crate::scenarios) absent: bool,
}

/// What is odd about a process; the words of the program `cast`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scenarios) enum Habit {
    /// Nothing.
    Plain,
    /// Its leader has exited.
    Leaderless,
    /// Another process shares its mm.
    Shared,
    /// It waits in `vfork()`.
    Vfork,
}

/// What makes the OOM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scenarios) enum Trigger {
    /// The kernel is asked for it by sysrq-f.
    Sysrq,
    /// The growing member takes all of the machine's memory.
    Machine,
    /// The limit of a cgroup is lowered that much below what is used.
    Lower {
        /// The cgroup.
        node: usize,
        /// How much.
        excess_kb: u64,
    },
    /// The growing member grows beyond the limit of a cgroup.
    Grow {
        /// The cgroup.
        node: usize,
        /// What is left below the limit when it begins.
        room_kb: u64,
    },
    /// The growing member grows beyond a limit that the innermost cgroup has from the start.
    Meet {
        /// The limit.
        limit_kb: u64,
    },
}

/// Swap in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scenarios) struct SwapUse {
    /// What the limited cgroup may swap; of a global OOM, how much is pushed out before.
    pub(in crate::scenarios) kb: u64,
}

impl Spec {
    /// Name of its outermost cgroup.
    pub(in crate::scenarios) fn name(&self) -> String {
        format!("case{}", self.seed)
    }

    /// Whether more may be killed than a few.
    pub(in crate::scenarios) fn many_kills(&self) -> bool {
        self.trigger == Trigger::Machine
    }

    /// The cgroup whose limit is met; `None` for a global OOM.
    pub(in crate::scenarios) fn firing(&self) -> Option<usize> {
        match self.trigger {
            Trigger::Lower { node, .. } | Trigger::Grow { node, .. } => Some(node),
            Trigger::Meet { .. } => Some(self.nodes.len().saturating_sub(1)),
            Trigger::Sysrq | Trigger::Machine => None,
        }
    }

    /// Whether `node` is `ancestor` or below it.
    pub(in crate::scenarios) fn is_within(&self, mut node: usize, ancestor: usize) -> bool {
        loop {
            if node == ancestor {
                return true;
            }
            match self.nodes.get(node).and_then(|node| node.parent) {
                Some(parent) => node = parent,
                None => return false,
            }
        }
    }

    /// The cgroups without children: the only ones that may have processes.
    pub(in crate::scenarios) fn leaves(&self) -> Vec<usize> {
        let is_parent = |at: usize| self.nodes.iter().any(|node| node.parent == Some(at));
        (0..self.nodes.len()).filter(|&at| !is_parent(at)).collect()
    }
}

/// The name that a process of a case has.
pub(in crate::scenarios) fn comm(member: usize) -> String {
    format!("m{member}")
}

impl Habit {
    /// As `cast` knows it.
    pub(in crate::scenarios) fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Leaderless => "leaderless",
            Self::Shared => "shared",
            Self::Vfork => "vfork",
        }
    }
}
