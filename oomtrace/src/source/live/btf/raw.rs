//! The binary format of BTF (Documentation/bpf/btf.rst): its header, and one walk over all types.
//!
//! Types are of different lengths and have no index: finding one by its id, or by its name, takes a walk. The walk is done
//! once, and notes where every [`STRIDE`]th type is, all structs and enums, and the ids of the functions that are asked for. It
//! looks at names where they lie; nothing is copied, and no table of all types is made.

use std::cell::RefCell;

use super::file::Bytes;

/// `BTF_MAGIC`, as a kernel of this byte order writes it.
const MAGIC: u16 = 0xeb9f;
/// `struct btf_header` up to `str_len`.
const HEADER_LEN: usize = 24;
/// `struct btf_type`.
pub(super) const TYPE_LEN: usize = 12;
/// Types between two whose places are noted.
const STRIDE: usize = 16;

/// `BTF_KIND_*`.
pub(super) mod kind {
    pub(crate) const INT: u32 = 1;
    pub(crate) const PTR: u32 = 2;
    pub(crate) const ARRAY: u32 = 3;
    pub(crate) const STRUCT: u32 = 4;
    pub(crate) const UNION: u32 = 5;
    pub(crate) const ENUM: u32 = 6;
    pub(crate) const TYPEDEF: u32 = 8;
    pub(crate) const VOLATILE: u32 = 9;
    pub(crate) const CONST: u32 = 10;
    pub(crate) const RESTRICT: u32 = 11;
    pub(crate) const FUNC: u32 = 12;
    pub(crate) const TYPE_TAG: u32 = 18;
}

/// Kinds that the walk notes something of, as bits.
const NAMED: u32 = 1 << kind::STRUCT | 1 << kind::ENUM | 1 << kind::FUNC;

/// Bytes behind a type's first [`TYPE_LEN`], by kind: always, and for each of its `vlen` parts.
const BEHIND: [(u8, u8); 20] = [
    (0, 0),  // void, which is nowhere
    (4, 0),  // INT
    (0, 0),  // PTR
    (12, 0), // ARRAY
    (0, 12), // STRUCT
    (0, 12), // UNION
    (0, 8),  // ENUM
    (0, 0),  // FWD
    (0, 0),  // TYPEDEF
    (0, 0),  // VOLATILE
    (0, 0),  // CONST
    (0, 0),  // RESTRICT
    (0, 0),  // FUNC
    (0, 8),  // FUNC_PROTO
    (4, 0),  // VAR
    (0, 12), // DATASEC
    (0, 0),  // FLOAT
    (4, 0),  // DECL_TAG
    (0, 0),  // TYPE_TAG
    (0, 12), // ENUM64
];

/// A type: where it begins among the types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct At(pub(super) usize);

/// A file that was walked over.
pub(super) struct Raw {
    bytes: Bytes,
    /// Where types and strings are in `bytes`.
    types: (usize, usize),
    strings: (usize, usize),
    /// Where the types 1, 1 + `STRIDE`, ... begin.
    marks: Vec<u32>,
    /// The first bytes of the names of structs that have one, and the structs.
    structs: Vec<(u32, u32)>,
    /// Structs that were asked for: each is asked for many members.
    asked: RefCell<Vec<(String, Option<At>)>>,
    /// All enums.
    enums: Vec<u32>,
    /// The first function of each wanted name, as the kernel's own search finds it: index in the wanted names, id.
    functions: Vec<(usize, u32)>,
}

