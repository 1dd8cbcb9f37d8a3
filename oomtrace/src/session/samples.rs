//! Runs of memory samples, field by field: one after the other they resemble each other, and what stays the same takes a byte.
//!
//! `docs/session-format.md` spells the bytes out. Paths of cgroups are told once a run, so that a run needs no other one.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use foldhash::fast::RandomState;
use minicbor::decode::Error;
use minicbor::{Decoder, Encoder};

use crate::model::Name;
use crate::model::sample::{CgroupUsage, Item, Look, Psi, Sample, Samples};

use super::columns::{unzigzag, zigzag};

/// Keys of the map.
mod key {
    pub(super) const COUNT: u32 = 0;
    pub(super) const TIMES: u32 = 1;
    pub(super) const PATHS: u32 = 2;
    pub(super) const LOOKS: u32 = 3;
    /// Eight columns of pressure: avg10, avg60, avg300 and total of some, the same of full.
    pub(super) const PRESSURE: u32 = 8;
    /// Of the first line of `/proc/meminfo`.
    pub(super) const MEMORY: u32 = 16;
}

/// Columns of pressure.
const PSI: usize = 8;
/// Samples of one run at most, for readers: a column of nothing takes no bytes, so that no length says how many there can be.
const MOST: u32 = 1 << 16;

/// Appends a run.
pub(super) fn write(out: &mut Vec<u8>, run: &Samples) {
    match encode(&mut Encoder::new(out), run) {
        // Neither memory as the target nor these types can fail; the error's type cannot be built.
        Ok(()) | Err(_) => {}
    }
}

fn encode(
    e: &mut Encoder<&mut Vec<u8>>,
    Samples(run): &Samples,
) -> Result<(), minicbor::encode::Error<Infallible>> {
    let times = column(run.iter().map(|sample| Some(sample.boot_ns)));
    let pressure: [_; PSI] = std::array::from_fn(|n| {
        column(run.iter().map(|sample| {
            let psi = if n < PSI / 2 { sample.some } else { sample.full }?;
            Some([psi.avg10.into(), psi.avg60.into(), psi.avg300.into(), psi.total_us][n % 4])
        }))
    });
    let memory: [_; Item::COUNT] =
        std::array::from_fn(|n| column(run.iter().map(|sample| sample.memory_kib[n])));
    let mut paths = Paths::default();
    let looks: Vec<(usize, &Look)> = (0..)
        .zip(run)
        .filter_map(|(position, sample)| Some((position, sample.cgroups.as_ref()?)))
        .inspect(|(_, look)| look.top.iter().for_each(|usage| paths.add(usage)))
        .collect();

    let columns = || {
        let pressure = (key::PRESSURE..).zip(&pressure);
        pressure.chain((key::MEMORY..).zip(&memory)).filter_map(|(key, column)| Some((key, column.as_ref()?)))
    };
    let has_looks = !looks.is_empty();
    e.map(2 + 2 * u64::from(has_looks) + columns().count() as u64)?;
    e.u32(key::COUNT)?.u64(run.len() as u64)?;
    e.u32(key::TIMES)?.bytes(times.as_deref().unwrap_or_default())?;
    if has_looks {
        e.u32(key::PATHS)?.array(paths.told.len() as u64)?;
        for usage in &paths.told {
            e.array(2)?.u64(usage.id)?.encode(&*usage.path)?;
        }
        e.u32(key::LOOKS)?.array(looks.len() as u64)?;
        for (position, look) in looks {
            e.array(3)?.u64(position as u64)?.bool(look.cut)?.array(look.top.len() as u64)?;
            for usage in &look.top {
                e.array(3)?.u64(paths.position(usage))?.u64(usage.usage_bytes)?.encode(usage.limit_bytes)?;
            }
        }
    }
    for (key, column) in columns() {
        e.u32(key)?.bytes(column)?;
    }
    Ok(())
}

/// Cgroups of a run, each once.
#[derive(Default)]
struct Paths<'a> {
    told: Vec<&'a CgroupUsage>,
    positions: HashMap<(u64, &'a Name), u64, RandomState>,
}

impl<'a> Paths<'a> {
    fn add(&mut self, usage: &'a CgroupUsage) {
        let next = self.told.len() as u64;
        self.positions.entry((usage.id, &usage.path)).or_insert_with(|| {
            self.told.push(usage);
            next
        });
    }

    fn position(&self, usage: &CgroupUsage) -> u64 {
        self.positions.get(&(usage.id, &*usage.path)).copied().unwrap_or(0)
    }
}

