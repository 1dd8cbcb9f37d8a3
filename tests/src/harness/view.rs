//! The JSON lines as the tests see them: the fields they check, read strictly.
//!
//! Written against `docs/json-format.md` and not against oomtrace's own types: a field that is renamed or changes its type
//! fails here.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::bytes::from_hex;

/// An `episode` line.
#[derive(Clone, Debug)]
pub struct Episode {
    /// The whole object, for fields that only one scenario looks at.
    pub json: Value,
    /// `id`.
    pub id: u64,
    /// `outcome`.
    pub outcome: String,
    /// `memcg.path`; `None` for a global OOM.
    pub memcg: Option<Vec<u8>>,
    /// `candidates`.
    pub candidates: Vec<Candidate>,
    /// `victims`.
    pub victims: Vec<Victim>,
}

/// A member of `candidates`.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Who.
    pub task: Task,
    /// `verdict`.
    pub verdict: String,
    /// `reason`.
    pub reason: Option<String>,
    /// `points`.
    pub points: Option<i64>,
    /// The memory parts; each is unknown without an mm.
    pub memory: Memory,
    /// `total_vm_pages`.
    pub total_vm_pages: Option<i64>,
    /// `memory_exact`.
    pub memory_exact: Option<bool>,
    /// `explained.points`.
    pub explained_points: Option<i64>,
    /// `explained.memory_pages`.
    pub explained_memory_pages: Option<i64>,
    /// `scan_index`.
    pub scan_index: Option<i64>,
}

/// A member of `victims`.
#[derive(Clone, Debug)]
pub struct Victim {
    /// Who.
    pub task: Task,
    /// `why`.
    pub why: String,
    /// `exited_boot_ns`.
    pub exited_boot_ns: Option<u64>,
}

/// The fields of a task.
#[derive(Clone, Debug)]
pub struct Task {
    /// Process id.
    pub pid: i32,
    /// Thread id.
    pub tid: i32,
    /// Name, byte for byte.
    pub comm: Vec<u8>,
    /// Uid.
    pub uid: Option<i64>,
    /// `oom_score_adj`.
    pub oom_score_adj: Option<i64>,
    /// Path of its memory cgroup.
    pub cgroup: Option<Vec<u8>>,
}

/// The memory of a candidate.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// `rss_anon_pages`.
    pub anon: Option<i64>,
    /// `rss_file_pages`.
    pub file: Option<i64>,
    /// `rss_shmem_pages`.
    pub shmem: Option<i64>,
    /// `swap_entries`.
    pub swap: Option<i64>,
    /// `pgtables_bytes`.
    pub pgtables_bytes: Option<i64>,
}

impl Memory {
    /// Resident pages, when all three kinds are known.
    pub fn rss(self) -> Option<i64> {
        Some(self.anon? + self.file? + self.shmem?)
    }
}

impl Episode {
    /// Reads an `episode` object.
    pub fn read(json: &Value) -> Result<Self> {
        let memcg = need(json, "memcg")?;
        let list = |key: &str| need(json, key)?.as_array().with_context(|| format!("{key} is no list"));
        Ok(Self {
            json: json.clone(),
            id: need(json, "id")?.as_u64().context("id is no number")?,
            outcome: string(json, "outcome")?,
            memcg: if memcg.is_null() { None } else { name(need(memcg, "path")?)? },
            candidates: list("candidates")?.iter().map(Candidate::read).collect::<Result<_>>()?,
            victims: list("victims")?.iter().map(Victim::read).collect::<Result<_>>()?,
        })
    }

    /// A number of this line, `None` for null.
    pub fn number(&self, key: &str) -> Result<Option<i64>> {
        number(&self.json, key)
    }

    /// A string of this line.
    pub fn string(&self, key: &str) -> Result<String> {
        string(&self.json, key)
    }

    /// A boolean of this line.
    pub fn is(&self, key: &str) -> Result<bool> {
        need(&self.json, key)?.as_bool().with_context(|| format!("{key} is no boolean"))
    }

    /// The trigger.
    pub fn trigger(&self) -> Result<Task> {
        Task::read(need(&self.json, "trigger")?).context("trigger")
    }

    /// The one with verdict `chosen`.
    pub fn chosen(&self) -> Option<&Candidate> {
        self.candidates.iter().find(|candidate| candidate.verdict == "chosen")
    }

    /// The candidate of a process.
    pub fn candidate(&self, pid: i32) -> Option<&Candidate> {
        self.candidates.iter().find(|candidate| candidate.task.pid == pid)
    }

    /// Process ids of the victims, in order.
    pub fn victim_pids(&self) -> Vec<i32> {
        self.victims.iter().map(|victim| victim.task.pid).collect()
    }

    /// Whether it is an OOM of the cgroup at `path`.
    pub fn is_of(&self, path: &str) -> bool {
        self.memcg.as_deref() == Some(path.as_bytes())
    }

    /// A counter below `folded`.
    pub fn folded(&self, key: &str) -> Result<u64> {
        need(need(&self.json, "folded")?, key)?.as_u64().with_context(|| format!("folded.{key} is no number"))
    }

