//! tracefs: where it is, and what a tracepoint's `format` says.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::LiveError;

/// Mount points that distributions use; the second is older.
const MOUNT_POINTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// The folder below which tracefs is mounted and can be read.
#[must_use]
pub fn root() -> Option<PathBuf> {
    MOUNT_POINTS.iter().map(PathBuf::from).find(|path| path.join("events").is_dir())
}

/// Whether this kernel can patch the beginnings of its functions: what comes first in each is then known.
#[must_use]
pub fn patches_functions() -> bool {
    root().is_some_and(|root| root.join("available_filter_functions").exists())
}

/// Reads the format of `category:event`.
///
/// # Errors
/// When tracefs is not mounted or not readable, or the kernel has no such event.
pub fn format(root: &Path, category: &str, event: &str) -> Result<String, LiveError> {
    let path = root.join("events").join(category).join(event).join("format");
    fs::read_to_string(&path).map_err(|error| LiveError::Read { path, error })
}

/// The number of `category:event`, by which it is attached to.
///
/// # Errors
/// When tracefs is not mounted or not readable, or the kernel has no such event.
pub fn number(root: &Path, category: &str, event: &str) -> Result<u64, LiveError> {
    let path = root.join("events").join(category).join(event).join("id");
    let strange = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    fs::read_to_string(&path)
        .and_then(|text| text.trim().parse().map_err(strange))
        .map_err(|error: io::Error| LiveError::Read { path, error })
}

/// The offset of a field in the tracepoint's record, in bytes, from its format.
#[must_use]
pub fn field_offset(format: &str, field: &str) -> Option<u32> {
    // "\tfield:pid_t pid;\toffset:8;\tsize:4;\tsigned:1;", with "char comm[16]" for arrays.
    format.lines().find_map(|line| {
        let rest = line.trim_start().strip_prefix("field:")?;
        let (declaration, rest) = rest.split_once(';')?;
        let name = declaration.split_whitespace().next_back()?;
        let name = name.split('[').next()?;
        if name != field {
            return None;
        }
        let offset = rest.trim_start().strip_prefix("offset:")?;
        offset.split(';').next()?.trim().parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::field_offset;

    /// As printed by Debian's 6.1 and 6.1-rt: the latter's common header is longer.
    const FORMAT: &str = "name: signal_generate\nID: 170\nformat:\n\
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
        \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n\
        \tfield:int sig;\toffset:8;\tsize:4;\tsigned:1;\n\
        \tfield:char comm[16];\toffset:20;\tsize:16;\tsigned:0;\n\
        \tfield:pid_t pid;\toffset:36;\tsize:4;\tsigned:1;\n";
    const SHIFTED: &str = "\tfield:unsigned char common_preempt_lazy_count;\toffset:8;\tsize:1;\tsigned:0;\n\n\
        \tfield:int pid;\toffset:12;\tsize:4;\tsigned:1;\n";

    #[test]
    fn offsets_come_from_the_format() {
        assert_eq!(field_offset(FORMAT, "sig"), Some(8));
        assert_eq!(field_offset(FORMAT, "comm"), Some(20));
        assert_eq!(field_offset(FORMAT, "pid"), Some(36));
        assert_eq!(field_offset(SHIFTED, "pid"), Some(12));
        assert_eq!(field_offset(FORMAT, "result"), None);
    }
}