/// 0 for what is not known, else one more than the signed distance from the value before; `None` when nothing is known.
fn column(values: impl Iterator<Item = Option<u64>> + Clone) -> Option<Vec<u8>> {
    values.clone().flatten().next()?;
    let mut bytes = Vec::new();
    let mut before = 0_u64;
    for value in values {
        let Some(value) = value else {
            bytes.push(0);
            continue;
        };
        let distance = zigzag(value.wrapping_sub(std::mem::replace(&mut before, value)).cast_signed());
        // The one distance that has no number one more: to the other end of all numbers. Nothing real has it.
        let mut number = distance.saturating_add(1);
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
    }
    Some(bytes)
}

/// Reads a run.
///
/// # Errors
///
/// It is not one.
pub(super) fn read(payload: &[u8]) -> Result<Samples, Error> {
    let mut d = Decoder::new(payload);
    let len = d.map()?.ok_or_else(|| Error::message("a map of unknown length"))?;
    let mut count = 0;
    let mut times: &[u8] = &[];
    let mut paths = Vec::new();
    let mut looks = Vec::new();
    let mut pressure: [&[u8]; PSI] = [&[]; PSI];
    let mut memory: [&[u8]; Item::COUNT] = [&[]; Item::COUNT];
    for _ in 0..len {
        match d.u32()? {
            key::COUNT => count = d.u32()?,
            key::TIMES => times = d.bytes()?,
            key::PATHS => paths = read_paths(&mut d)?,
            key::LOOKS => looks = read_looks(&mut d)?,
            key => {
                let position = |first: u32| key.checked_sub(first).map_or(usize::MAX, |n| n as usize);
                if let Some(column) = memory.get_mut(position(key::MEMORY)) {
                    *column = d.bytes()?;
                } else if let Some(column) = pressure.get_mut(position(key::PRESSURE)) {
                    *column = d.bytes()?;
                } else {
                    // Of a newer writer.
                    d.skip()?;
                }
            }
        }
    }
    // Each sample has a time of at least one byte.
    if count > MOST || count as usize > times.len() {
        return Err(Error::message("more samples than there are"));
    }
    let mut samples: Vec<Sample> = vec![Sample::default(); count as usize];
    fill(times, &mut samples, |sample, ns| {
        sample.boot_ns = ns;
        Ok(())
    })?;
    for (n, column) in memory.into_iter().enumerate() {
        fill(column, &mut samples, |sample, kib| {
            sample.memory_kib[n] = Some(kib);
            Ok(())
        })?;
    }
    for (n, column) in pressure.into_iter().enumerate() {
        fill(column, &mut samples, |sample, value| put_pressure(sample, n, value))?;
    }
    for look in looks {
        put_look(&mut samples, look, &paths)?;
    }
    Ok(Samples(samples.into_iter().map(Arc::new).collect()))
}

/// A look as it is stored: of which sample, whether it is cut, and for each memcg the position of its path, usage and limit.
type StoredLook = (usize, bool, Vec<(usize, u64, Option<u64>)>);

fn array(d: &mut Decoder<'_>) -> Result<u64, Error> {
    d.array()?.ok_or_else(|| Error::message("an array of unknown length"))
}

/// An array of so many fields, perhaps more of a newer writer; the number of those to be passed over.
fn fields(d: &mut Decoder<'_>, known: u64) -> Result<u64, Error> {
    array(d)?.checked_sub(known).ok_or_else(|| Error::message("too few fields"))
}

fn skip(d: &mut Decoder<'_>, more: u64) -> Result<(), Error> {
    (0..more).try_for_each(|_| d.skip())
}

fn read_paths(d: &mut Decoder<'_>) -> Result<Vec<(u64, Arc<Name>)>, Error> {
    let mut paths = Vec::new();
    for _ in 0..array(d)? {
        let more = fields(d, 2)?;
        paths.push((d.u64()?, Arc::new(d.decode()?)));
        skip(d, more)?;
    }
    Ok(paths)
}

fn read_looks(d: &mut Decoder<'_>) -> Result<Vec<StoredLook>, Error> {
    let mut looks = Vec::new();
    for _ in 0..array(d)? {
        let more = fields(d, 3)?;
        let (sample, cut) = (d.u32()? as usize, d.bool()?);
        let mut top = Vec::new();
        for _ in 0..array(d)? {
            let more = fields(d, 3)?;
            top.push((d.u32()? as usize, d.u64()?, d.decode()?));
            skip(d, more)?;
        }
        skip(d, more)?;
        looks.push((sample, cut, top));
    }
    Ok(looks)
}

