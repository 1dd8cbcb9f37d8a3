//! A receiver of OTLP that does as it is told, and keeps what it gets.

#![allow(dead_code, missing_docs, unreachable_pub)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use oomtrace::deliver::otlp::proto::{LogRecord, LogsRequest, Metric, MetricsRequest};
use prost::Message;

/// What it does with a request.
#[derive(Clone)]
pub enum Answer {
    /// Takes it.
    Ok,
    /// Answers this: status, headers, body.
    Say(&'static str, &'static str, Vec<u8>),
    /// Goes away without a word.
    Hangup,
    /// Never answers.
    Never,
}

/// What it got.
#[derive(Clone)]
pub struct Got {
    pub path: String,
    pub headers: String,
    pub body: Vec<u8>,
    pub at: Instant,
    /// It was taken.
    pub taken: bool,
}

pub struct Receiver {
    pub address: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Receiver {
    /// `answer` is told the path and how many requests of it came before.
    pub fn start(answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").expect("there are ports"), answer)
    }

    pub fn at(listener: TcpListener, answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Self {
        let address = listener.local_addr().expect("it has one").to_string();
        let (got, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let all = Arc::clone(&got);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, got, answer) =
                    (stream.expect("it comes"), Arc::clone(&all), Arc::clone(&answer));
                // Whatever goes wrong with a connection shows in what was got.
                thread::spawn(move || serve(&stream, &got, &*answer).is_some());
            }
        });
        Self { address, got }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn got(&self, path: &str) -> Vec<Got> {
        self.got.lock().expect("nobody panics").iter().filter(|got| got.path == path).cloned().collect()
    }

    /// All records that were taken, of the paths that end like this.
    pub fn logs(&self) -> Vec<LogsRequest> {
        let taken = self.got.lock().expect("nobody panics").clone();
        let taken = taken.iter().filter(|got| got.taken && got.path.ends_with("/v1/logs"));
        taken.map(|got| LogsRequest::decode(&got.body[..]).expect("a request")).collect()
    }

    pub fn records(&self) -> Vec<LogRecord> {
        let logs = self.logs().into_iter().flat_map(|request| request.resource_logs);
        logs.flat_map(|logs| logs.scope_logs).flat_map(|logs| logs.log_records).collect()
    }

    /// The newest metrics that were taken.
    pub fn metrics(&self) -> Vec<Metric> {
        let taken = self.got.lock().expect("nobody panics").clone();
        let last =
            taken.iter().rfind(|got| got.taken && got.path.ends_with("/v1/metrics")).expect("some came");
        let request = MetricsRequest::decode(&last.body[..]).expect("a request");
        let metrics = request.resource_metrics.into_iter().flat_map(|metrics| metrics.scope_metrics);
        metrics.flat_map(|metrics| metrics.metrics).collect()
    }
}

fn serve(stream: &TcpStream, got: &Mutex<Vec<Got>>, answer: &impl Fn(&str, usize) -> Answer) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut headers = String::new();
        while !headers.ends_with("\r\n\r\n") {
            if reader.read_line(&mut headers).ok()? == 0 {
                return None;
            }
        }
        let field = |name: &str| {
            headers.lines().find_map(|line| {
                let (it, value) = line.split_once(':')?;
                it.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let path = headers.split(' ').nth(1)?.to_owned();
        assert!(headers.starts_with("POST "), "{headers}");
        assert_eq!(field("content-type").as_deref(), Some("application/x-protobuf"), "{headers}");
        let mut body = vec![0; field("content-length")?.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        if field("content-encoding").as_deref() == Some("gzip") {
            let mut whole = Vec::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut whole).expect("it is gzip");
            body = whole;
        }
        let mut all = got.lock().expect("nobody panics");
        let before = all.iter().filter(|it| it.path == path).count();
        let says = answer(&path, before);
        let taken = matches!(says, Answer::Ok)
            || matches!(&says, Answer::Say(status, _, _) if status.starts_with('2'));
        all.push(Got { path, headers, body, at: Instant::now(), taken });
        drop(all);
        let (status, headers, body) = match says {
            Answer::Ok => ("200 OK", "Content-Type: application/x-protobuf\r\n", Vec::new()),
            Answer::Say(status, headers, body) => (status, headers, body),
            Answer::Hangup => return None,
            Answer::Never => {
                thread::sleep(Duration::from_secs(60));
                return None;
            }
        };
        let mut out =
            format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
        out.extend_from_slice(&body);
        let mut writer = stream;
        writer.write_all(&out).ok()?;
    }
}
