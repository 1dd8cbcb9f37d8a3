//! The server over real sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::*;

const AT_MOST: Duration = Duration::from_secs(1);

struct Echo;

impl Pages for Echo {
    fn page(&self, request: &Request<'_>) -> Option<Response> {
        (request.path == "/page").then(|| Response {
            content_type: "text/plain",
            body: format!("accept {}", request.accept.unwrap_or("nothing")),
        })
    }
}

/// A server, and where it is.
fn served(address: &str) -> String {
    let listener = Listener::bind(&address.parse().expect("an address")).expect("it can be listened at");
    let at = match &listener {
        Listener::Tcp(listener) => listener.local_addr().expect("it has one").to_string(),
        Listener::Unix(_, path) => path.clone(),
    };
    listener.serve(Echo, AT_MOST, || {}).expect("threads can be started");
    at
}

fn asked(at: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(at).expect("somebody listens");
    stream.write_all(request).expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is UTF-8");
    answer
}

#[test]
fn requests_and_their_answers() {
    let at = served("127.0.0.1:0");
    let answer = asked(&at, b"GET /page?a=b HTTP/1.1\r\nHost: a\r\nACCEPT: x/y;q=1\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("Content-Length: 14\r\n") && answer.ends_with("\r\n\r\naccept x/y;q=1"),
        "{answer}"
    );
    let head = asked(&at, b"HEAD /page HTTP/1.0\r\n\r\n");
    assert!(head.contains("Content-Length: 14\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    for (request, status) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "404"),
        (b"POST /page HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405"),
        (b"\x16\x03\x01\x02\x00\x01", "400"),
        (b"GET /page HTTP/9.9\r\n\r\n", "400"),
    ] {
        let answer = asked(&at, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{}: {answer}", request.escape_ascii());
    }
    let endless = [&b"GET /page HTTP/1.1\r\na: "[..], &[b'a'; 9 << 10]].concat();
    assert!(asked(&at, &endless).starts_with("HTTP/1.1 431 "));
    let many = [&b"GET /page HTTP/1.1\r\n"[..], &b"a: b\r\n".repeat(100), b"\r\n"].concat();
    assert!(asked(&at, &many).starts_with("HTTP/1.1 431 "));
}

#[test]
fn a_request_that_never_ends_keeps_nobody_else_waiting_for_ever() {
    let at = served("127.0.0.1:0");
    let started = Instant::now();
    let slow: Vec<TcpStream> = (0..THREADS + 2)
        .map(|_| {
            let mut stream = TcpStream::connect(&at).expect("somebody listens");
            stream.write_all(b"GET /page HTTP/1.1\r\n").expect("it is read");
            stream
        })
        .collect();
    // Behind two rounds of those.
    let answer = asked(&at, b"GET /page HTTP/1.1\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(started.elapsed() >= AT_MOST - Duration::from_millis(100), "nobody was waited for");
    drop(slow);
}

#[test]
fn a_socket_in_the_file_system() {
    let folder = tempfile::tempdir().expect("there is room");
    let at = served(&format!("unix:{}", folder.path().join("s").display()));
    let mut stream = UnixStream::connect(at).expect("somebody listens");
    stream.write_all(b"GET /page HTTP/1.1\r\n\r\n").expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it is UTF-8");
    assert!(answer.ends_with("accept nothing"), "{answer}");
}
