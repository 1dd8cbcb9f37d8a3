//! The variables of the environment that every sender of OTLP honours, as far as they apply here.

use std::time::Duration;

use percent_encoding::percent_decode_str;

/// What they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `OTEL_EXPORTER_OTLP_HEADERS`.
    pub headers: Vec<(String, String)>,
    /// `OTEL_EXPORTER_OTLP_COMPRESSION` is `gzip`.
    pub gzip: bool,
    /// `OTEL_EXPORTER_OTLP_TIMEOUT`: for one request.
    pub timeout: Duration,
    /// `OTEL_METRIC_EXPORT_INTERVAL`.
    pub interval: Duration,
    /// `OTEL_RESOURCE_ATTRIBUTES`, and `OTEL_SERVICE_NAME`.
    pub resource: Vec<(String, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            headers: Vec::new(),
            gzip: false,
            timeout: Duration::from_secs(10),
            interval: Duration::from_secs(60),
            resource: Vec::new(),
        }
    }
}

/// A variable that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {why}")]
pub struct BadSetting {
    name: &'static str,
    why: &'static str,
}

impl Settings {
    /// Reads them from `variable`; one that is empty is not there.
    ///
    /// # Errors
    ///
    /// One of them means nothing. The specification would have it ignored, with a warning; nobody sees that of a service.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, BadSetting> {
        let mut settings = Self::default();
        let get = |name| variable(name).filter(|value| !value.trim().is_empty());
        let bad = |name, why| BadSetting { name, why };
        let name = "OTEL_EXPORTER_OTLP_HEADERS";
        if let Some(value) = get(name) {
            settings.headers = pairs(&value).ok_or(bad(name, PAIRS))?;
            // Encoded, they may hold anything.
            let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
            let plain = |(name, value): &(String, String)| {
                name.bytes().all(token) && value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
            };
            if !settings.headers.iter().all(plain) {
                return Err(bad(name, "there is a header that HTTP does not allow"));
            }
        }
        let name = "OTEL_EXPORTER_OTLP_COMPRESSION";
        settings.gzip = match get(name).as_deref() {
            None | Some("none") => false,
            Some("gzip") => true,
            Some(_) => return Err(bad(name, "expected gzip or none")),
        };
        let milliseconds = |name, default| match get(name) {
            None => Ok(default),
            Some(value) => match value.trim().parse() {
                Ok(1..) => Ok(Duration::from_millis(value.trim().parse().unwrap_or(u64::MAX))),
                _ => Err(bad(name, "expected a number of milliseconds, more than 0")),
            },
        };
        settings.timeout = milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT", settings.timeout)?;
        settings.interval = milliseconds("OTEL_METRIC_EXPORT_INTERVAL", settings.interval)?;
        let name = "OTEL_RESOURCE_ATTRIBUTES";
        if let Some(value) = get(name) {
            settings.resource = pairs(&value).ok_or(bad(name, PAIRS))?;
        }
        if let Some(service) = get("OTEL_SERVICE_NAME") {
            settings.resource.retain(|(key, _)| key != "service.name");
            settings.resource.push(("service.name".to_owned(), service));
        }
        Ok(settings)
    }
}

const PAIRS: &str = "expected NAME=VALUE,NAME=VALUE, with percent-encoding for what is special";

/// `a=1,b=2`, percent-encoded.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let members = text.split(',').map(str::trim).filter(|member| !member.is_empty());
    members
        .map(|member| {
            let (key, value) = member.split_once('=')?;
            let decoded = |text: &str| Some(percent_decode_str(text.trim()).decode_utf8().ok()?.into_owned());
            decoded(key).filter(|key| !key.is_empty()).zip(decoded(value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let get =
            |name: &str| variables.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned());
        Settings::read(get).map_err(|error| error.to_string())
    }

    #[test]
    fn what_the_environment_says() {
        assert_eq!(read(&[("OTEL_EXPORTER_OTLP_HEADERS", " ")]), Ok(Settings::default()));
        let read_ = read(&[
            ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20YTpi, x-tenant = a=b ,"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.name=other,note=a%2Cb"),
            ("OTEL_SERVICE_NAME", "mine"),
        ]);
        let read_ = read_.expect("all of it is right");
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(read_.headers, [pair("Authorization", "Basic YTpi"), pair("x-tenant", "a=b")]);
        assert_eq!((read_.gzip, read_.timeout.as_millis(), read_.interval.as_millis()), (true, 2500, 100));
        let wanted =
            [pair("deployment.environment.name", "test"), pair("note", "a,b"), pair("service.name", "mine")];
        assert_eq!(read_.resource, wanted);
    }

    #[test]
    fn what_means_nothing_is_told() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_HEADERS", "no pairs"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "=x"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=%0d%0aHost: b"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a%3Ab=c"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=%ff"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "-1"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a"),
        ] {
            let told = read(&[(name, value)]).expect_err(value);
            assert!(told.starts_with(name), "{told}");
        }
    }
}
