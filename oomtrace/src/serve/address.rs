//! Where to listen: `127.0.0.1:9100`, `[::1]:9100`, `localhost:9100`, `:9100` (all addresses), `unix:/run/a.sock`.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// One address of this machine.
    Ip(SocketAddr),
    /// All of them.
    Any(u16),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// What is no address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// The form.
    #[error(
        "expected ADDRESS:PORT as in 127.0.0.1:9100 or [::1]:9100, :PORT for all addresses, or unix:PATH"
    )]
    Form,
    /// Looking names up is left to whoever starts this: the answer may be another machine's address.
    #[error("`{0}` is a name; expected a numeric address, as in 127.0.0.1:9100, or localhost")]
    Name(String),
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(BadAddress::Form) } else { Ok(Self::Unix(path.into())) };
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        let (host, port) = text.rsplit_once(':').ok_or(BadAddress::Form)?;
        let port = port.parse().map_err(|_| BadAddress::Form)?;
        match host {
            "" => Ok(Self::Any(port)),
            "localhost" => Ok(Self::Ip((Ipv4Addr::LOCALHOST, port).into())),
            name if name.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) => {
                Err(BadAddress::Name(name.to_owned()))
            }
            _ => Err(BadAddress::Form),
        }
    }
}

/// IPv6, which takes IPv4 too where it is not told otherwise; a kernel without IPv6 has the other one.
pub(super) fn any(port: u16) -> io::Result<TcpListener> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)) {
        Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
        }
        result => result,
    }
}

/// A socket that nobody listens at any more is replaced; anything else that is there is left alone.
pub(super) fn unix(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let is_socket = std::fs::symlink_metadata(path)?.file_type().is_socket();
            let left = is_socket
                && UnixStream::connect(path)
                    .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
            if !left {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let is = |text: &str| text.parse::<Address>();
        assert_eq!(is("127.0.0.1:9100"), Ok(Address::Ip(([127, 0, 0, 1], 9100).into())));
        assert_eq!(is("[::1]:0"), Ok(Address::Ip((Ipv6Addr::LOCALHOST, 0).into())));
        assert_eq!(is("localhost:1"), Ok(Address::Ip(([127, 0, 0, 1], 1).into())));
        assert_eq!(is(":9100"), Ok(Address::Any(9100)));
        assert_eq!(is("unix:/run/a b.sock"), Ok(Address::Unix("/run/a b.sock".into())));
        assert_eq!(is("example.org:80"), Err(BadAddress::Name("example.org".into())));
        for bad in
            ["", "9100", "127.0.0.1", "::1:", "127.0.0.1:65536", "1.2.3.4:x", "unix:", "a b:1", "http://a/"]
        {
            assert_eq!(is(bad), Err(BadAddress::Form), "{bad}");
        }
    }

    #[test]
    fn a_socket_that_was_left_behind_is_replaced_and_nothing_else_is() {
        let folder = tempfile::tempdir().expect("there is room");
        let path = folder.path().join("socket");
        let first = unix(&path).expect("there is nothing yet");
        assert_eq!(unix(&path).map(drop).map_err(|error| error.kind()), Err(io::ErrorKind::AddrInUse));
        drop(first);
        drop(unix(&path).expect("nobody listens any more"));
        let file = folder.path().join("file");
        std::fs::write(&file, "precious").expect("there is room");
        assert_eq!(unix(&file).map(drop).map_err(|error| error.kind()), Err(io::ErrorKind::AddrInUse));
        assert_eq!(std::fs::read(&file).expect("it is there"), b"precious");
    }
}
