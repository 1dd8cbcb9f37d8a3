//! One request and its answer, HTTP/1.1 as far as reading pages takes: `GET` and `HEAD`, no body, one request a connection.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use super::Connection;

/// Of a request's first line and headers.
const MOST_BYTES: usize = 8 << 10;
/// Headers of a request.
const MOST_HEADERS: usize = 64;
/// What is still read of a request that was refused, so that the answer is not lost with the connection.
const REST: usize = 64 << 10;

/// What is asked for.
#[derive(Debug)]
pub struct Request<'a> {
    /// Without what follows a `?`.
    pub path: &'a str,
    /// The header `Accept`.
    pub accept: Option<&'a str>,
}

/// What is answered.
#[derive(Debug)]
pub struct Response {
    /// The header `Content-Type`.
    pub content_type: &'static str,
    /// What follows the headers.
    pub body: String,
}

/// A connection with an end.
pub(super) struct Timed<S> {
    stream: S,
    until: Instant,
}

impl<S: Connection> Timed<S> {
    pub(super) fn new(stream: S, until: Instant) -> Self {
        Self { stream, until }
    }

    fn ready(&self) -> io::Result<()> {
        match self.until.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => self.stream.wait_at_most(left),
        }
    }

    /// Everything is written; what the other side still sends is taken, within limits.
    pub(super) fn end(mut self) {
        self.stream.written();
        let (mut rest, mut buffer) = (REST, [0; 1024]);
        while let Ok(read @ 1..) = self.read(&mut buffer) {
            rest = rest.saturating_sub(read);
            if rest == 0 {
                return;
            }
        }
    }
}

impl<S: Connection> Read for Timed<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.ready()?;
        self.stream.read(buffer)
    }
}

impl<S: Connection> Write for Timed<S> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.ready()?;
        self.stream.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

enum Read1 {
    /// More is needed.
    Partial,
    /// What to answer.
    Done(Vec<u8>),
}

/// Reads a request and answers it by `page`.
pub(super) fn exchange(
    stream: &mut (impl Read + Write),
    page: impl Fn(&Request<'_>) -> Option<Response>,
) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(1024);
    let mut buffer = [0; 1024];
    let answer = loop {
        let read = match stream.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // Who has taken all of the time has none left to be answered in.
            Err(error) => return Err(error),
        };
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&buffer[..read]);
        if let Read1::Done(answer) = read_one(&bytes, &page) {
            break answer;
        }
        if bytes.len() > MOST_BYTES {
            break failure("431 Request Header Fields Too Large", "");
        }
    };
    stream.write_all(&answer)
}

fn read_one(bytes: &[u8], page: impl Fn(&Request<'_>) -> Option<Response>) -> Read1 {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Partial) => return Read1::Partial,
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Read1::Done(failure("431 Request Header Fields Too Large", ""));
        }
        Err(_) => return Read1::Done(failure("400 Bad Request", "")),
    }
    let head = match parsed.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Read1::Done(failure("405 Method Not Allowed", "Allow: GET, HEAD\r\n")),
    };
    let target = parsed.path.unwrap_or_default();
    let accept = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case("accept"));
    let request = Request {
        path: target.split(['?', '#']).next().unwrap_or_default(),
        accept: accept.and_then(|header| str::from_utf8(header.value).ok()),
    };
    Read1::Done(match page(&request) {
        Some(response) => written("200 OK", "", &response, head),
        None => failure("404 Not Found", ""),
    })
}

fn failure(status: &str, header: &str) -> Vec<u8> {
    let body = format!("{status}\n");
    written(status, header, &Response { content_type: "text/plain; charset=utf-8", body }, false)
}

fn written(status: &str, header: &str, response: &Response, head: bool) -> Vec<u8> {
    let Response { content_type, body } = response;
    let mut out = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{header}Cache-Control: no-store\r\n\
         X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
        body.len()
    );
    if !head {
        out.push_str(body);
    }
    out.into_bytes()
}
