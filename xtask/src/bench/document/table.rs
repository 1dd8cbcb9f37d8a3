//! Tables of Markdown, and numbers in them.

/// A table under construction.
pub(super) struct Table {
    text: String,
}

impl Table {
    /// With these headings; all columns but the first are numbers.
    pub(super) fn new(headings: &[String]) -> Self {
        let mut table = Self { text: String::new() };
        table.row(headings);
        let rule: Vec<&str> =
            headings.iter().enumerate().map(|(at, _)| if at == 0 { "---" } else { "---:" }).collect();
        table.text.push_str(&format!("|{}|\n", rule.join("|")));
        table
    }

    pub(super) fn row<S: AsRef<str>>(&mut self, cells: &[S]) {
        let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
        self.text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }

    pub(super) fn finish(self) -> String {
        format!("{}\n", self.text)
    }
}

/// A number with about three digits, thousands apart.
pub(super) fn number(value: f64) -> String {
    let decimals = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.decimals$}");
    let (whole, rest) =
        text.split_once('.').map_or((text.as_str(), String::new()), |(w, r)| (w, format!(".{r}")));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 && digit != '-' {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + &rest
}

/// A number, or a dash where there is none.
pub(super) fn cell(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), number)
}

/// How many times another one it is, as in `2.9x`.
pub(super) fn times(value: Option<f64>, of: Option<f64>) -> Option<String> {
    let ratio = value? / of.filter(|of| *of > 0.0)?;
    Some(if ratio >= 10.0 { format!("{ratio:.1}x") } else { format!("{ratio:.2}x") })
}

/// `value (ratio)`.
pub(super) fn with_times(value: Option<f64>, of: Option<f64>) -> String {
    match times(value, of) {
        Some(ratio) => format!("{} ({ratio})", cell(value)),
        None => cell(value),
    }
}

#[cfg(test)]
mod tests {
    use super::{Table, number, times, with_times};

    #[test]
    fn numbers_are_short() {
        assert_eq!(number(1_234_567.8), "1,234,568");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(0.294), "0.29");
        assert_eq!(number(100.0), "100");
    }

    #[test]
    fn ratios_need_both_sides() {
        assert_eq!(times(Some(3.0), Some(2.0)).as_deref(), Some("1.50x"));
        assert_eq!(times(Some(3.0), Some(0.0)), None);
        assert_eq!(with_times(None, Some(2.0)), "–");
        assert_eq!(with_times(Some(300.0), Some(20.0)), "300 (15.0x)");
    }

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(&["a".to_owned(), "b".to_owned()]);
        table.row(&["x", "1"]);
        assert_eq!(table.finish(), "| a | b |\n|---|---:|\n| x | 1 |\n\n");
    }
}
