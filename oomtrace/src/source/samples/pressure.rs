//! `/proc/pressure/memory` (Linux 4.20 and later): `some avg10=0.00 avg60=0.00 avg300=0.13 total=40960614`, and the same of `full`.
//! Where PSI is turned off the file cannot be read, or is not there.

use crate::model::sample::Psi;

/// Both lines.
pub(super) fn parse(text: &[u8]) -> (Option<Psi>, Option<Psi>) {
    let Ok(text) = std::str::from_utf8(text) else { return (None, None) };
    let line = |which: &str| text.lines().find_map(|line| psi(line.strip_prefix(which)?));
    (line("some "), line("full "))
}

fn psi(line: &str) -> Option<Psi> {
    let mut psi = Psi::default();
    let mut known = 0;
    for word in line.split_ascii_whitespace() {
        let (key, value) = word.split_once('=')?;
        match key {
            "avg10" => psi.avg10 = hundredths(value)?,
            "avg60" => psi.avg60 = hundredths(value)?,
            "avg300" => psi.avg300 = hundredths(value)?,
            "total" => psi.total_us = value.parse().ok()?,
            _ => continue,
        }
        known += 1;
    }
    (known == 4).then_some(psi)
}

/// `12.34`: two decimals, as the kernel has them.
fn hundredths(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.')?;
    let part: u32 = Some(part).filter(|part| part.len() == 2)?.parse().ok()?;
    whole.parse::<u32>().ok()?.checked_mul(100)?.checked_add(part)
}
