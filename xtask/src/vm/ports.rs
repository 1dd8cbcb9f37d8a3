//! The host's end of the guest's control port. `tests/src/guest/ports.rs` is the other end and lists the messages.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

/// What the guest said, up to the moment it fell silent.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// When init was running.
    pub(super) ready: Option<Instant>,
    /// The command's exit code.
    pub(super) code: Option<u8>,
    /// Files written below the output folder.
    pub(super) files: usize,
    /// Whether everything was sent.
    pub(super) complete: bool,
    /// What init itself could not do, or what could not be written here.
    pub(super) failure: Option<String>,
}

/// Reads messages until the port closes. `on_ready` is called when init runs.
pub(super) fn listen(port: impl Read, out: Option<&Path>, on_ready: impl FnOnce()) -> Report {
    let mut report = Report::default();
    let mut on_ready = Some(on_ready);
    let mut port = BufReader::with_capacity(1 << 16, port);
    let mut line = Vec::new();
    loop {
        line.clear();
        // An error is a port that closed in the middle; what came before still counts.
        if !matches!(port.read_until(b'\n', &mut line), Ok(count) if count > 0) {
            return report;
        }
        let text = String::from_utf8_lossy(&line);
        let (word, rest) = text.trim_end().split_once(' ').unwrap_or((text.trim_end(), ""));
        match word {
            "ready" => {
                report.ready = Some(Instant::now());
                if let Some(call) = on_ready.take() {
                    call();
                }
            }
            "exit" => report.code = rest.parse::<i32>().ok().and_then(|code| u8::try_from(code & 0xff).ok()),
            "failed" => report.failure = Some(format!("the guest's init failed: {rest}")),
            "end" => report.complete = true,
            "file" => match receive(&mut port, rest, out) {
                Ok(()) => report.files += 1,
                Err(error) => {
                    report.failure = Some(format!("a file from the guest was lost: {error:#}"));
                    // Go on draining, or the guest would wait for us for ever.
                    let _ = io::copy(&mut port, &mut io::sink());
                    return report;
                }
            },
            // Nothing else is ever sent; a line of noise must not end the run.
            _ => {}
        }
    }
}

/// One file: its bytes and then the line with their digest. Without an output folder the bytes are dropped.
fn receive(port: &mut impl BufRead, header: &str, out: Option<&Path>) -> Result<()> {
    let mut words = header.split(' ');
    let (Some(mode), Some(length), Some(name)) = (words.next(), words.next(), words.next()) else {
        bail!("the message `file {header}` is not complete");
    };
    let mode = u32::from_str_radix(mode, 8).with_context(|| format!("`{mode}` is no file mode"))?;
    let length: u64 = length.parse().with_context(|| format!("`{length}` is no length"))?;
    let name = decode_path(name)?;
    let mut sum = 0;
    let mut left = length;
    let mut target: Box<dyn Write> = match out {
        Some(out) => {
            let path = out.join(&name);
            fs::create_dir_all(path.parent().unwrap_or(out))
                .with_context(|| format!("cannot create {}", out.display()))?;
            let file =
                fs::File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
            file.set_permissions(fs::Permissions::from_mode(mode & 0o777))?;
            Box::new(file)
        }
        None => Box::new(io::sink()),
    };
    while left > 0 {
        let bytes = port.fill_buf()?;
        if bytes.is_empty() {
            bail!("the guest fell silent {left} bytes before the end of {}", name.display());
        }
        let count = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        sum = crc32c::crc32c_append(sum, &bytes[..count]);
        target.write_all(&bytes[..count]).with_context(|| format!("cannot write {}", name.display()))?;
        port.consume(count);
        left -= count as u64;
    }
    let mut line = String::new();
    port.read_line(&mut line)?;
    let expected = format!("sum {sum:08x}");
    if line.trim_end() != expected {
        bail!("{} arrived damaged: `{}`, not `{expected}`", name.display(), line.trim_end());
    }
    Ok(())
}

/// A path in hexadecimal. Only one that stays below the folder it is joined to is accepted.
fn decode_path(hex: &str) -> Result<PathBuf> {
    let digits = hex.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> = digits
        .map(|pair| std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2))
        .map(|pair| u8::from_str_radix(pair?, 16).ok())
        .collect();
    let path =
        PathBuf::from(std::ffi::OsString::from_vec(bytes.with_context(|| format!("`{hex}` is no path"))?));
    if path.as_os_str().is_empty() || !path.components().all(|part| matches!(part, Component::Normal(_))) {
        bail!("the guest named the path {}, which leaves the output folder", path.display());
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_the_exit_code_arrive() {
        let out = tempfile::tempdir().expect("a folder");
        let mut sum = 0;
        sum = crc32c::crc32c_append(sum, b"a\nb");
        let text = format!("noise\nready\nexit 3\nfile 644 3 612f62\na\nbsum {sum:08x}\nend\n");
        let mut ready = false;
        // The three bytes of the file hold a line end, which must not be taken for a message's.
        let report = listen(text.as_bytes(), Some(out.path()), || ready = true);
        assert!(ready && report.complete && report.failure.is_none(), "{report:?}");
        assert_eq!((report.code, report.files), (Some(3), 1));
        assert_eq!(fs::read(out.path().join("a/b")).expect("the file"), b"a\nb");
    }

    #[test]
    fn a_damaged_file_is_noticed() {
        let report = listen(&b"file 644 1 61\nxsum 0000000000000000\nend\n"[..], None, || ());
        assert!(report.failure.is_some_and(|f| f.contains("damaged")));
        let report = listen(&b"file 644 9 61\nxx"[..], None, || ());
        assert!(report.failure.is_some_and(|f| f.contains("silent")));
    }

    #[test]
    fn paths_stay_below_the_folder() {
        assert!(decode_path("61").is_ok());
        for bad in ["", "2e2e", "2f61", "612f2e2e2f2e2e2f62", "6", "zz"] {
            assert!(decode_path(bad).is_err(), "{bad}");
        }
    }
}
