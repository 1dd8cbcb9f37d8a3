//! What others do to a file that is being recorded to, and file systems that are full. `tests/src/scenarios/recording_target.rs` does the same to a
//! running capture.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::chunk::Extent;
use super::file::OpenError;
use super::*;

const HEAD: &[u8] = b"head";

fn begun(path: &Path) -> RecordingFile {
    let (mut file, _) = RecordingFile::create(path).expect("there is room");
    file.begin(HEAD).expect("there is room");
    file
}

fn write(file: &mut RecordingFile, bytes: &[u8]) -> Result<(), Fault> {
    file.write(&Piece { bytes, boundary: true, last: false, extent: Extent::default() })
}

/// Asserts that the file begins anew, and that what is then written is in it.
fn begins_anew(file: &mut RecordingFile, path: &Path) {
    assert!(matches!(write(file, b"x"), Err(Fault::Anew(Some(_)))));
    write(file, b"x").expect("there is room");
    assert_eq!(fs::read(path).expect("it is there"), b"headx");
}

#[test]
fn a_file_is_its_recorders_alone() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("file");
    let mut one = begun(&path);
    assert!(matches!(RecordingFile::create(&path), Err(OpenError::Locked)));
    write(&mut one, b"one").expect("the other one did nothing to it");
    assert_eq!(fs::read(&path).expect("it is there"), b"headone");
    let mode = fs::metadata(&path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(one);
    let (_, before) = RecordingFile::create(&path).expect("nobody has it any more");
    assert_eq!(before, 7);
}

#[test]
fn a_file_that_was_removed_or_emptied_begins_anew() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("file");
    let mut file = begun(&path);
    write(&mut file, b"before").expect("there is room");
    fs::remove_file(&path).expect("it is there");
    begins_anew(&mut file, &path);
    fs::write(&path, b"").expect("it can be emptied");
    begins_anew(&mut file, &path);
    // What somebody put behind it would be read as damage.
    fs::write(&path, b"headx and more").expect("it can be written");
    write(&mut file, b"y").expect("there is room");
    assert_eq!(fs::read(&path).expect("it is there"), b"headxy");
    // Another one in its place is not ours to write to.
    fs::remove_file(&path).expect("it is there");
    fs::write(&path, b"precious").expect("it can be written");
    assert!(matches!(write(&mut file, b"z"), Err(Fault::Failed(_))));
    assert_eq!(fs::read(&path).expect("it is there"), b"precious");
}

#[test]
fn a_removed_folder_is_an_error_until_it_is_there_again() {
    let folder = tempfile::tempdir().expect("there is room");
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).expect("there is room");
    let path = inner.join("file");
    let mut file = begun(&path);
    fs::remove_dir_all(&inner).expect("it is there");
    assert!(matches!(write(&mut file, b"x"), Err(Fault::Failed(_))));
    fs::create_dir(&inner).expect("there is room");
    begins_anew(&mut file, &path);
}

/// In a mount namespace of this thread's own, if that is allowed.
#[test]
fn a_full_file_system_leaves_whole_pieces() {
    use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().to_owned();
    let done = std::thread::spawn(move || {
        // SAFETY: files are opened by path in this thread alone, which ends with the test.
        let own = unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) };
        let flags = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        let mounted = own
            .and_then(|()| mount_change("/", flags))
            .and_then(|()| mount("none", &path, "tmpfs", MountFlags::empty(), c"size=64k"));
        if let Err(error) = mounted {
            eprintln!("skipped: no small file system can be mounted here ({error})");
            return;
        }
        let path = path.join("file");
        let mut file = begun(&path);
        let piece = [7; 5000];
        let mut written = 0;
        let failed = loop {
            match write(&mut file, &piece) {
                Ok(()) => written += 1,
                Err(fault) => break fault,
            }
        };
        assert!(
            matches!(&failed, Fault::Failed(error) if error.kind() == std::io::ErrorKind::StorageFull),
            "{failed:?}"
        );
        let len = fs::metadata(&path).expect("it is there").len();
        assert_eq!(len as usize, HEAD.len() + written * piece.len(), "nothing of the last piece is left");
        assert!(written > 5);
        file.make_durable().expect("it is memory");
        // Room again, by way of the file itself: it is not begun anew behind what was written.
        assert!(matches!(write(&mut file, &piece), Err(Fault::Failed(_))));
        write(&mut file, b"end").expect("there is room for that");
        assert!(fs::read(&path).expect("it is there").ends_with(b"\x07end"));
    });
    done.join().expect("it does not panic");
}
