//! Hostile input, made harmless to read at all: whatever bytes come become a session file or a ring record whose checksums and lengths are
//! right, so that what is behind these is reached. Shared by the fuzz targets and the tests with fixed seeds.

#![allow(dead_code, missing_docs, unreachable_pub)]

use std::io::Write;
use std::sync::{Arc, Mutex};

use oomtrace::assemble::Assembler;
use oomtrace::decode::context::{Context, Run, ZoneLayout};
use oomtrace::decode::decode;
use oomtrace::explain::explain;
use oomtrace::model::{Episode, Observation, SessionInfo};
use oomtrace::session::format::{CHECKSUM_LEN, FRAME_HEADER_LEN, HEADER_LEN, VERSION, file_header, kind};
use oomtrace::session::{Blocks, Compression, Reader};
use oomtrace::sink::export::Target;
use oomtrace::sink::report::{Form, Recording};
use oomtrace::sink::{Report, Sink, Totals};

/// Any bytes as a session: as they are, with right checksums, or with right checksums and frames in blocks, the last two also behind the head of
/// a session; the first byte says which.
pub fn session(bytes: &[u8], head: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    let behind = |frames| [head, frames].concat();
    match how % 5 {
        0 => read(bytes),
        1 => read(&repaired(bytes, false)),
        2 => read(&repaired(bytes, true)),
        3 => read(&repaired(&behind(bytes), false)),
        _ => read(&repaired(&behind(bytes), true)),
    }
}

/// Reads a session to its end, makes episodes of it, and explains them.
pub fn read(file: &[u8]) {
    let Ok(mut reader) = Reader::open(file) else { return };
    let info = reader.info().clone();
    let mut assembler = Assembler::new(&info);
    let mut episodes = Vec::new();
    while let Some(observation) = reader.next_observation() {
        episodes.extend(assembler.push(observation));
    }
    assert!(reader.ending().is_some(), "it says how it ended");
    assert!(reader.tally().bytes <= file.len() as u64);
    episodes.extend(assembler.finish());
    tell(&episodes, &info);
}

/// Explains episodes, and makes reports of them.
fn tell(episodes: &[Episode], info: &SessionInfo) {
    let episodes = &episodes[..episodes.len().min(16)];
    for episode in episodes {
        let _ = explain(episode, info, &[]);
    }
    // Nearly all are nothing but damage.
    let episodes = &episodes[..episodes.len().min(2)];
    if episodes.is_empty() {
        return;
    }
    for form in [Form::Html, Form::Markdown] {
        let written = Written::default();
        let mut report = Report::new(Box::new(written.clone()), form, Recording::default());
        report.start(info).expect("memory does not fail");
        for episode in episodes {
            report.episode(episode).expect("memory does not fail");
        }
        report.end(&Totals::default()).expect("memory does not fail");
        let text = String::from_utf8(written.0.lock().expect("nobody panics").clone()).expect("it is text");
        // The page's own and the data of each that has candidates, whatever the names are.
        let data = episodes.iter().filter(|episode| !episode.candidates.is_empty()).count();
        let scripts = if form == Form::Html { data + 1 } else { 0 };
        assert_eq!(text.matches("</script").count(), scripts);
        assert_eq!(text.matches("<script").count(), scripts);
    }
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("nobody panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Target for Written {
    fn commit(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The same bytes with a header, and checksums that are right. `packed`: the frames behind the first in a block.
pub fn repaired(bytes: &[u8], packed: bool) -> Vec<u8> {
    let mut out = file_header(VERSION).to_vec();
    let mut frames = Vec::new();
    let mut rest = bytes.get(HEADER_LEN..).unwrap_or_default();
    while let Some((header, more)) = rest.split_first_chunk::<FRAME_HEADER_LEN>() {
        let said = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let len = said.min(more.len());
        let (payload, more) = more.split_at(len);
        let mut frame = u32::try_from(len).unwrap_or(0).to_le_bytes().to_vec();
        frame.extend_from_slice(&header[4..]);
        frame.extend_from_slice(payload);
        let checksum = crc32c::crc32c(&frame);
        frame.extend_from_slice(&checksum.to_le_bytes());
        // What describes and ends a session is never in a block.
        let is_block = packed && !out.is_empty() && u16::from_le_bytes([header[4], header[5]]) > kind::BLOCK;
        if is_block {
            frames.extend_from_slice(&frame);
        } else {
            out.extend_from_slice(&frame);
        }
        rest = more.get(CHECKSUM_LEN.min(more.len())..).unwrap_or_default();
    }
    if let Some(mut blocks) = Blocks::new(Compression::Zstd).filter(|_| !frames.is_empty()) {
        blocks.append(&mut out, &frames);
    }
    out
}

/// Any bytes as records of the ring, one behind the other, each with a length that is right; then as one.
pub fn records(bytes: &[u8], info: &SessionInfo) {
    let context = context();
    let mut observations = Vec::new();
    let mut rest = bytes;
    // Kind, then as many bytes as the next two say.
    while let Some(([kind, low, high], more)) = rest.split_first_chunk::<3>() {
        let len = usize::from(u16::from_le_bytes([*low, *high]) % 8192).min(more.len());
        let (body, more) = more.split_at(len);
        let mut record = body.to_vec();
        if record.len() >= 8 {
            record[..2].copy_from_slice(&u16::from(kind % 48).to_le_bytes());
            let len = u32::try_from(record.len()).unwrap_or(0);
            record[4..8].copy_from_slice(&len.to_le_bytes());
        }
        let _ = decode(&record, &context, &mut observations);
        rest = more;
    }
    let _ = decode(bytes, &context, &mut observations);
    // Whatever comes out can be recorded, and is read back.
    let mut file = oomtrace::session::encode::head(info).expect("it is short");
    let mut encoder = oomtrace::session::Encoder::default();
    for observation in &observations {
        encoder.observation(&mut file, observation).expect("a record is short");
    }
    let mut reader = Reader::open(&file[..]).expect("it was just written");
    for observation in &observations {
        let read = reader.next_observation();
        assert_eq!(read.as_ref(), Some(observation));
    }
    let mut assembler = Assembler::new(info);
    let mut episodes: Vec<_> =
        observations.into_iter().flat_map(|o: Observation| assembler.push(o)).collect();
    episodes.extend(assembler.finish());
    tell(&episodes, info);
}

/// A machine on which every field of a zone can be found.
fn context() -> Context {
    let run = |start, count| Some(Run { start, stride: 8, count });
    Context {
        page_counter_max: i64::MAX as u64 / 4096,
        page_size: 4096,
        zone: ZoneLayout {
            min: Some(0),
            low: Some(8),
            high: Some(16),
            boost: Some(24),
            managed: Some(32),
            present: Some(40),
            spanned: None,
            reserved_highatomic: Some(48),
            lowmem_reserve: run(56, 4),
            free_blocks: run(88, 11),
            stats: run(176, 14),
        },
        symbols: None,
    }
}
