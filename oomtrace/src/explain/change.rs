//! What to suppose: the language of `--what-if`.

use std::str::FromStr;

use bytesize::ByteSize;

use crate::model::Name;
use crate::model::episode::Person;

/// One thing that is supposed to have been different.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `adj:WHO=N`: somebody's `oom_score_adj`.
    Adj {
        /// Whose.
        who: Who,
        /// -1000 to 1000.
        adj: i16,
    },
    /// `limit=SIZE`: the limit that was met; for a global OOM what the machine has, swap included. Bytes.
    Limit {
        /// The other limit.
        bytes: u64,
    },
    /// `kill:WHO`: somebody was gone before.
    Kill {
        /// Who.
        who: Who,
    },
}

/// A process, or all of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The process with this id.
    Pid(i32),
    /// All of this name; a pattern when it has `*` or `?`.
    Name(String),
}

/// The text is none of the three.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// No such form.
    #[error("`{0}`: expected adj:PID=N, adj:NAME=N, limit=SIZE, kill:PID or kill:NAME")]
    Form(String),
    /// Not a value of `oom_score_adj`.
    #[error("`{0}`: oom_score_adj is a whole number from -1000 to 1000, not `{1}`")]
    Adj(String, String),
    /// Not a size.
    #[error("`{0}`: not a size: `{1}`; expected something like 512M, 1.5GiB or 536870912")]
    Size(String, String),
}

impl FromStr for Change {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let form = || ParseError::Form(text.to_owned());
        if let Some(rest) = text.strip_prefix("adj:") {
            // A name may have a `=`, a number has none.
            let (who, value) = rest.rsplit_once('=').ok_or_else(form)?;
            let who = Who::parse(who).ok_or_else(form)?;
            let adj = value.parse::<i16>().ok().filter(|adj| (-1000..=1000).contains(adj));
            let adj = adj.ok_or_else(|| ParseError::Adj(text.to_owned(), value.to_owned()))?;
            return Ok(Self::Adj { who, adj });
        }
        if let Some(value) = text.strip_prefix("limit=") {
            let bytes = size(value).ok_or_else(|| ParseError::Size(text.to_owned(), value.to_owned()))?;
            return Ok(Self::Limit { bytes });
        }
        let who = text.strip_prefix("kill:").and_then(Who::parse).ok_or_else(form)?;
        Ok(Self::Kill { who })
    }
}

impl Who {
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        Some(match text.parse::<i32>() {
            Ok(pid) => Self::Pid(pid),
            Err(_) => Self::Name(text.to_owned()),
        })
    }

    /// Whether this is one of those meant.
    #[must_use]
    pub fn is(&self, person: &Person) -> bool {
        match self {
            Self::Pid(pid) => person.pid == *pid,
            Self::Name(pattern) if pattern.contains(['*', '?']) => person.comm.matches(pattern),
            // As the name is, or as it is shown.
            Self::Name(name) => person.comm == Name::from(name.as_str()) || person.comm.to_string() == *name,
        }
    }
}

/// Bytes. A single letter counts in powers of 1024, as in `memory.max` and on this program's screen; `MB` is a million bytes.
#[must_use]
pub fn size(text: &str) -> Option<u64> {
    let text = text.trim();
    // What the parser takes beyond numbers is no size: a sign, for one.
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let binary = text.strip_suffix(['k', 'K', 'm', 'M', 'g', 'G', 't', 'T', 'p', 'P', 'e', 'E']);
    match binary {
        Some(number) if number.ends_with(|c: char| c.is_ascii_digit() || c == '.') => {
            format!("{text}iB").parse::<ByteSize>().ok().map(|size| size.as_u64())
        }
        _ => text.parse::<ByteSize>().ok().map(|size| size.as_u64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms() {
        let adj = |who, adj| Ok(Change::Adj { who, adj });
        let name = |name: &str| Who::Name(name.to_owned());
        assert_eq!("adj:42=-1000".parse(), adj(Who::Pid(42), -1000));
        assert_eq!("adj:a=b=1000".parse(), adj(name("a=b"), 1000));
        assert_eq!("adj:post*=-900".parse(), adj(name("post*"), -900));
        assert_eq!("kill:nginx: worker".parse(), Ok(Change::Kill { who: name("nginx: worker") }));
        assert_eq!("kill:7".parse(), Ok(Change::Kill { who: Who::Pid(7) }));
        assert_eq!("limit=48.0M".parse(), Ok(Change::Limit { bytes: 48 << 20 }));
    }

    #[test]
    fn sizes_as_memory_max_has_them() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("1k", 1024),
            ("64M", 64 << 20),
            ("64MiB", 64 << 20),
            ("64MB", 64_000_000),
            ("1.5G", 3 << 29),
            ("2T", 2 << 40),
            ("1E", 1 << 60),
        ] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for bad in ["", "M", "-1M", "lots", "1Q", "1 potato", "NaN", "inf", "+1M"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let parse = |text: &str| text.parse::<Change>().expect_err("it is a mistake");
        for text in ["", "adj", "adj:", "adj:5", "adj:=5", "kill:", "kill", "limit", "limit:5", "raise=5"] {
            assert!(matches!(parse(text), ParseError::Form(_)), "{text}");
        }
        for text in ["adj:5=", "adj:5=1001", "adj:5=-1001", "adj:5=1.5", "adj:5=99999999999"] {
            assert!(matches!(parse(text), ParseError::Adj(..)), "{text}");
        }
        assert!(matches!(parse("limit=many"), ParseError::Size(..)));
    }

    #[test]
    fn names_are_met_as_they_are_and_as_they_are_shown() {
        let person = |comm: &[u8]| Person {
            pid: 1,
            tid: 1,
            comm: Name::from(comm),
            uid: None,
            oom_score_adj: None,
            cgroup: None,
        };
        let who = |name: &str| Who::Name(name.to_owned());
        assert!(who("nginx").is(&person(b"nginx")));
        assert!(!who("ngin").is(&person(b"nginx")));
        assert!(who("ngin*").is(&person(b"nginx")));
        assert!(who(r"a\xff").is(&person(b"a\xff")));
        assert!(Who::Pid(1).is(&person(b"x")));
    }
}
