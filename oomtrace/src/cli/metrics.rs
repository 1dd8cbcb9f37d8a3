//! `--metrics`: the address, the server's pages, and what goes wrong with them. The numbers are [`crate::sink::metrics`]'s.

use std::io;
use std::time::Instant;

use anyhow::Context;

use crate::exit::{NotAllowed, Usage};
use crate::privileges;
use crate::serve::http::{Request, Response};
use crate::serve::{AT_MOST, Listener, Pages};
use crate::sink::Sink;
use crate::sink::metrics::{self, Exposition, Format};

use super::args::MetricsArgs;
use super::say;

/// Listens where it was asked to, if it was: nobody is answered yet.
///
/// # Errors
///
/// The address is not this machine's (wrong usage), or cannot be had (not allowed).
pub(super) fn listen(args: &MetricsArgs) -> anyhow::Result<Option<Listener>> {
    let Some(address) = &args.metrics else { return Ok(None) };
    Listener::bind(address).map(Some).map_err(|error| {
        let said = |advice: &str| format!("--metrics: cannot listen there: {error}{advice}");
        match error.kind() {
            io::ErrorKind::AddrInUse => {
                NotAllowed(said("; another program does, perhaps another oomtrace")).into()
            }
            io::ErrorKind::PermissionDenied => NotAllowed(said("")).into(),
            _ => Usage(said("")).into(),
        }
    })
}

/// Begins to serve; returns the sink whose numbers are shown, with its name for messages. To be called when the process is going to be
/// confined, and is not yet.
///
/// # Errors
///
/// Threads cannot be started.
pub(super) fn serve(
    listener: Listener,
    args: &MetricsArgs,
) -> anyhow::Result<(&'static str, Box<dyn Sink + Send>)> {
    let (sink, exposition) = metrics::new(args.options());
    let url = listener.url("/metrics");
    let begin = || {
        // What is kept is told where all threads are looked at.
        let _ = privileges::confine_thread();
    };
    listener.serve(Site(exposition), AT_MOST, begin).context("the metrics cannot be served")?;
    say(&format!("metrics: {url}"));
    Ok(("the metrics", Box::new(sink)))
}

struct Site(Exposition);

const INDEX: &str = "\
<!DOCTYPE html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><title>oomtrace</title></head><body>
<h1>oomtrace</h1>
<ul>
<li><a href=\"/metrics\">/metrics</a>: what the OOM killer did, as Prometheus text or OpenMetrics</li>
<li><a href=\"/-/healthy\">/-/healthy</a>: whether this is answered at all</li>
</ul>
</body></html>
";

impl Pages for Site {
    fn page(&self, request: &Request<'_>) -> Option<Response> {
        let (content_type, body) = match request.path {
            "/metrics" => {
                let format = Format::preferred(request.accept);
                (format.content_type(), self.0.text(format, Instant::now()))
            }
            "/-/healthy" => ("text/plain; charset=utf-8", "healthy\n".to_owned()),
            "/" => ("text/html; charset=utf-8", INDEX.to_owned()),
            _ => return None,
        };
        Some(Response { content_type, body })
    }
}
