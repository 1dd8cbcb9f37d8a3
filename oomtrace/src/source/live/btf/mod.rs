//! Questions to BTF, in the terms of the C source: where is a member, by its path; what is an enumerator's value; the id of a
//! function.
//!
//! This file only walks members, through anonymous structs and unions, typedefs and qualifiers; [`raw`] knows the format. The
//! types are looked at where they lie: a kernel has some hundred thousand, and two dozen are asked for. A library that
//! parses all of them takes ten times as long, and that is most of what is left of the start-up.

use std::path::Path;

use super::LiveError;

mod file;
mod raw;
#[cfg(test)]
mod tests;

use file::Bytes;
use raw::{At, Raw, TYPE_LEN, kind};

/// A kernel's type information.
pub(super) struct Types {
    raw: Raw,
}

/// A type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Type(At);

/// A member found: where, and of what type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Bytes from the start of the outermost struct.
    pub(super) offset: u32,
    /// Its type, typedefs and qualifiers stripped.
    pub(super) kind: Type,
}

/// A member of a struct or union, as it is in the file.
struct Member {
    name: u32,
    kind: u32,
    bit_offset: u32,
    bit_field: bool,
}

impl Types {
    /// Reads a file; [`Self::function`] will know those of `functions` that it has.
    pub(super) fn read(path: &Path, functions: &[&str]) -> Result<Self, LiveError> {
        let bad = |reason: String| LiveError::BadBtf { path: path.to_path_buf(), reason };
        let bytes = Bytes::of(path).map_err(|error| bad(error.to_string()))?;
        Ok(Self { raw: Raw::read(bytes, functions).map_err(bad)? })
    }

    /// Of the wanted functions those that are there: index in the list of wanted names, and id, by which fentry attaches.
    pub(super) fn functions(&self) -> &[(usize, u32)] {
        self.raw.functions()
    }

    /// Finds `path`, such as `memory.usage`, in struct `name`.
    pub(super) fn member(&self, name: &str, path: &str) -> Option<Found> {
        self.member_of(Type(self.raw.structure(name)?), path)
    }

    /// Whether a struct has this member, perhaps as a bit field.
    pub(super) fn has_member(&self, structure: &str, name: &str) -> bool {
        let Some(structure) = self.raw.structure(structure) else { return false };
        self.members(structure).any(|member| self.raw.is_called(member.name, name))
    }

    /// Finds `path` in a struct or union.
    pub(super) fn member_of(&self, container: Type, path: &str) -> Option<Found> {
        let mut found = Found { offset: 0, kind: container };
        for component in path.split('.') {
            let inner = self.direct(found.kind, component, 0)?;
            found = Found { offset: found.offset.checked_add(inner.offset)?, kind: inner.kind };
        }
        Some(found)
    }

    /// Finds a member by name, looking into anonymous members too. A bit field counts as not there: it cannot be read by
    /// its byte offset alone.
    fn direct(&self, container: Type, name: &str, depth: u32) -> Option<Found> {
        // Anonymous members nest a few levels deep in real kernels; a damaged file could nest for ever.
        if depth > 16 || !matches!(self.raw.kind(container.0), kind::STRUCT | kind::UNION) {
            return None;
        }
        for member in self.members(container.0) {
            let offset = member.bit_offset / 8;
            if self.raw.is_called(member.name, name) {
                if member.bit_field {
                    return None;
                }
                return Some(Found { offset, kind: self.stripped(member.kind)? });
            }
            if self.raw.is_called(member.name, "")
                && let Some(inner) = self.stripped(member.kind)
                && let Some(found) = self.direct(inner, name, depth + 1)
            {
                return Some(Found { offset: offset.checked_add(found.offset)?, kind: found.kind });
            }
        }
        None
    }

    fn members(&self, of: At) -> impl Iterator<Item = Member> {
        let with_length = self.raw.has_bit_fields(of);
        (0..self.raw.parts(of)).map_while(move |part| {
            let word = |n: usize| self.raw.word(of, TYPE_LEN + part * 12 + n * 4);
            let (name, kind, offset) = (word(0)?, word(1)?, word(2)?);
            let (bit_offset, bits) =
                if with_length { (offset & 0xff_ffff, offset >> 24) } else { (offset, 0) };
            Some(Member { name, kind, bit_offset, bit_field: bits > 0 })
        })
    }

