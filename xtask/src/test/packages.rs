//! What is packaged beside the program: man pages and completions by the programs that read them, the unit by systemd, the DaemonSet by
//! a reader of YAML, and the .deb's list of files.
//!
//! Building the .deb itself is not tested here: it takes the static program, which takes minutes (`cargo xtask dist`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::readers;
use super::report::{Report, Verdict};
use crate::{apt, dist, run, workspace};

const YAML: &[&str] = &["pyyaml==6.0.3"];

/// A test, given the folder with the pages.
type Test = fn(&Path) -> Result<Verdict>;

/// Runs the tests of packages.
pub(super) fn run(report: &Report, filter: Option<&str>) {
    let tests: [(&str, Test); 8] = [
        ("packages/man", man),
        ("packages/completions-bash", bash),
        ("packages/completions-zsh", |pages| parses("zsh", &["-n"], &pages.join("completions/_oomtrace"))),
        ("packages/completions-fish", |pages| {
            parses("fish", &["--no-execute"], &pages.join("completions/oomtrace.fish"))
        }),
        ("packages/unit", unit),
        ("packages/unit-export", |_| {
            units(&["fleet/oomtrace-export.service", "fleet/oomtrace-export.timer"])
        }),
        ("packages/daemonset", daemonset),
        ("packages/deb-files", deb_files),
    ];
    let wanted: Vec<_> = tests.iter().filter(|(name, _)| filter.is_none_or(|it| name.contains(it))).collect();
    if wanted.is_empty() {
        return;
    }
    let pages = dist::pages("2026-01-01");
    for (name, test) in wanted {
        let started = Instant::now();
        let verdict = match &pages {
            Ok(pages) => test(pages).unwrap_or_else(|error| Verdict::Failed(format!("{error:#}"))),
            Err(error) => Verdict::Failed(format!("{error:#}")),
        };
        report.add(name, verdict, &super::took(started));
    }
}

/// mandoc finds nothing to complain about but style: lines are as long as sentences.
fn man(pages: &Path) -> Result<Verdict> {
    if let Err(error) = apt::install("mandoc", "mandoc") {
        return Ok(Verdict::Skipped(format!("{error:#}")));
    }
    let files = files(&pages.join("man"))?;
    ensure!(files.len() > 10, "only {} pages", files.len());
    run::check_quietly(Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).args(&files))?;
    let shown =
        run::stdout_of(Command::new("mandoc").args(["-T", "utf8"]).arg(pages.join("man/oomtrace.1")))?;
    ensure!(shown.contains("live"), "{shown}");
    Ok(Verdict::Passed)
}

/// bash reads the file, and its function completes a command.
fn bash(pages: &Path) -> Result<Verdict> {
    let file = pages.join("completions/oomtrace.bash");
    run::check_quietly(Command::new("bash").arg("-n").arg(&file))?;
    let ask = "source \"$1\"; COMP_WORDS=(oomtrace rep); COMP_CWORD=1; _oomtrace oomtrace rep oomtrace; echo \"${COMPREPLY[@]}\"";
    let answer = run::stdout_of(Command::new("bash").args(["-c", ask, "bash"]).arg(&file))?;
    ensure!(answer.split_whitespace().any(|word| word == "replay"), "rep is completed to {answer}");
    Ok(Verdict::Passed)
}

/// A shell that is there, or can be had, reads its file without running it.
fn parses(shell: &str, only_read: &[&str], file: &Path) -> Result<Verdict> {
    if let Err(error) = apt::install(shell, shell) {
        return Ok(Verdict::Skipped(format!("{error:#}")));
    }
    run::check_quietly(Command::new(shell).args(only_read).arg(file))?;
    Ok(Verdict::Passed)
}

/// systemd knows every word of the recorder's unit, and what is left open is little.
fn unit(_: &Path) -> Result<Verdict> {
    let verdict = units(&["systemd/oomtrace.service"])?;
    if verdict != Verdict::Passed {
        return Ok(verdict);
    }
    let unit = workspace::root().join("contrib/systemd/oomtrace.service");
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--offline=true", "--no-pager"]).arg(unit);
    let told = run::stdout_of(&mut command)?;
    let level = told.rsplit_once("exposure level").and_then(|(_, rest)| rest.split_once(": "));
    let level = level.and_then(|(_, rest)| rest.split_whitespace().next()?.parse::<f64>().ok());
    // docs/privileges.md tells the figure of one version; others weigh differently.
    ensure!(level.context("no exposure level")? < 3.5, "{told}");
    Ok(Verdict::Passed)
}

/// `systemd-analyze verify`, with programs that are there in place of those that would be installed.
fn units(names: &[&str]) -> Result<Verdict> {
    if !run::exists("systemd-analyze") {
        return Ok(Verdict::Skipped("there is no systemd-analyze".to_owned()));
    }
    let folder = tempfile::tempdir().context("a temporary folder")?;
    let mut units = Vec::new();
    for name in names {
        let text = fs::read_to_string(workspace::root().join("contrib").join(name))?;
        let text: Vec<String> = text
            .lines()
            .map(|line| {
                line.replace("=/usr/local/bin/oomtrace-export", "=/bin/true")
                    .replace("ExecStart=oomtrace ", "ExecStart=/bin/true ")
            })
            .collect();
        let unit = folder.path().join(Path::new(name).file_name().context("no name")?);
        fs::write(&unit, text.join("\n") + "\n")?;
        units.push(unit);
    }
    let mut verify = Command::new("systemd-analyze");
    // The man pages that `Documentation=` may name are not installed with the tests.
    verify.args(["verify", "--man=no", "--recursive-errors=no"]).args(&units);
    let output = verify.output().map_err(|error| run::explain_spawn(&verify, error))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let of_ours =
        |line: &&str| names.iter().any(|name| line.contains(name.rsplit('/').next().unwrap_or(name)));
    let complaints: Vec<&str> = told.lines().filter(of_ours).collect();
    ensure!(output.status.success() && complaints.is_empty(), "{}: {told}", run::show(&verify));
    Ok(Verdict::Passed)
}