fn put_look(
    samples: &mut [Sample],
    (sample, cut, top): StoredLook,
    paths: &[(u64, Arc<Name>)],
) -> Result<(), Error> {
    let sample = samples.get_mut(sample).ok_or_else(|| Error::message("a look of no sample"))?;
    let usage = |(path, usage_bytes, limit_bytes)| {
        let (id, path) = paths.get(path)?;
        Some(CgroupUsage { id: *id, path: Arc::clone(path), usage_bytes, limit_bytes })
    };
    let top: Option<Vec<_>> = top.into_iter().map(usage).collect();
    let top = top.ok_or_else(|| Error::message("a cgroup that was not told"))?;
    sample.cgroups = Some(Look { top, cut });
    Ok(())
}

fn put_pressure(sample: &mut Sample, n: usize, value: u64) -> Result<(), Error> {
    let psi = if n < PSI / 2 { &mut sample.some } else { &mut sample.full };
    let psi = psi.get_or_insert_with(Psi::default);
    let share = || u32::try_from(value).map_err(|_| Error::message("a share"));
    match n % 4 {
        0 => psi.avg10 = share()?,
        1 => psi.avg60 = share()?,
        2 => psi.avg300 = share()?,
        _ => psi.total_us = value,
    }
    Ok(())
}

/// Reads a column: as many numbers as there are samples, or none at all.
fn fill(
    column: &[u8],
    samples: &mut [Sample],
    mut put: impl FnMut(&mut Sample, u64) -> Result<(), Error>,
) -> Result<(), Error> {
    if column.is_empty() {
        return Ok(());
    }
    let mut rest = super::columns::Column::of(column);
    let mut before = 0_u64;
    for sample in samples {
        let number = rest.next().ok_or_else(|| Error::message("a column is too short"))?;
        if let Some(distance) = number.checked_sub(1) {
            before = before.wrapping_add(unzigzag(distance).cast_unsigned());
            put(sample, before)?;
        }
    }
    if rest.is_empty() { Ok(()) } else { Err(Error::message("a column is longer than the run")) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn psi() -> impl Strategy<Value = Option<Psi>> {
        prop::option::of(
            (any::<u32>(), any::<u32>(), any::<u32>(), 0..u64::MAX / 4)
                .prop_map(|(avg10, avg60, avg300, total_us)| Psi { avg10, avg60, avg300, total_us }),
        )
    }

    fn usage() -> impl Strategy<Value = CgroupUsage> {
        (any::<u64>(), 0_u8..4, any::<u64>(), any::<Option<u64>>()).prop_map(
            |(id, path, usage_bytes, limit_bytes)| CgroupUsage {
                id: id % 4,
                path: Arc::new(Name::from(&[b'/', path][..])),
                usage_bytes,
                limit_bytes,
            },
        )
    }

    fn sample() -> impl Strategy<Value = Arc<Sample>> {
        let look = prop::option::of((prop::collection::vec(usage(), 0..4), any::<bool>()))
            .prop_map(|look| look.map(|(top, cut)| Look { top, cut }));
        let memory = prop::array::uniform15(prop::option::of(0..u64::MAX / 4));
        (0..u64::MAX / 4, memory, psi(), psi(), look).prop_map(
            |(boot_ns, memory_kib, some, full, cgroups)| {
                Arc::new(Sample { boot_ns, memory_kib, some, full, cgroups })
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(run in prop::collection::vec(sample(), 0..20)) {
            let run = Samples(run);
            let mut bytes = Vec::new();
            write(&mut bytes, &run);
            prop_assert_eq!(read(&bytes).expect("it is one"), run);
        }

        #[test]
        fn damage_does_no_harm(
            run in prop::collection::vec(sample(), 0..6),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = Vec::new();
            write(&mut bytes, &Samples(run));
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = read(&bytes);
            let _ = read(&bytes[..at]);
        }
    }

    #[test]
    fn what_stays_the_same_takes_a_byte() {
        let mut run = Vec::new();
        for n in 0..12_u64 {
            let mut sample = Sample { boot_ns: 5_000_000_000 * n, ..Sample::default() };
            sample.memory_kib = [Some(8_000_000); Item::COUNT];
            (sample.some, sample.full) = (Some(Psi::default()), Some(Psi::default()));
            run.push(Arc::new(sample));
        }
        let mut bytes = Vec::new();
        write(&mut bytes, &Samples(run));
        let columns = Item::COUNT * (12 + 4 + 3) + PSI * (12 + 2) + 12 * 5 + 12;
        assert!(bytes.len() <= columns, "{} > {columns}", bytes.len());
    }

    #[test]
    fn more_samples_than_there_are() {
        for bad in [&[0xa1, 0x00, 0x1a, 0xff, 0xff, 0xff, 0xff][..], &[0xa1, 0x00, 0x01], &[0xa0, 0xff][..0]]
        {
            assert!(read(bad).is_err(), "{bad:x?}");
        }
    }
}
