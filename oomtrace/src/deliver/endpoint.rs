//! Where a receiver of OTLP over HTTP is, from its text. Compiled in even where nothing can be sent ([`super::otlp`] is a cargo
//! feature), so that the command line is the same.

use std::str::FromStr;

/// `http://HOST[:PORT][/BASE]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// As a resolver takes it: a name, an IPv4 address, an IPv6 address without brackets.
    pub host: String,
    /// 80 unless it is told, as for any such URL.
    pub port: u16,
    /// The URL without a slash at its end.
    base: String,
}

/// What is wrong with the text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEndpoint {
    /// There is no TLS here.
    #[error(
        "oomtrace has no TLS: send to a collector on this machine, as in http://127.0.0.1:4318, and have that send on by https"
    )]
    Tls,
    /// Not HTTP.
    #[error("expected http://HOST:PORT, as in http://127.0.0.1:4318")]
    Scheme,
    /// A name or password in it.
    #[error(
        "names and passwords do not belong in the URL: OTEL_EXPORTER_OTLP_HEADERS takes an Authorization header"
    )]
    User,
    /// No machine, or none that could be one.
    #[error("expected the name or the address of a machine behind http://")]
    Host,
    /// Out of range.
    #[error("expected a port from 1 to 65535")]
    Port,
    /// What follows the machine.
    #[error("expected a plain path, to which /v1/logs and /v1/metrics are added: no `?`, no `#`, no spaces")]
    Path,
}

impl Endpoint {
    /// The URL of a signal: `logs`, `metrics`.
    #[must_use]
    pub fn url(&self, signal: &str) -> String {
        format!("{}/v1/{signal}", self.base)
    }
}

impl FromStr for Endpoint {
    type Err = BadEndpoint;

    fn from_str(text: &str) -> Result<Self, BadEndpoint> {
        let (scheme, rest) = text.split_once("://").ok_or(BadEndpoint::Scheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "http" => {}
            "https" => return Err(BadEndpoint::Tls),
            _ => return Err(BadEndpoint::Scheme),
        }
        let (authority, path) = rest.find(['/', '?', '#']).map_or((rest, ""), |at| rest.split_at(at));
        if authority.contains('@') {
            return Err(BadEndpoint::User);
        }
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#\"<>\\^`{|}".contains(&byte);
        if !path.bytes().all(plain) {
            return Err(BadEndpoint::Path);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or(BadEndpoint::Host)?;
                let is_address = host.parse::<std::net::Ipv6Addr>().is_ok();
                if !is_address || !(after.is_empty() || after.starts_with(':')) {
                    return Err(BadEndpoint::Host);
                }
                (host, after.strip_prefix(':'))
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        if host.is_empty() || !host.bytes().all(named) {
            return Err(BadEndpoint::Host);
        }
        let port = match port {
            None => 80,
            Some(port) => port.parse().ok().filter(|&port| port != 0).ok_or(BadEndpoint::Port)?,
        };
        let base = format!("http://{authority}{path}");
        Ok(Self { host: host.to_owned(), port, base: base.trim_end_matches('/').to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_receiver() {
        let url = |text: &str| text.parse::<Endpoint>().map(|it| (it.host.clone(), it.port, it.url("logs")));
        for (text, host, port, logs) in [
            ("http://127.0.0.1:4318", "127.0.0.1", 4318, "http://127.0.0.1:4318/v1/logs"),
            ("http://collector:4318/", "collector", 4318, "http://collector:4318/v1/logs"),
            ("HTTP://gate.example.com/otlp/", "gate.example.com", 80, "http://gate.example.com/otlp/v1/logs"),
            ("http://[::1]:4318/a/b", "::1", 4318, "http://[::1]:4318/a/b/v1/logs"),
            ("http://[::1]", "::1", 80, "http://[::1]/v1/logs"),
        ] {
            assert_eq!(url(text), Ok((host.to_owned(), port, logs.to_owned())), "{text}");
        }
        for (text, wrong) in [
            ("https://collector:4318", BadEndpoint::Tls),
            ("127.0.0.1:4318", BadEndpoint::Scheme),
            ("grpc://collector:4317", BadEndpoint::Scheme),
            ("", BadEndpoint::Scheme),
            ("http://", BadEndpoint::Host),
            ("http://:4318", BadEndpoint::Host),
            ("http://a b:4318", BadEndpoint::Host),
            ("http://[::1:4318", BadEndpoint::Host),
            ("http://[::x]:4318", BadEndpoint::Host),
            ("http://[::1]4318", BadEndpoint::Host),
            ("http://me:secret@collector:4318", BadEndpoint::User),
            ("http://collector:", BadEndpoint::Port),
            ("http://collector:0", BadEndpoint::Port),
            ("http://collector:65536", BadEndpoint::Port),
            ("http://collector:4318?x=1", BadEndpoint::Path),
            ("http://collector:4318/#a", BadEndpoint::Path),
            ("http://collector:4318/a b", BadEndpoint::Path),
        ] {
            assert_eq!(url(text), Err(wrong), "{text}");
        }
    }
}
