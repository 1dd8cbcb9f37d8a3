//! One request and what came of it, as OTLP over HTTP has it: protobuf, packed if wanted; which answers are worth another attempt, and
//! when.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode};

use super::proto::{Response, Status};
use super::settings::Settings;

/// Of an answer's body. Answers say how many were refused and why.
const MOST_ANSWER: u64 = 64 << 10;
/// Of what a receiver says, in messages.
const MOST_WORDS: usize = 200;
/// The longest time that a receiver is believed to need, by its own word.
const MOST_LATER: Duration = Duration::from_secs(600);

const PROTOBUF: &str = "application/x-protobuf";

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was taken. Some of it was not: how much, and why.
    Taken(Option<(u64, String)>),
    /// It was not, and may be later; after this long, if that was said.
    Later(String, Option<Duration>),
    /// It never will be.
    Refused(String),
}

pub(super) struct Client {
    agent: Agent,
    headers: Vec<(String, String)>,
    gzip: bool,
    timeout: Duration,
}

impl Client {
    pub(super) fn new(settings: &Settings) -> Self {
        let config = Agent::config_builder()
            .user_agent(concat!("oomtrace/", env!("CARGO_PKG_VERSION")))
            // Answers are read whatever they say, and whoever moves a receiver says so to whoever runs this.
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            // A proxy that is there for the outside is no way to a collector on this machine.
            .proxy(None)
            .build();
        Self {
            agent: config.new_agent(),
            headers: settings.headers.clone(),
            gzip: settings.gzip,
            timeout: settings.timeout,
        }
    }

    /// Sends a message, in `most` at the most.
    pub(super) fn post(&self, url: &str, message: &impl Message, most: Duration) -> Outcome {
        let mut body = message.encode_to_vec();
        let timeout = self.timeout.min(most).max(Duration::from_millis(1));
        let mut request = self.agent.post(url).header("Content-Type", PROTOBUF);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if self.gzip {
            let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
            // A vector takes everything.
            if packed.write_all(&body).is_ok()
                && let Ok(packed) = packed.finish()
            {
                body = packed;
                request = request.header("Content-Encoding", "gzip");
            }
        }
        match request.config().timeout_global(Some(timeout)).build().send(&body[..]) {
            Ok(mut answer) => {
                let (status, headers) = (answer.status(), answer.headers().clone());
                // The status is what counts: a body that does not come says nothing more.
                let limited = answer.body_mut().with_config().limit(MOST_ANSWER);
                outcome(status, &headers, &limited.read_to_vec().unwrap_or_default())
            }
            Err(ureq::Error::Timeout(_)) => {
                Outcome::Later(format!("no answer within {} s", timeout.as_secs_f64()), None)
            }
            // What the operating system says, without the name that the library has for it.
            Err(ureq::Error::Io(error)) => Outcome::Later(error.to_string(), None),
            Err(error @ (ureq::Error::ConnectionFailed | ureq::Error::HostNotFound)) => {
                Outcome::Later(error.to_string(), None)
            }
            Err(ureq::Error::Protocol(error)) => Outcome::Later(format!("no HTTP: {error}"), None),
            Err(error) => Outcome::Refused(error.to_string()),
        }
    }
}

fn outcome(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Outcome {
    let is_protobuf =
        headers.get("content-type").is_some_and(|it| it.as_bytes().starts_with(PROTOBUF.as_bytes()));
    if status.is_success() {
        let answer = Response::decode(body).ok().filter(|_| is_protobuf);
        let partial = answer.and_then(|answer| answer.partial_success);
        return Outcome::Taken(partial.and_then(|partial| {
            let rejected = u64::try_from(partial.rejected).unwrap_or(0);
            (rejected > 0 || !partial.error_message.is_empty())
                .then(|| (rejected, words(partial.error_message.as_bytes())))
        }));
    }
    let told = Status::decode(body).ok().filter(|_| is_protobuf);
    let told = told.map_or_else(|| words(body), |status| words(status.message.as_bytes()));
    let said = match told.as_str() {
        "" => format!("it answers {status}"),
        told => format!("it answers {status}: {told}"),
    };
    match status.as_u16() {
        429 | 502 | 503 | 504 => Outcome::Later(said, later(headers)),
        _ => Outcome::Refused(said),
    }
}

/// `Retry-After` in seconds. As a date, which OTLP's receivers do not use, it is not read: the usual pause is made.
fn later(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MOST_LATER))
}

/// The first line of it, for a terminal.
fn words(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let line = text.trim().lines().next().unwrap_or_default();
    line.chars().filter(|c| !c.is_control()).take(MOST_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::super::proto::PartialSuccess;
    use super::*;

    fn answered(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Outcome {
        let headers = headers.iter().map(|(name, value)| {
            (ureq::http::HeaderName::from_static(name), value.parse().expect("a header's value"))
        });
        outcome(StatusCode::from_u16(status).expect("a status"), &headers.collect(), body)
    }

    #[test]
    fn what_answers_mean() {
        let protobuf = ("content-type", PROTOBUF);
        assert_eq!(answered(200, &[protobuf], b""), Outcome::Taken(None));
        assert_eq!(answered(202, &[], b"thanks"), Outcome::Taken(None));
        let partial = PartialSuccess { rejected: 2, error_message: "too \x1b[2Jold\nmore".to_owned() };
        let partial = Response { partial_success: Some(partial) }.encode_to_vec();
        assert_eq!(answered(200, &[protobuf], &partial), Outcome::Taken(Some((2, "too [2Jold".to_owned()))));
        // Nothing partial about it.
        let none = Response { partial_success: Some(PartialSuccess::default()) }.encode_to_vec();
        assert_eq!(answered(200, &[protobuf], &none), Outcome::Taken(None));
        let status = Status { message: "no such tenant".to_owned() }.encode_to_vec();
        assert_eq!(
            answered(400, &[protobuf], &status),
            Outcome::Refused("it answers 400 Bad Request: no such tenant".to_owned())
        );
        assert_eq!(answered(404, &[], b""), Outcome::Refused("it answers 404 Not Found".to_owned()));
        assert!(matches!(answered(301, &[], b""), Outcome::Refused(_)));
        assert!(matches!(answered(500, &[], b""), Outcome::Refused(_)));
        for (after, wait) in
            [("3", Some(Duration::from_secs(3))), ("999999", Some(MOST_LATER)), ("soon", None), ("-1", None)]
        {
            let Outcome::Later(said, later) = answered(503, &[("retry-after", after)], b"busy\n") else {
                panic!("{after}")
            };
            assert_eq!((said.as_str(), later), ("it answers 503 Service Unavailable: busy", wait));
        }
        for status in [429, 502, 504] {
            assert!(matches!(answered(status, &[], b""), Outcome::Later(_, None)), "{status}");
        }
    }
}