    /// The type with this id, behind typedefs and qualifiers; `None` for void.
    fn stripped(&self, id: u32) -> Option<Type> {
        let mut at = self.raw.by_id(id)?;
        // A damaged file could go round in circles.
        for _ in 0..32 {
            match self.raw.kind(at) {
                kind::TYPEDEF | kind::VOLATILE | kind::CONST | kind::RESTRICT | kind::TYPE_TAG => {
                    at = self.raw.by_id(self.raw.word(at, 8)?)?;
                }
                _ => return Some(Type(at)),
            }
        }
        None
    }

    /// The element type of an array, stripped, with the element's size in bytes.
    pub(super) fn element(&self, array: Type) -> Option<(Type, u32)> {
        let (element, size, _) = self.array(array)?;
        Some((element, size))
    }

    /// The element type of an array, stripped, with the element's size in bytes and how many there are.
    pub(super) fn array(&self, array: Type) -> Option<(Type, u32, u32)> {
        if self.raw.kind(array.0) != kind::ARRAY {
            return None;
        }
        let element = self.stripped(self.raw.word(array.0, TYPE_LEN)?)?;
        let size = match self.raw.kind(element.0) {
            kind::STRUCT | kind::UNION | kind::INT | kind::ENUM => self.raw.word(element.0, 8)?,
            kind::PTR => size_of::<u64>() as u32,
            _ => return None,
        };
        Some((element, size, self.raw.word(array.0, TYPE_LEN + 8)?))
    }

    /// Bytes that a struct or union takes.
    pub(super) fn size(&self, of: Type) -> Option<u32> {
        match self.raw.kind(of.0) {
            kind::STRUCT | kind::UNION => self.raw.word(of.0, 8),
            _ => None,
        }
    }

    /// What a pointer points to, stripped; `None` for anything else, and for `void *`.
    pub(super) fn pointee(&self, pointer: Type) -> Option<Type> {
        if self.raw.kind(pointer.0) != kind::PTR {
            return None;
        }
        self.stripped(self.raw.word(pointer.0, 8)?)
    }

    /// Enumerators as they are in the file: name and value.
    fn values(&self, of: At) -> impl Iterator<Item = (u32, u32)> {
        (0..self.raw.parts(of)).map_while(move |part| {
            let word = |n: usize| self.raw.word(of, TYPE_LEN + part * 8 + n * 4);
            Some((word(0)?, word(1)?))
        })
    }

    fn enums_called(&self, name: &str) -> impl Iterator<Item = At> {
        self.raw
            .enums()
            .filter(move |&at| self.raw.word(at, 0).is_some_and(|at| self.raw.is_called(at, name)))
    }

    /// All enumerators of an enum, with their values, in its order.
    pub(super) fn all_enumerators(&self, enum_name: &str) -> Vec<(String, u32)> {
        let Some(of) = self.enums_called(enum_name).next() else { return Vec::new() };
        self.values(of).map(|(name, value)| (self.raw.name(name).to_owned(), value)).collect()
    }

    /// Values of enumerators of one enum, named or not: of the first enum that has them all.
    pub(super) fn enumerators<const N: usize>(
        &self,
        enum_name: Option<&str>,
        names: [&str; N],
    ) -> Option<[u32; N]> {
        let starts = names.map(raw::prefix);
        let wanted = |at: At| {
            let mut values = [None; N];
            for (name, value) in self.values(at) {
                // Some ten thousand names pass here when the enum has none: almost all differ in their first bytes.
                let start = self.raw.prefix(name);
                let is = |i: &usize| {
                    (starts[*i].is_none() || starts[*i] == start) && self.raw.is_called(name, names[*i])
                };
                if let Some(i) = (0..N).find(is) {
                    values[i] = Some(value);
                }
            }
            values.iter().all(Option::is_some).then(|| values.map(Option::unwrap_or_default))
        };
        match enum_name {
            Some(name) => self.enums_called(name).find_map(wanted),
            None => self.raw.enums().find_map(wanted),
        }
    }
}