impl Raw {
    /// Walks over a file. Ids of functions called like one of `functions` are kept.
    pub(super) fn read(bytes: Bytes, functions: &[&str]) -> Result<Self, String> {
        let header = bytes.get(..HEADER_LEN).ok_or("it is shorter than a header")?;
        let word = |at: usize| word(header, at).unwrap_or(0) as usize;
        if header[..2] != MAGIC.to_ne_bytes() {
            return Err("it does not begin like BTF of this byte order".to_owned());
        }
        let section = |start: usize, len: usize| {
            let start = word(4).checked_add(start)?;
            let end = start.checked_add(len)?;
            (end <= bytes.len()).then_some((start, end))
        };
        let cut = "it ends before what its header says";
        let types = section(word(8), word(12)).ok_or(cut)?;
        let strings = section(word(16), word(20)).ok_or(cut)?;
        let mut raw = Self {
            bytes,
            types,
            strings,
            marks: Vec::with_capacity((types.1 - types.0) / 24 / STRIDE),
            structs: Vec::with_capacity(1 << 14),
            asked: RefCell::default(),
            enums: Vec::with_capacity(1 << 12),
            functions: Vec::with_capacity(functions.len()),
        };
        raw.walk(functions)?;
        Ok(raw)
    }

    fn walk(&mut self, functions: &[&str]) -> Result<(), String> {
        let wanted = Prefixes::of(functions);
        let (mut marks, mut structs) = (std::mem::take(&mut self.marks), std::mem::take(&mut self.structs));
        let (mut enums, mut found) = (std::mem::take(&mut self.enums), std::mem::take(&mut self.functions));
        let (types, strings) = (self.types(), self.strings());
        let (mut at, mut id, mut until_mark) = (0, 1, 0);
        // A dozen instructions for each of some hundred thousand types: this loop is most of what reading types costs.
        while let Some(header) = types.get(at..).and_then(<[u8]>::first_chunk::<TYPE_LEN>) {
            let [n0, n1, n2, n3, i0, i1, i2, i3, ..] = *header;
            let (name, info) = (u32::from_ne_bytes([n0, n1, n2, n3]), u32::from_ne_bytes([i0, i1, i2, i3]));
            if until_mark == 0 {
                marks.push(at as u32);
                until_mark = STRIDE;
            }
            until_mark -= 1;
            let kind = kind_of(info);
            if NAMED >> kind & 1 != 0 {
                match kind {
                    kind::STRUCT if name != 0 => {
                        structs.push((word(strings, name as usize).unwrap_or(0), at as u32));
                    }
                    kind::FUNC
                        if word(strings, name as usize).is_some_and(|prefix| wanted.may_have(prefix)) =>
                    {
                        if let Some(index) =
                            functions.iter().position(|wanted| is_called(strings, name, wanted))
                            && !found.iter().any(|&(known, _)| known == index)
                        {
                            found.push((index, id));
                        }
                    }
                    kind::ENUM => enums.push(at as u32),
                    _ => {}
                }
            }
            at += len(info).ok_or_else(|| format!("type {id} is of kind {kind}, which is not known"))?;
            id += 1;
        }
        if at != types.len() {
            return Err(format!("type {} is cut off", id - 1));
        }
        (self.marks, self.structs, self.enums, self.functions) = (marks, structs, enums, found);
        Ok(())
    }

    fn types(&self) -> &[u8] {
        self.bytes.get(self.types.0..self.types.1).unwrap_or_default()
    }

    fn strings(&self) -> &[u8] {
        self.bytes.get(self.strings.0..self.strings.1).unwrap_or_default()
    }

    /// The type of this id; `None` for void.
    pub(super) fn by_id(&self, id: u32) -> Option<At> {
        let index = usize::try_from(id.checked_sub(1)?).ok()?;
        let mut at = *self.marks.get(index / STRIDE)? as usize;
        for _ in 0..index % STRIDE {
            at += len(self.word(At(at), 4)?)?;
        }
        (at < self.types().len()).then_some(At(at))
    }

    /// A word of a type, `offset` bytes from where it begins.
    pub(super) fn word(&self, of: At, offset: usize) -> Option<u32> {
        word(self.types(), of.0.checked_add(offset)?)
    }

    /// `BTF_KIND_*`.
    pub(super) fn kind(&self, of: At) -> u32 {
        self.word(of, 4).map_or(0, kind_of)
    }

