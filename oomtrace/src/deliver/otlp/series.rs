//! Metrics as OTLP has them, from the same families that Prometheus gets ([`crate::sink::metrics`]).
//!
//! Names are those of OpenMetrics, without the suffix that only the text formats have (`_total`): a collector that writes Prometheus'
//! text adds it again.

use crate::sink::metrics::{Family, Kind, Sample, Unit, Value};

use super::proto::{CUMULATIVE, Data, Gauge, Histogram, HistogramPoint, KeyValue, Metric, NumberPoint, Sum};

/// All of them; `start` and `now` in ns since the Unix epoch.
pub(super) fn metrics(families: &[Family], start: u64, now: u64) -> Vec<Metric> {
    families
        .iter()
        .filter(|family| !family.samples.is_empty())
        .map(|family| metric(family, start, now))
        .collect()
}

fn metric(family: &Family, start: u64, now: u64) -> Metric {
    let numbers = |start| family.samples.iter().filter_map(|sample| number(sample, start, now)).collect();
    let (name, data) = match family.kind {
        Kind::Counter => {
            let sum =
                Sum { data_points: numbers(start), aggregation_temporality: CUMULATIVE, is_monotonic: true };
            (family.name.to_owned(), Data::Sum(sum))
        }
        Kind::Gauge | Kind::Info => (family.series(), Data::Gauge(Gauge { data_points: numbers(0) })),
        Kind::Histogram => {
            let data_points =
                family.samples.iter().filter_map(|sample| histogram(sample, start, now)).collect();
            (
                family.name.to_owned(),
                Data::Histogram(Histogram { data_points, aggregation_temporality: CUMULATIVE }),
            )
        }
    };
    let unit = match family.unit {
        Some(Unit::Seconds) => "s",
        None => "",
    };
    Metric { name, description: family.help.to_owned(), unit: unit.to_owned(), data: Some(data) }
}

fn number(sample: &Sample, start: u64, now: u64) -> Option<NumberPoint> {
    let Value::Number(number) = sample.value else { return None };
    Some(NumberPoint {
        attributes: attributes(sample),
        start_time_unix_nano: start,
        time_unix_nano: now,
        as_int: Some(i64::try_from(number).unwrap_or(i64::MAX)),
    })
}

fn histogram(sample: &Sample, start: u64, now: u64) -> Option<HistogramPoint> {
    let Value::Histogram(histogram) = &sample.value else { return None };
    Some(HistogramPoint {
        attributes: attributes(sample),
        start_time_unix_nano: start,
        time_unix_nano: now,
        count: histogram.count(),
        sum: Some(histogram.sum),
        bucket_counts: histogram.counts.clone(),
        explicit_bounds: histogram.bounds.to_vec(),
    })
}

fn attributes(sample: &Sample) -> Vec<KeyValue> {
    sample.labels.iter().map(|(name, value)| KeyValue::text(*name, value.as_ref())).collect()
}
