//! Asking the kernel for one symbol at a time, by two programs of a dozen instructions.
//!
//! They are written here and are not part of the object: what they find goes into the object's read-only globals. Programs
//! of type SYSCALL are there from 5.14 on, `bpf_kallsyms_lookup_name()` from 5.16 on; from 6.2 on it looks names up in a
//! sorted table.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
};

use super::super::{
    bpf::sys::{self, Load, MapShape},
    mapping::Mapping,
};

/// `BPF_MAP_TYPE_ARRAY`
const MAP_ARRAY: u32 = 2;
/// `BPF_F_MMAPABLE`: names are asked for while a capture runs, see [`Mapping`].
const MMAPABLE: u32 = 1 << 10;
/// `BPF_F_RDONLY_PROG`: the verifier takes a format only from a map that nobody can write to.
const RDONLY_PROG: u32 = 1 << 7;
/// `BPF_PROG_TYPE_SYSCALL`, which has to be sleepable.
const PROG_SYSCALL: u32 = 31;
const SLEEPABLE: u32 = 1 << 4;
/// `BPF_FUNC_*`
const SNPRINTF: i32 = 165;
const KALLSYMS_LOOKUP_NAME: i32 = 179;

/// How the kernel prints a return address: `function+0x12/0x34 [module]`, looked up one byte before.
const FORMAT: [u8; 4] = *b"%pB\0";

/// The map's value: what the helper returned, an address (asked for, or found), a name (likewise).
const CODE: usize = 0;
const ADDRESS: usize = 8;
const TEXT: usize = 16;
/// The longest name that is looked up; it ends with NUL.
const NAME_LEN: usize = 64;
/// `KSYM_SYMBOL_LEN` is a little more, for names that no C function has.
const TEXT_LEN: usize = 512;
const VALUE_LEN: usize = TEXT + TEXT_LEN;

/// The programs, loaded.
pub(super) struct Lookup {
    value: Mapping,
    address: OwnedFd,
    name: OwnedFd,
}

impl Lookup {
    /// `None` where the kernel does not have what it takes, or does not allow it.
    pub(super) fn new() -> Option<Self> {
        let array = |name, value: usize, flags| {
            let shape = MapShape {
                kind: MAP_ARRAY,
                key: 4,
                value: u32::try_from(value).unwrap_or(0),
                entries: 1,
                flags,
            };
            sys::create_map(name, shape).ok()
        };
        let map = array("SYMBOL", VALUE_LEN, MMAPABLE)?;
        let value = Mapping::writable(map.as_fd(), rustix::param::page_size()).ok()?;
        let format = array("FORMAT", FORMAT.len(), RDONLY_PROG)?;
        sys::write(format.as_fd(), 0, &FORMAT).ok()?;
        sys::freeze(format.as_fd()).ok()?;
        let mut address = Code::default();
        address.value_of(1, &map, TEXT).number(2, NAME_LEN).number(3, 0).value_of(4, &map, ADDRESS);
        let address = address.call(KALLSYMS_LOOKUP_NAME).end(&map).load("symbol_address")?;
        let mut name = Code::default();
        name.value_of(1, &map, TEXT).number(2, TEXT_LEN).value_of(3, &format, 0).value_of(4, &map, ADDRESS);
        let name = name.number(5, size_of::<u64>()).call(SNPRINTF).end(&map).load("symbol_name")?;
        Some(Self { value, address, name })
    }

    /// The address of a symbol; `None` when there is none of this name.
    ///
    /// # Errors
    /// `EPERM` where addresses are hidden.
    pub(super) fn address(&self, name: &str) -> io::Result<Option<u64>> {
        let mut value = [0; VALUE_LEN];
        let Some(text) = value.get_mut(TEXT..TEXT + name.len()).filter(|text| text.len() < NAME_LEN) else {
            return Ok(None);
        };
        text.copy_from_slice(name.as_bytes());
        match self.run(self.address.as_fd(), &mut value) {
            Ok(_) => Ok(Some(long(&value, ADDRESS).cast_unsigned()).filter(|&address| address != 0)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the kernel prints for a return address.
    pub(super) fn name(&self, address: u64) -> io::Result<Vec<u8>> {
        let mut value = [0; VALUE_LEN];
        value[ADDRESS..ADDRESS + 8].copy_from_slice(&address.to_ne_bytes());
        self.run(self.name.as_fd(), &mut value)?;
        Ok(value[TEXT..].split(|&byte| byte == 0).next().unwrap_or_default().to_vec())
    }

    /// Hands a value to a program and takes it back; what the helper returned is the result.
    fn run(&self, program: BorrowedFd<'_>, value: &mut [u8; VALUE_LEN]) -> io::Result<i64> {
        // SAFETY: nothing else uses this map, and the program has run when the call comes back.
        unsafe { self.value.write(0, value) };
        sys::run(program)?;
        // SAFETY: as above.
        value.copy_from_slice(unsafe { self.value.bytes(0, VALUE_LEN) });
        let code = long(value, CODE);
        match i32::try_from(code) {
            Ok(error) if error < 0 => Err(io::Error::from_raw_os_error(-error)),
            _ => Ok(code),
        }
    }
}

fn long(value: &[u8; VALUE_LEN], at: usize) -> i64 {
    value.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| i64::from_ne_bytes(*bytes))
}

/// Instructions in the making.
#[derive(Default)]
struct Code(Vec<u64>);

impl Code {
    /// `struct bpf_insn` of a little-endian machine, the only kind that the object is built for.
    fn push(&mut self, code: u8, to: u8, from: u8, immediate: i32) -> &mut Self {
        let registers = u64::from(to | from << 4) << 8;
        self.0.push(u64::from(code) | registers | u64::from(immediate.cast_unsigned()) << 32);
        self
    }

    /// Puts the address of byte `at` of a map's value into a register.
    fn value_of(&mut self, register: u8, map: &OwnedFd, at: usize) -> &mut Self {
        const LD_IMM64: u8 = 0x18;
        const PSEUDO_MAP_VALUE: u8 = 2;
        let at = i32::try_from(at).unwrap_or(0);
        self.push(LD_IMM64, register, PSEUDO_MAP_VALUE, map.as_raw_fd()).push(0, 0, 0, at)
    }

    fn number(&mut self, register: u8, number: usize) -> &mut Self {
        const MOV64_K: u8 = 0xb7;
        self.push(MOV64_K, register, 0, i32::try_from(number).unwrap_or(0))
    }

    fn call(&mut self, helper: i32) -> &mut Self {
        const CALL: u8 = 0x85;
        self.push(CALL, 0, 0, helper)
    }

    /// Keeps what the helper returned, and returns 0.
    fn end(&mut self, map: &OwnedFd) -> &mut Self {
        const STX_DW: u8 = 0x7b;
        const EXIT: u8 = 0x95;
        self.value_of(1, map, CODE).push(STX_DW, 1, 0, 0).number(0, 0).push(EXIT, 0, 0, 0)
    }

    fn load(&self, name: &str) -> Option<OwnedFd> {
        let program = Load {
            kind: PROG_SYSCALL,
            attach: 0,
            flags: SLEEPABLE,
            function: 0,
            name,
            license: c"Dual MIT/GPL",
            instructions: &self.0,
        };
        sys::load(&program, None).ok()
    }
}
