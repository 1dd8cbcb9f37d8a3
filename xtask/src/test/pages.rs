//! `oomtrace report`'s pages in Chromium: used by a script (`pages/drive.js`), and pictures of them to be looked at.
//!
//! Chromium is Debian's, installed by the machine's own apt. Where it cannot be had or does not run, the tests are skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::report::{Report, Verdict};
use crate::{apt, run, workspace};

/// Longest time for one page. What it takes is told, and is no verdict.
const AT_MOST: Duration = Duration::from_secs(90);
/// Pages, how wide, and how many candidates their first episode has (0: it is not looked at).
const USED: [(&str, &str, u32); 7] = [
    ("memcg", "1280", 14),
    ("memcg", "400", 14),
    ("before", "400", 5),
    ("names", "1280", 0),
    ("large-1-20000", "1280", 20_000),
    ("large-8-300", "1280", 300),
    ("corpus", "1280", 0),
];
/// Pictures: page, width, theme.
const SHOWN: [(&str, &str, &str); 4] = [
    ("before", "1280", "show"),
    ("before", "1280", "show-dark"),
    ("before", "400", "show"),
    ("before", "400", "show-dark"),
];

/// Runs what is wanted of it.
pub(super) fn run(report: &Report, filter: Option<&str>) {
    let name = |page: &str, width: &str| format!("pages/{page}-{width}");
    let wanted = |name: &str| filter.is_none_or(|filter| name.contains(filter));
    let used: Vec<_> = USED.iter().filter(|(page, width, _)| wanted(&name(page, width))).collect();
    let pictures = wanted("pages/pictures");
    if used.is_empty() && !pictures {
        return;
    }
    let browser = Browser::start();
    for (page, width, candidates) in used {
        let started = Instant::now();
        let verdict = verdict(&browser, |browser| browser.used(page, width, *candidates));
        report.add(&name(page, width), verdict, &super::took(started));
    }
    if pictures {
        let started = Instant::now();
        report.add("pages/pictures", verdict(&browser, Browser::pictures), &super::took(started));
    }
}

fn verdict(browser: &Result<Browser, Verdict>, test: impl FnOnce(&Browser) -> Result<()>) -> Verdict {
    match browser {
        Err(verdict) => verdict.clone(),
        Ok(browser) => {
            test(browser).map_or_else(|error| Verdict::Failed(format!("{error:#}")), |()| Verdict::Passed)
        }
    }
}

/// Chromium, and the pages.
struct Browser {
    folder: tempfile::TempDir,
}

impl Browser {
    /// The error is what every test of it comes to.
    fn start() -> Result<Self, Verdict> {
        apt::install("chromium", "chromium").map_err(|error| Verdict::Skipped(last_line(&error)))?;
        let failed = |error: anyhow::Error| Verdict::Failed(format!("{error:#}"));
        let folder = tempfile::tempdir().map_err(|error| failed(error.into()))?;
        let browser = Self { folder };
        let dom = browser.chromium(&["--dump-dom".to_owned(), "data:text/html,<p>here</p>".to_owned()]);
        match dom {
            Ok(dom) if dom.contains("<p>here</p>") => {}
            Ok(dom) => return Err(Verdict::Skipped(format!("Chromium shows nothing here: {dom}"))),
            Err(error) => return Err(Verdict::Skipped(last_line(&error))),
        }
        browser.make().map_err(failed)?;
        Ok(browser)
    }

    /// Makes the pages, as a test of oomtrace's own does.
    fn make(&self) -> Result<()> {
        let mut test = run::cargo();
        test.args(["test", "--quiet", "--package", "oomtrace", "--test", "reports", "pages_for_a_browser"]);
        run::check_quietly(test.env("OOMTRACE_PAGES", self.folder.path()))?;
        for (name, text) in
            [("drive.html", include_str!("pages/drive.html")), ("drive.js", include_str!("pages/drive.js"))]
        {
            fs::write(self.folder.path().join(name), text)?;
        }
        Ok(())
    }

    /// Uses a page, and tells what was not right.
    fn used(&self, page: &str, width: &str, candidates: u32) -> Result<()> {
        let address = self.address(page, width, &candidates.to_string());
        let dom =
            self.chromium(&["--virtual-time-budget=30000".to_owned(), "--dump-dom".to_owned(), address])?;
        let result =
            dom.split_once("data-done=\"\">").and_then(|(_, rest)| rest.split_once("</pre>")).with_context(
                || format!("it did not come to its end: {}", dom.chars().take(2000).collect::<String>()),
            )?;
        let result: Value = serde_json::from_str(&unescaped(result.0)).context("what the script tells")?;
        let problems = result["problems"].as_array().context("no list of problems")?;
        let problems: Vec<&str> = problems.iter().filter_map(Value::as_str).collect();
        ensure!(problems.is_empty(), "{}", problems.join("\n"));
        println!("         ready after {} ms", result["ready"]);
        Ok(())
    }

    /// Makes pictures of a page, each of a size that something can be seen on.
    fn pictures(&self) -> Result<()> {
        let folder = pictures();
        fs::create_dir_all(&folder)?;
        for (page, width, theme) in SHOWN {
            let picture = folder.join(format!("{page}-{width}-{theme}.png"));
            let _ = fs::remove_file(&picture);
            self.chromium(&[
                format!("--window-size={width},2400"),
                format!("--screenshot={}", picture.display()),
                self.address(page, width, theme),
            ])?;
            let bytes = fs::metadata(&picture).with_context(|| picture.display().to_string())?.len();
            ensure!(bytes > 20_000, "{} has {bytes} bytes: there is little on it", picture.display());
        }
        println!("         pictures are in {}", folder.display());
        Ok(())
    }

    fn address(&self, page: &str, width: &str, what: &str) -> String {
        format!("file://{}?{page}.html&{width}&{what}", self.folder.path().join("drive.html").display())
    }

    /// What Chromium writes. A profile of its own, no network, and the frame's page may be looked into.
    fn chromium(&self, args: &[String]) -> Result<String> {
        let files = tempfile::tempdir()?;
        let (out, log) = (files.path().join("out"), files.path().join("log"));
        let mut command = Command::new("chromium");
        command.args(["--headless", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]);
        command.args(["--no-first-run", "--disable-background-networking", "--allow-file-access-from-files"]);
        command.arg(format!("--user-data-dir={}", self.folder.path().join("profile").display()));
        if rustix::process::geteuid().is_root() {
            // Its sandbox does not work for root.
            command.arg("--no-sandbox");
        }
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(fs::File::create(&out)?)
            .stderr(fs::File::create(&log)?);
        let mut child = command.spawn().map_err(|error| run::explain_spawn(&command, error))?;
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if started.elapsed() > AT_MOST {
                child.kill()?;
                child.wait()?;
                bail!("Chromium took longer than {} s", AT_MOST.as_secs());
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        ensure!(
            status.success(),
            "Chromium ended with {status}:\n{}",
            fs::read_to_string(&log).unwrap_or_default()
        );
        Ok(String::from_utf8_lossy(&fs::read(&out)?).into_owned())
    }
}

/// Where pictures are left.
fn pictures() -> PathBuf {
    Path::new(&workspace::target()).join("pages")
}

fn last_line(error: &anyhow::Error) -> String {
    let told = format!("{error:#}");
    told.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned()
}

/// Text of an element, as the browser writes it.
fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