    /// All counters below `lost` that are not zero, as text; empty when nothing was lost.
    pub fn losses(&self) -> Result<String> {
        losses(&self.json)
    }
}

impl Candidate {
    fn read(json: &Value) -> Result<Self> {
        let explained = need(json, "explained")?;
        let memory_exact = need(json, "memory_exact")?;
        let of_explained = |key| if explained.is_null() { Ok(None) } else { number(explained, key) };
        Ok(Self {
            task: Task::read(json)?,
            verdict: string(json, "verdict")?,
            reason: optional_string(json, "reason")?,
            points: number(json, "points")?,
            memory: Memory::read(json)?,
            total_vm_pages: number(json, "total_vm_pages")?,
            memory_exact: memory_exact.as_bool(),
            explained_points: of_explained("points")?,
            explained_memory_pages: of_explained("memory_pages")?,
            scan_index: number(json, "scan_index")?,
        })
    }
}

impl Victim {
    fn read(json: &Value) -> Result<Self> {
        let exited = need(json, "exited_boot_ns")?;
        Ok(Self { task: Task::read(json)?, why: string(json, "why")?, exited_boot_ns: exited.as_u64() })
    }
}

impl Task {
    fn read(json: &Value) -> Result<Self> {
        let id = |key: &str| -> Result<i32> {
            let id = number(json, key)?.with_context(|| format!("{key} is null"))?;
            i32::try_from(id).with_context(|| format!("{key} is {id}"))
        };
        Ok(Self {
            pid: id("pid")?,
            tid: id("tid")?,
            comm: name(need(json, "comm")?)?.context("comm is null")?,
            uid: number(json, "uid")?,
            oom_score_adj: number(json, "oom_score_adj")?,
            cgroup: name(need(json, "cgroup")?)?,
        })
    }
}

impl Memory {
    fn read(json: &Value) -> Result<Self> {
        Ok(Self {
            anon: number(json, "rss_anon_pages")?,
            file: number(json, "rss_file_pages")?,
            shmem: number(json, "rss_shmem_pages")?,
            swap: number(json, "swap_entries")?,
            pgtables_bytes: number(json, "pgtables_bytes")?,
        })
    }
}

/// A member that must be there, though it may be null.
pub fn need<'a>(json: &'a Value, key: &str) -> Result<&'a Value> {
    json.get(key).with_context(|| format!("there is no {key}"))
}

/// A string.
pub fn string(json: &Value, key: &str) -> Result<String> {
    optional_string(json, key)?.with_context(|| format!("{key} is null"))
}

/// All counters of `json.lost` that are not zero, as text; empty when nothing was lost.
pub fn losses(json: &Value) -> Result<String> {
    let lost = need(json, "lost")?.as_object().context("lost is no object")?;
    let mut words = Vec::new();
    for (cause, count) in lost {
        // Not counted by this kernel, or not for this line.
        if count.is_null() && cause == "missed_runs" {
            continue;
        }
        let count = count.as_u64().with_context(|| format!("lost.{cause} is no number"))?;
        if count > 0 {
            words.push(format!("{cause} {count}"));
        }
    }
    Ok(words.join(", "))
}

fn optional_string(json: &Value, key: &str) -> Result<Option<String>> {
    match need(json, key)? {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        other => bail!("{key} is no string: {other}"),
    }
}

fn number(json: &Value, key: &str) -> Result<Option<i64>> {
    match need(json, key)? {
        Value::Null => Ok(None),
        value => value.as_i64().map(Some).with_context(|| format!("{key} is no integer: {value}")),
    }
}

/// The bytes of a name in either of its two forms; `None` for null.
fn name(json: &Value) -> Result<Option<Vec<u8>>> {
    match json {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone().into_bytes())),
        Value::Object(_) => {
            let bytes = from_hex(&string(json, "bytes")?).context("bytes is not hex")?;
            // The object form is for names that are not UTF-8, and for those only.
            if std::str::from_utf8(&bytes).is_ok() {
                bail!("a UTF-8 name came as bytes: {json}");
            }
            string(json, "text")?;
            Ok(Some(bytes))
        }
        other => bail!("not a name: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{losses, name};

    #[test]
    fn names_come_in_two_forms() {
        assert_eq!(name(&json!("a b")).unwrap().unwrap(), b"a b");
        assert_eq!(name(&json!({"bytes": "61ff", "text": "a\\xff"})).unwrap().unwrap(), b"a\xff");
        assert_eq!(name(&json!(null)).unwrap(), None);
        assert!(name(&json!({"bytes": "61", "text": "a"})).is_err());
        assert!(name(&json!({"bytes": "6", "text": "a"})).is_err());
        assert!(name(&json!(7)).is_err());
    }

    #[test]
    fn losses_name_their_cause() {
        assert_eq!(losses(&json!({"lost": {"candidates": 3, "reads": 0}})).unwrap(), "candidates 3");
        assert_eq!(losses(&json!({"lost": {"candidates": 0, "missed_runs": null}})).unwrap(), "");
        assert!(losses(&json!({"lost": {"candidates": null}})).is_err());
        assert!(losses(&json!({})).is_err());
    }
}
