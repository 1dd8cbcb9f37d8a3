//! Logs that are compressed: gzip and Zstandard, told by their first bytes.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

/// The log behind `source`, unpacked if it is packed.
///
/// # Errors
///
/// Those of the source.
pub fn unpack(source: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let mut source = BufReader::with_capacity(64 << 10, source);
    let magic = source.fill_buf()?;
    if magic.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(MultiGzDecoder::new(source)));
    }
    if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Ok(Box::new(zstd::stream::read::Decoder::with_buffer(source)?));
    }
    Ok(Box::new(source))
}
