//! The queries of `docs/deploy.md`, over a fleet that `contrib/fleet/oomtrace-export` made of the corpus, as two nodes would.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{DUCKDB, Exports, SPARK, Verdict, python};
use crate::{run, workspace};

/// The page's SQL, by DuckDB.
pub(super) fn duckdb(exports: &Exports) -> Result<Verdict> {
    let fleet = Fleet::make(exports)?;
    let told = match python(DUCKDB, include_str!("deploy_duckdb.py"), fleet.folder.path())? {
        Ok(told) => told,
        Err(reason) => return Ok(Verdict::Skipped(reason)),
    };
    fleet.check(&told)?;
    let queries = told["queries"].as_array().context("no queries")?;
    ensure!(queries.len() >= 6, "only {} queries in docs/deploy.md", queries.len());
    for query in queries {
        // No node has missed a day on which another one had an episode, or some has: both are answers.
        let may_be_empty = query["sql"].as_str().is_some_and(|sql| sql.contains("not in"));
        ensure!(may_be_empty || query["rows"].as_u64() > Some(0), "no row comes of {}", query["sql"]);
    }
    Ok(Verdict::Passed)
}

/// The page's Python, by Spark.
pub(super) fn spark(exports: &Exports) -> Result<Verdict> {
    if !run::exists("java") {
        return Ok(Verdict::Skipped("there is no java".to_owned()));
    }
    let fleet = Fleet::make(exports)?;
    let told = match python(SPARK, include_str!("deploy_spark.py"), fleet.folder.path())? {
        Ok(told) => told,
        Err(reason) => return Ok(Verdict::Skipped(reason)),
    };
    fleet.check(&told)?;
    ensure!(told["kills"] == told["victims"], "{} kills of {} victims", told["kills"], told["victims"]);
    ensure!(told["margins"].as_u64() > Some(0), "no margins");
    Ok(Verdict::Passed)
}

/// A folder with `fleet/` and the page.
struct Fleet {
    folder: tempfile::TempDir,
    /// Episodes that have a time, and their victims: without a time there is no day that they are of.
    episodes: u64,
    victims: u64,
}

impl Fleet {
    fn make(exports: &Exports) -> Result<Self> {
        let folder = tempfile::tempdir().context("a temporary folder")?;
        let listed = exports.lines("list")?;
        let timed: Vec<&Value> = listed.iter().filter(|row| row["time"].is_string()).collect();
        let days: BTreeSet<&str> = timed.iter().filter_map(|row| row["time"].as_str()?.get(..10)).collect();
        for (node, files) in [("node-a", 0), ("node-b", 1)] {
            let recordings = folder.path().join("recordings").join(node);
            fs::create_dir_all(&recordings)?;
            for path in corpus(exports)?.iter().skip(files).step_by(2) {
                fs::copy(path, recordings.join(path.file_name().context("no name")?))?;
            }
            let mut export = Command::new(workspace::root().join("contrib/fleet/oomtrace-export"));
            export.arg(&recordings).arg(folder.path().join("fleet")).args(&days);
            export.env("NODE", node).env("OOMTRACE", workspace::target().join("debug/oomtrace"));
            run::check_quietly(&mut export)?;
        }
        fs::copy(workspace::root().join("docs/deploy.md"), folder.path().join("deploy.md"))?;
        let victims = timed.iter().filter_map(|row| row["victims"].as_u64()).sum();
        Ok(Self { episodes: timed.len() as u64, victims, folder })
    }

    /// Nothing was lost or doubled on the way.
    fn check(&self, told: &Value) -> Result<()> {
        ensure!(told["episodes"] == self.episodes, "{} episodes of {}", told["episodes"], self.episodes);
        ensure!(told["victims"] == self.victims, "{} victims of {}", told["victims"], self.victims);
        Ok(())
    }
}

fn corpus(exports: &Exports) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(&exports.corpus)?.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "oomtrace"));
    files.sort();
    Ok(files)
}
