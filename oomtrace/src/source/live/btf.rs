//! Questions to BTF, in the terms of the C source: where is a member, by its path; what is an enumerator's value.
//!
//! Parsing is btf-rs'; this file only walks members, through anonymous structs and unions, typedefs and qualifiers.
//!
//! The types are looked at where they lie in the file, mapped: parsing all of them into memory takes ten times as long and
//! as much. Kernels before 6.16 cannot map their own BTF; it is then copied into an anonymous file first.

use std::{cell::RefCell, collections::HashMap, fs::File, io, os::fd::AsRawFd, path::Path};

use btf_rs::{Backend, Btf, BtfType, Type};
use fallible_iterator::FallibleIterator;

use super::LiveError;

/// A kernel's type information.
pub(super) struct Types {
    btf: Btf,
    /// Structs asked for: finding one by name goes through all types.
    structures: RefCell<HashMap<String, Option<Type>>>,
}

/// A member found: where, and of what type.
pub(super) struct Found {
    /// Bytes from the start of the outermost struct.
    pub(super) offset: u32,
    /// Its type, typedefs and qualifiers stripped.
    pub(super) kind: Type,
}

impl Types {
    pub(super) fn read(path: &Path) -> Result<Self, LiveError> {
        let bad = |reason: String| LiveError::BadBtf { path: path.to_path_buf(), reason };
        let btf = match Btf::from_file_with_backend(path, Backend::Mmap) {
            Ok(btf) => btf,
            Err(_) => {
                let copy = anonymous_copy(path).map_err(|error| bad(error.to_string()))?;
                let name = format!("/proc/self/fd/{}", copy.as_raw_fd());
                Btf::from_file_with_backend(name, Backend::Mmap).map_err(|error| bad(error.to_string()))?
            }
        };
        Ok(Self { btf, structures: RefCell::default() })
    }

    /// The struct of this name.
    fn structure(&self, name: &str) -> Option<Type> {
        let mut structures = self.structures.borrow_mut();
        if let Some(known) = structures.get(name) {
            return known.clone();
        }
        let types = self.btf.resolve_types_by_name(name).unwrap_or_default();
        let found = types.into_iter().find(|t| matches!(t, Type::Struct(_)));
        structures.insert(name.to_owned(), found.clone());
        found
    }

    /// Finds `path`, such as `memory.usage`, in struct `name`.
    pub(super) fn member(&self, name: &str, path: &str) -> Option<Found> {
        self.member_of(&self.structure(name)?, path)
    }

    /// Whether a struct has this member, perhaps as a bit field.
    pub(super) fn has_member(&self, structure: &str, name: &str) -> bool {
        let Some(Type::Struct(of)) = self.structure(structure) else { return false };
        of.members.iter().any(|member| self.btf.resolve_name(member).is_ok_and(|found| found == name))
    }

    /// Finds `path` in a struct or union.
    pub(super) fn member_of(&self, container: &Type, path: &str) -> Option<Found> {
        let mut found = Found { offset: 0, kind: container.clone() };
        for component in path.split('.') {
            let inner = self.direct(&found.kind, component, 0)?;
            found = Found { offset: found.offset + inner.offset, kind: inner.kind };
        }
        Some(found)
    }

    /// Finds a member by name, looking into anonymous members too. A bit field counts as not there: it cannot be read by
    /// its byte offset alone.
    fn direct(&self, container: &Type, name: &str, depth: u32) -> Option<Found> {
        // Anonymous members nest a few levels deep in real kernels; a damaged file could nest for ever.
        if depth > 16 {
            return None;
        }
        let (Type::Struct(of) | Type::Union(of)) = container else { return None };
        for member in &of.members {
            let offset = member.bit_offset() / 8;
            let member_name = self.btf.resolve_name(member).unwrap_or_default();
            if member_name == name {
                if member.bitfield_size().is_some_and(|bits| bits > 0) {
                    return None;
                }
                return Some(Found { offset, kind: self.stripped(member)? });
            }
            if member_name.is_empty()
                && let Some(inner) = self.stripped(member)
                && let Some(found) = self.direct(&inner, name, depth + 1)
            {
                return Some(Found { offset: offset + found.offset, kind: found.kind });
            }
        }
        None
    }

