//! Which format a reader wants, by what it says in its `Accept`.

/// Formats that numbers are shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format, which everybody reads.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Format {
    /// What a reader prefers: OpenMetrics when it names that and likes nothing else more. `None`: it said nothing.
    #[must_use]
    pub fn preferred(accept: Option<&str>) -> Self {
        let mut best = (Self::Prometheus, 0.0);
        for range in accept.unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let format = match parts.next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "application/openmetrics-text" => Self::OpenMetrics,
                "text/plain" | "text/*" | "*/*" => Self::Prometheus,
                _ => continue,
            };
            let (mut quality, mut known) = (1.0, true);
            for (key, value) in parts.filter_map(|part| part.split_once('=')) {
                match (key.trim().to_ascii_lowercase().as_str(), value.trim().trim_matches('"')) {
                    ("q", value) => quality = value.parse().unwrap_or(0.0),
                    ("version", version) if format == Self::OpenMetrics => {
                        known = matches!(version, "0.0.1" | "1.0.0");
                    }
                    _ => {}
                }
            }
            if known && quality > best.1 {
                best = (format, quality);
            }
        }
        best.0
    }

    /// The header that goes with it.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_what_it_likes_best() {
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, wanted) in [
            (None, Format::Prometheus),
            (Some(""), Format::Prometheus),
            (Some(prometheus), Format::OpenMetrics),
            (Some("*/*"), Format::Prometheus),
            (Some("text/html, */*;q=0.8"), Format::Prometheus),
            (Some("Application/OpenMetrics-Text; version=1.0.0; q=0.5"), Format::OpenMetrics),
            (Some("text/plain;q=0.9, application/openmetrics-text;q=0.3"), Format::Prometheus),
            (Some("application/openmetrics-text;q=0"), Format::Prometheus),
            (Some("application/openmetrics-text;version=2.0.0, text/plain;q=0.1"), Format::Prometheus),
            (Some("application/openmetrics-text;q=x"), Format::Prometheus),
            (Some(";;,=,;q"), Format::Prometheus),
        ] {
            assert_eq!(Format::preferred(accept), wanted, "{accept:?}");
        }
    }
}