/// The DaemonSet is YAML, has no more capabilities than `docs/privileges.md` tells of and all that a whole capture needs, and writes nowhere
/// but to its recordings.
fn daemonset(_: &Path) -> Result<Verdict> {
    let script = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(open(sys.argv[1]))), sys.stdout)";
    let file = workspace::root().join("contrib/kubernetes/daemonset.yaml");
    let documents = match readers::python(YAML, script, &file)? {
        Ok(documents) => documents,
        Err(reason) => return Ok(Verdict::Skipped(reason)),
    };
    let documents = documents.as_array().context("no documents")?;
    let of_kind =
        |kind: &str| documents.iter().find(|it| it["kind"] == kind).with_context(|| format!("no {kind}"));
    let set = of_kind("DaemonSet")?;
    ensure!(set["metadata"]["namespace"] == of_kind("Namespace")?["metadata"]["name"], "another namespace");
    ensure!(
        set["spec"]["selector"]["matchLabels"] == set["spec"]["template"]["metadata"]["labels"],
        "it selects other pods"
    );
    let pod = &set["spec"]["template"]["spec"];
    ensure!(pod["priorityClassName"] == "system-node-critical", "{}", pod["priorityClassName"]);
    let container = &pod["containers"][0];
    let security = &container["securityContext"];
    ensure!(security["privileged"] == false && security["readOnlyRootFilesystem"] == true, "{security}");
    ensure!(security["capabilities"]["drop"] == serde_json::json!(["ALL"]), "{security}");

    let names = |list: &Value| -> BTreeSet<String> {
        list.as_array().into_iter().flatten().filter_map(|it| Some(format!("CAP_{}", it.as_str()?))).collect()
    };
    let added = names(&security["capabilities"]["add"]);
    let page = fs::read_to_string(workspace::root().join("docs/privileges.md"))?;
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `CAP_")?.split_once('`'));
    let mut told: BTreeSet<String> = rows.map(|(name, _)| format!("CAP_{name}")).collect();
    // Recordings go to a folder of its own user, root.
    ensure!(told.remove("CAP_DAC_OVERRIDE"), "docs/privileges.md has no CAP_DAC_OVERRIDE: {told:?}");
    ensure!(added == told, "docs/privileges.md has {told:?}, the DaemonSet {added:?}");

    ensure!(container["resources"]["limits"].is_null(), "a limit: {}", container["resources"]);
    let mounts = container["volumeMounts"].as_array().context("no mounts")?;
    let writable: Vec<_> =
        mounts.iter().filter(|it| it["readOnly"] != true).map(|it| &it["mountPath"]).collect();
    ensure!(writable == ["/var/lib/oomtrace"], "{writable:?}");
    let volumes: BTreeSet<&str> =
        pod["volumes"].as_array().into_iter().flatten().filter_map(|it| it["name"].as_str()).collect();
    for mount in mounts {
        ensure!(mount["name"].as_str().is_some_and(|name| volumes.contains(name)), "no volume for {mount}");
    }
    let args: Vec<&str> =
        container["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    ensure!(args.contains(&"--dir=/var/lib/oomtrace"), "{args:?}");
    Ok(Verdict::Passed)
}

/// Every file that the .deb is to have is there, its pages as they were just written.
fn deb_files(_: &Path) -> Result<Verdict> {
    let told = run::stdout_of(run::cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let told: Value = serde_json::from_str(&told).context("cargo's metadata")?;
    let packages = told["packages"].as_array().context("no packages")?;
    let package = packages.iter().find(|it| it["name"] == "oomtrace").context("no package oomtrace")?;
    let deb = &package["metadata"]["deb"];
    let crate_folder = workspace::root().join("oomtrace");
    let mut places = BTreeSet::new();
    for asset in deb["assets"].as_array().context("no assets")? {
        let (source, place) =
            (asset[0].as_str().context("no source")?, asset[1].as_str().context("no place")?);
        places.insert(place);
        if source == "target/release/oomtrace" {
            continue;
        }
        // What follows the first star is taken from all that is there.
        let (folder, star) = source.split_once('*').map_or((source, false), |(folder, _)| (folder, true));
        let path = crate_folder.join(folder);
        ensure!(path.exists() && (!star || !files(&path)?.is_empty()), "{source} is not there");
    }
    for place in ["usr/bin/", "usr/share/man/man1/", "usr/share/bash-completion/completions/oomtrace"] {
        ensure!(places.contains(place), "nothing goes to {place}: {places:?}");
    }
    let units = crate_folder.join(deb["systemd-units"]["unit-scripts"].as_str().context("no units")?);
    ensure!(units.join("oomtrace.service").exists(), "no unit in {}", units.display());
    ensure!(deb["systemd-units"]["enable"] == false && deb["systemd-units"]["start"] == false, "{deb}");
    Ok(Verdict::Passed)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}