    /// How many parts (members, enumerators) it has.
    pub(super) fn parts(&self, of: At) -> usize {
        self.word(of, 4).map_or(0, |info| vlen(info) as usize)
    }

    /// Whether offsets of members carry the length of bit fields too.
    pub(super) fn has_bit_fields(&self, of: At) -> bool {
        self.word(of, 4).is_some_and(|info| info >> 31 != 0)
    }

    /// Whether the string at `name` is this one.
    pub(super) fn is_called(&self, name: u32, wanted: &str) -> bool {
        is_called(self.strings(), name, wanted)
    }

    /// The first bytes of the string at `name`, and of what follows a shorter one.
    pub(super) fn prefix(&self, name: u32) -> Option<u32> {
        word(self.strings(), name as usize)
    }

    /// The string at `name`; empty if there is none.
    pub(super) fn name(&self, name: u32) -> &str {
        let bytes = self.strings().get(name as usize..).unwrap_or_default();
        let name = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// The first struct of this name.
    pub(super) fn structure(&self, name: &str) -> Option<At> {
        if let Some((_, at)) = self.asked.borrow().iter().find(|(asked, _)| asked == name) {
            return *at;
        }
        let wanted = prefix(name);
        let called = |&&(prefix, at): &&(u32, u32)| {
            (wanted.is_none_or(|wanted| wanted == prefix))
                && self.word(At(at as usize), 0).is_some_and(|found| self.is_called(found, name))
        };
        let found = self.structs.iter().find(called).map(|&(_, at)| At(at as usize));
        self.asked.borrow_mut().push((name.to_owned(), found));
        found
    }

    /// All enums, in the order of the file.
    pub(super) fn enums(&self) -> impl Iterator<Item = At> {
        self.enums.iter().map(|&at| At(at as usize))
    }

    /// What was found of the wanted functions: index in the wanted names, id.
    pub(super) fn functions(&self) -> &[(usize, u32)] {
        &self.functions
    }
}

/// Length of a type by its `info`; `None` for a kind that is not known.
#[inline(always)]
fn len(info: u32) -> Option<usize> {
    let &(always, each) = BEHIND.get(kind_of(info) as usize)?;
    Some(TYPE_LEN + usize::from(always) + usize::from(each) * vlen(info) as usize)
}

#[inline(always)]
fn kind_of(info: u32) -> u32 {
    info >> 24 & 0x1f
}

#[inline(always)]
fn vlen(info: u32) -> u32 {
    info & 0xffff
}

#[inline(always)]
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

#[inline(always)]
fn is_called(strings: &[u8], name: u32, wanted: &str) -> bool {
    let rest = strings.get(name as usize..).and_then(|found| found.strip_prefix(wanted.as_bytes()));
    rest.is_some_and(|rest| rest.first() == Some(&0))
}

/// The first bytes of a name, as they are read from a file; `None` for a name that is too short to have them.
pub(super) fn prefix(name: &str) -> Option<u32> {
    name.as_bytes().first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

/// Which first bytes the wanted names have: most names are told apart by one look.
struct Prefixes([u64; 4], bool);

impl Prefixes {
    fn of(names: &[&str]) -> Self {
        let mut set = Self([0; 4], false);
        for name in names {
            match prefix(name) {
                Some(prefix) => {
                    let (word, bit) = Self::place(prefix);
                    set.0[word] |= bit;
                }
                None => set.1 = true,
            }
        }
        set
    }

    fn may_have(&self, prefix: u32) -> bool {
        let (word, bit) = Self::place(prefix);
        self.0[word] & bit != 0 || self.1
    }

    /// A word of the set and a bit in it; the constant spreads similar names.
    fn place(prefix: u32) -> (usize, u64) {
        let hash = prefix.wrapping_mul(0x9e37_79b1) >> 24;
        ((hash / 64) as usize, 1 << (hash % 64))
    }
}
