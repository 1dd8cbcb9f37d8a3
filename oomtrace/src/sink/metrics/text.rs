//! Series as text. OpenMetrics is encoded by the library that Prometheus' own people keep; its text format is the same but for a few lines
//! about the series, which are made over.

use std::fmt::{self, Write as _};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{self, Registry};

use super::accept::Format;
use super::families::{Family, Histogram, Kind, Labels, Unit, Value};

/// Encodes all series.
pub(super) fn encode(families: Vec<Family>, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(families)));
    let mut out = String::new();
    // A string takes everything.
    let _ = text::encode(&mut out, &registry);
    match format {
        Format::OpenMetrics => out,
        Format::Prometheus => as_prometheus(&out),
    }
}

/// The lines about series as Prometheus' text format has them: counters and infos are called what their series are, an info is a gauge,
/// and there is neither a unit nor an end.
fn as_prometheus(open_metrics: &str) -> String {
    let lines: Vec<&str> = open_metrics.lines().collect();
    let mut out = String::with_capacity(open_metrics.len());
    for (i, &line) in lines.iter().enumerate() {
        let Some(about) = line.strip_prefix("# ") else {
            let _ = writeln!(out, "{line}");
            continue;
        };
        let mut words = about.splitn(3, ' ');
        let (Some(what @ ("HELP" | "TYPE")), Some(name), Some(rest)) =
            (words.next(), words.next(), words.next())
        else {
            continue;
        };
        // The type is told right behind the help.
        let kind = if what == "TYPE" { rest } else { type_in(lines.get(i + 1)) };
        let (suffix, kind) = match kind {
            "counter" => ("_total", kind),
            "info" => ("_info", "gauge"),
            kind => ("", kind),
        };
        let rest = if what == "TYPE" { kind } else { rest };
        let _ = writeln!(out, "# {what} {name}{suffix} {rest}");
    }
    out
}

fn type_in<'a>(line: Option<&&'a str>) -> &'a str {
    line.and_then(|line| line.strip_prefix("# TYPE ")).and_then(|about| about.split(' ').nth(1)).unwrap_or("")
}

#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.0 {
            family.encode(&mut encoder)?;
        }
        Ok(())
    }
}

impl Family {
    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let (unit, suffix) = match self.unit {
            None => (None, ""),
            Some(Unit::Seconds) => (Some(registry::Unit::Seconds), "_seconds"),
        };
        let kind = match self.kind {
            Kind::Counter => MetricType::Counter,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram => MetricType::Histogram,
            Kind::Info => MetricType::Info,
        };
        // The library adds the unit to the name.
        let name = self.name.strip_suffix(suffix).unwrap_or(self.name);
        let mut metric = encoder.encode_descriptor(name, self.help, unit.as_ref(), kind)?;
        for sample in &self.samples {
            match &sample.value {
                Value::Number(number) if self.kind == Kind::Info => {
                    debug_assert_eq!(*number, 1);
                    metric.encode_info(&sample.labels)?;
                }
                Value::Number(number) if self.kind == Kind::Gauge => {
                    let gauge = ConstGauge::new(i64::try_from(*number).unwrap_or(i64::MAX));
                    gauge.encode(metric.encode_family(&sample.labels)?)?;
                }
                Value::Number(number) if sample.labels.is_empty() => {
                    ConstCounter::new(*number).encode(metric)?;
                    // There is no second series without labels.
                    return Ok(());
                }
                Value::Number(number) => {
                    ConstCounter::new(*number).encode(metric.encode_family(&sample.labels)?)?;
                }
                Value::Histogram(histogram) => histogram.encode(&mut metric)?,
            }
        }
        Ok(())
    }
}

impl Histogram {
    fn encode(&self, metric: &mut MetricEncoder<'_>) -> fmt::Result {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(self.counts.iter().copied()).collect();
        metric.encode_histogram::<Labels>(self.sum, self.count(), &buckets, None)
    }
}
