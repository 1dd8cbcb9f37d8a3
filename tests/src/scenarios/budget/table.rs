//! The committed figures, and how far a run may be from them.

use anyhow::{Context as _, Result, bail};

use crate::harness::stage::Stage;
use crate::skip;

/// The table. Lines of `kernel flavour figure value`.
const TABLE: &str = include_str!("budgets.txt");

/// How far a figure may be from the table, per cent of it: kernels get updates, which move these numbers a little.
pub(super) const MARGIN: u64 = 15;

/// What one run came to.
#[derive(Default)]
pub(super) struct Figures(Vec<(String, u64)>);

impl Figures {
    pub(super) fn add(&mut self, name: &str, value: u64) {
        self.0.push((name.to_owned(), value));
    }

    /// Fails when a figure is not in the table or too far from it, and says what the table would have to say.
    pub(super) fn compare(&self, stage: &Stage) -> Result<()> {
        let (kernel, flavour) = (kernel()?, stage.flavour().to_string());
        let now = self.0.iter().map(|(name, value)| format!("\n{kernel} {flavour} {name} {value}"));
        let now: String = now.collect();
        if self.0.iter().all(|(name, _)| stated(&kernel, &flavour, name).is_none()) {
            skip!("budgets.txt states none of these figures for {kernel}, {flavour}:{now}");
        }
        let mut wrong = Vec::new();
        for (name, value) in &self.0 {
            match stated(&kernel, &flavour, name) {
                Some(stated) if value.abs_diff(stated) * 100 <= stated * MARGIN => {}
                Some(stated) => wrong.push(format!("{name} is {value}, and {stated} in the table")),
                None => wrong.push(format!("{name} is {value}, and not in the table")),
            }
        }
        if wrong.is_empty() {
            return Ok(());
        }
        bail!(
            "{} figures are not within {MARGIN} % of budgets.txt\n{}\nif that is meant, its lines become:{now}",
            wrong.len(),
            wrong.join("\n")
        )
    }
}

fn stated(kernel: &str, flavour: &str, name: &str) -> Option<u64> {
    TABLE.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut words = line.split_whitespace();
        let found = [words.next()?, words.next()?, words.next()?] == [kernel, flavour, name];
        if found { words.next()?.parse().ok() } else { None }
    })
}

/// `6.1` of `6.1.0-56-cloud-amd64`.
fn kernel() -> Result<String> {
    let release =
        std::fs::read_to_string("/proc/sys/kernel/osrelease").context("failed to read the release")?;
    let mut numbers = release.split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    Ok(format!("{major}.{minor}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_a_figure_and_none_comes_twice() {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let mut names: Vec<&str> = lines
            .map(|line| {
                let (name, value) = line.rsplit_once(' ').expect("a value comes last");
                value.parse::<u64>().expect("it is a number");
                assert_eq!(name.split(' ').count(), 3, "{line}");
                name
            })
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