    /// The type that `of` refers to, behind typedefs and qualifiers.
    fn stripped(&self, of: &dyn BtfType) -> Option<Type> {
        let mut kind = self.btf.resolve_chained_type(of).ok()?;
        for _ in 0..32 {
            kind = match &kind {
                Type::Typedef(t) => self.btf.resolve_chained_type(t).ok()?,
                Type::Volatile(t) | Type::Const(t) | Type::Restrict(t) => {
                    self.btf.resolve_chained_type(t).ok()?
                }
                Type::TypeTag(t) => self.btf.resolve_chained_type(t).ok()?,
                _ => return Some(kind),
            };
        }
        None
    }

    /// The element type of an array, stripped, with the element's size in bytes.
    pub(super) fn element(&self, array: &Type) -> Option<(Type, u32)> {
        let Type::Array(array) = array else { return None };
        let element = self.stripped(array)?;
        let size = match &element {
            Type::Struct(t) | Type::Union(t) => t.size(),
            Type::Int(t) => t.size(),
            Type::Enum(t) => t.size(),
            Type::Ptr(_) => size_of::<u64>(),
            _ => return None,
        };
        u32::try_from(size).ok().map(|size| (element, size))
    }

    /// The element type of an array, stripped, with the element's size in bytes and how many there are.
    pub(super) fn array(&self, array: &Type) -> Option<(Type, u32, u32)> {
        let Type::Array(of) = array else { return None };
        let (element, size) = self.element(array)?;
        Some((element, size, u32::try_from(of.len()).ok()?))
    }

    /// Bytes that a struct or union takes.
    pub(super) fn size(&self, of: &Type) -> Option<u32> {
        let (Type::Struct(of) | Type::Union(of)) = of else { return None };
        u32::try_from(of.size()).ok()
    }

    /// What a pointer points to, stripped; `None` for anything else.
    pub(super) fn pointee(&self, pointer: &Type) -> Option<Type> {
        let Type::Ptr(pointer) = pointer else { return None };
        self.stripped(pointer)
    }

    /// All enumerators of an enum, with their values, in its order.
    pub(super) fn all_enumerators(&self, enum_name: &str) -> Vec<(String, u32)> {
        let types = self.btf.resolve_types_by_name(enum_name).unwrap_or_default();
        let Some(Type::Enum(of)) = types.iter().find(|kind| matches!(kind, Type::Enum(_))) else {
            return Vec::new();
        };
        of.members
            .iter()
            .map(|member| (self.btf.resolve_name(member).unwrap_or_default(), member.val()))
            .collect()
    }

    /// Values of enumerators of one enum, named or not: of the first enum that has them all.
    pub(super) fn enumerators<const N: usize>(
        &self,
        enum_name: Option<&str>,
        names: [&str; N],
    ) -> Option<[u32; N]> {
        let values = |kind: &Type| {
            let Type::Enum(of) = kind else { return None };
            let mut values = [None; N];
            for member in &of.members {
                let name = self.btf.resolve_name(member).unwrap_or_default();
                if let Some(i) = names.iter().position(|&wanted| wanted == name) {
                    values[i] = Some(member.val());
                }
            }
            values.iter().all(Option::is_some).then(|| values.map(Option::unwrap_or_default))
        };
        match enum_name {
            Some(name) => self.btf.resolve_types_by_name(name).ok()?.iter().find_map(values),
            None => {
                let mut types = self.btf.type_iter();
                while let Ok(Some(kind)) = types.next() {
                    if let Some(values) = values(&kind) {
                        return Some(values);
                    }
                }
                None
            }
        }
    }

    /// Whether BTF knows this function, which fentry needs.
    pub(super) fn has_function(&self, name: &str) -> bool {
        self.btf
            .resolve_types_by_name(name)
            .is_ok_and(|types| types.iter().any(|t| matches!(t, Type::Func(_))))
    }
}

/// A copy of a file in memory, which can be mapped.
fn anonymous_copy(path: &Path) -> io::Result<File> {
    let mut copy = File::from(rustix::fs::memfd_create("btf", rustix::fs::MemfdFlags::CLOEXEC)?);
    io::copy(&mut File::open(path)?, &mut copy)?;
    Ok(copy)
}
