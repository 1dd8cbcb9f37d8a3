//! `journalctl -o json`: an object a line.

use std::borrow::Cow;

use serde::Deserialize;

use super::stamp;
use super::wall::{Calendar, Wall};
use super::{Framed, Framing};
use crate::source::klog::bytes::{Cursor, decimal};

/// The fields that are looked at.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, rename = "MESSAGE", default)]
    message: Option<Text<'a>>,
    #[serde(borrow, rename = "__REALTIME_TIMESTAMP", default)]
    realtime: Option<Cow<'a, str>>,
    /// Of the kernel's own stamp, µs since boot, suspend not included.
    #[serde(borrow, rename = "_SOURCE_MONOTONIC_TIMESTAMP", default)]
    source_monotonic: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "__MONOTONIC_TIMESTAMP", default)]
    monotonic: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "_BOOT_ID", default)]
    boot_id: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "_HOSTNAME", default)]
    host: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "_TRANSPORT", default)]
    transport: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "SYSLOG_IDENTIFIER", default)]
    identifier: Option<Cow<'a, str>>,
}

/// A message: text, or an array of bytes when it is not UTF-8 or not printable.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text<'a> {
    #[serde(borrow)]
    Text(Cow<'a, str>),
    Bytes(Vec<u8>),
}

/// `None`: it is not such an object.
pub(super) fn frame<'a>(line: &'a [u8], _: &Calendar) -> Option<Framing<'a>> {
    let entry: Entry<'a> = serde_json::from_slice(line).ok()?;
    let kernel = match (&entry.transport, &entry.identifier) {
        (Some(transport), _) => transport == "kernel",
        (None, Some(identifier)) => identifier == "kernel",
        (None, None) => true,
    };
    if !kernel {
        return Some(Framing::NotKernel);
    }
    let text = match entry.message? {
        Text::Text(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
        Text::Text(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
        Text::Bytes(bytes) => Cow::Owned(bytes),
    };
    let us = |text: &Option<Cow<'_, str>>| decimal(text.as_deref()?.as_bytes())?.checked_mul(1000);
    let wall = us(&entry.realtime).and_then(|ns| i64::try_from(ns).ok());
    let bytes = |text: Option<Cow<'a, str>>| {
        text.map(|text| match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })
    };
    let mut framed = Framed {
        mono_ns: us(&entry.source_monotonic).or_else(|| us(&entry.monotonic)),
        wall: wall.map(|unix_ns| Wall { unix_ns, offset: Some(0), year: true, fraction: true }),
        caller: None,
        host: bytes(entry.host),
        boot_id: bytes(entry.boot_id),
        text,
        continued: false,
    };
    // Some shippers keep the kernel's stamp in the text.
    if let Cow::Borrowed(text) = framed.text {
        let mut cursor = Cursor(text);
        stamp::level(&mut cursor);
        stamp::stamps(&mut cursor, &mut framed);
        framed.text = Cow::Borrowed(cursor.0);
    }
    Some(Framing::Kernel(framed))
}
