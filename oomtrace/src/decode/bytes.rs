//! Reading fixed-width fields out of a record, with every length checked.

use core::mem::offset_of;

use oomtrace_common::{
    UNKNOWN_I32, UNKNOWN_U32, UNKNOWN_U64,
    record::{Header, kind},
};

use super::DecodeError;
use crate::model::Name;

/// The bytes of one record.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    kind: u16,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, kind: 0 }
    }

    /// The same bytes; errors name `kind`.
    pub(super) fn of_kind(self, kind: u16) -> Self {
        Self { kind, ..self }
    }

    /// The header, once its length has been found to be the record's. The ring pads records to 8 bytes, so that what is
    /// there may be longer by less than that.
    pub(super) fn header(&self) -> Result<Header, DecodeError> {
        let kind = u16::from_le_bytes(self.array(offset_of!(Header, kind))?);
        let header = Header {
            kind,
            reserved: 0,
            len: self.u32(offset_of!(Header, len))?,
            boot_ns: self.u64(offset_of!(Header, boot_ns))?,
            episode: self.u64(offset_of!(Header, episode))?,
        };
        let len = self.bytes.len();
        let said = header.len as usize;
        if said > len || len - said >= 8 || said < size_of::<Header>() {
            return Err(DecodeError::Length { kind, said: header.len, len });
        }
        Ok(header)
    }

    fn array<const N: usize>(&self, offset: usize) -> Result<[u8; N], DecodeError> {
        self.slice(offset, N)?.try_into().map_err(|_| self.short())
    }

    pub(super) fn slice(&self, offset: usize, len: usize) -> Result<&'a [u8], DecodeError> {
        offset.checked_add(len).and_then(|end| self.bytes.get(offset..end)).ok_or_else(|| self.short())
    }

    fn short(&self) -> DecodeError {
        DecodeError::Short { kind: self.kind, len: self.bytes.len() }
    }

    pub(super) fn u16(&self, offset: usize) -> Result<u16, DecodeError> {
        self.array(offset).map(u16::from_le_bytes)
    }

    pub(super) fn i16(&self, offset: usize) -> Result<i16, DecodeError> {
        self.array(offset).map(i16::from_le_bytes)
    }

    pub(super) fn u32(&self, offset: usize) -> Result<u32, DecodeError> {
        self.array(offset).map(u32::from_le_bytes)
    }

    pub(super) fn i32(&self, offset: usize) -> Result<i32, DecodeError> {
        self.array(offset).map(i32::from_le_bytes)
    }

    pub(super) fn u64(&self, offset: usize) -> Result<u64, DecodeError> {
        self.array(offset).map(u64::from_le_bytes)
    }

    pub(super) fn i64(&self, offset: usize) -> Result<i64, DecodeError> {
        self.array(offset).map(i64::from_le_bytes)
    }

    /// A name in a field of `len` bytes.
    pub(super) fn name(&self, offset: usize, len: usize) -> Result<Name, DecodeError> {
        self.slice(offset, len).map(Name::from_padded)
    }
}

pub(super) fn known_u64(value: u64) -> Option<u64> {
    (value != UNKNOWN_U64).then_some(value)
}

/// A kernel counter's value: one that is a little below zero for a moment is 0, as the kernel itself has it.
pub(super) fn counter(raw: u64) -> Option<u64> {
    known_u64(raw).map(|raw| if raw > UNKNOWN_U64 { 0 } else { raw })
}

pub(super) fn known_u32(value: u32) -> Option<u32> {
    (value != UNKNOWN_U32).then_some(value)
}

pub(super) fn known_i32(value: i32) -> Option<i32> {
    (value != UNKNOWN_I32).then_some(value)
}

// The object is built for a little-endian target, and the records are read as such.
const _: () = assert!(cfg!(target_endian = "little") && kind::OPENED == 1);
