//! What every file of a recording has to tell again, because it was told once: names of cgroups, containers and
//! pods, and the samples of the minutes before.

use crate::session::encode;

use super::chunk;

/// Bytes of names that are kept.
const NAMES_KEPT: usize = 1 << 20;
/// Bytes of samples that are kept: those of ten minutes, also when each is told by itself.
const SAMPLES_KEPT: usize = 48 << 10;

/// Frames that were told so far, and what of them this file has.
#[derive(Debug)]
pub(super) struct Context {
    names_most: usize,
    samples_most: usize,
    names: Vec<u8>,
    /// Bytes of them that are there.
    names_there: usize,
    samples: Vec<u8>,
    samples_there: bool,
}

impl Context {
    /// `most`: bytes that a file may be told again in all.
    pub(super) fn new(most: usize) -> Self {
        let (names_most, samples_most) = (NAMES_KEPT.min(most / 2), SAMPLES_KEPT.min(most / 2));
        Self {
            names_most,
            samples_most,
            names: chunk::faulted_in(names_most),
            names_there: 0,
            samples: chunk::faulted_in(samples_most),
            samples_there: true,
        }
    }

    /// Another file, or the same from its beginning.
    pub(super) fn anew(&mut self) {
        self.names_there = 0;
        self.samples_there = false;
    }

    /// Appends what the file has to be told.
    pub(super) fn tell(&self, out: &mut Vec<u8>) {
        if !self.samples_there {
            out.extend_from_slice(&self.samples);
        }
        out.extend_from_slice(&self.names[self.names_there..]);
    }

    /// Frames were made: what of them may be needed again is kept.
    pub(super) fn learn(&mut self, frames: &[u8]) {
        for name in encode::names(frames) {
            if self.names.len() + name.len() > self.names_most {
                self.forget_names();
            }
            if self.names.len() + name.len() <= self.names_most {
                self.names.extend_from_slice(name);
            }
        }
        for samples in encode::samples(frames).filter(|samples| samples.len() <= self.samples_most) {
            let over = (self.samples.len() + samples.len()).saturating_sub(self.samples_most);
            let oldest = encode::frames(&self.samples).scan(0, |end, frame| {
                *end += frame.len();
                Some(*end)
            });
            let cut = [0].into_iter().chain(oldest).find(|&end| end >= over).unwrap_or(self.samples.len());
            self.samples.drain(..cut);
            self.samples.extend_from_slice(samples);
        }
    }

    /// What was told is written.
    pub(super) fn wrote(&mut self) {
        self.names_there = self.names.len();
        self.samples_there = true;
    }

    /// Makes room among the names.
    fn forget_names(&mut self) {
        let all_there = self.names_there == self.names.len();
        let kept = encode::newest_names(&self.names, self.names_most / 2);
        self.names.clear();
        self.names.extend_from_slice(&kept);
        // What was not told yet is told twice rather than never.
        self.names_there = if all_there { self.names.len() } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::names::Named;
    use crate::model::observation::CgroupNode;
    use crate::model::sample::{Sample, Samples};
    use crate::model::{Name, Observation};
    use crate::session::Encoder;

    fn frame(observation: Observation) -> Vec<u8> {
        let mut frame = Vec::new();
        Encoder::default().observation(&mut frame, &observation).expect("it is short");
        frame
    }

    fn name(id: u64, parent: Option<u64>) -> Vec<u8> {
        frame(Observation::Cgroup(CgroupNode { id, parent, name: Name::from("a-job.scope"), path: None }))
    }

    fn told(context: &Context) -> Vec<u8> {
        let mut out = Vec::new();
        context.tell(&mut out);
        out
    }

    #[test]
    fn what_is_written_is_told_in_the_next_file() {
        let mut context = Context::new(usize::MAX);
        let samples = frame(Observation::Samples(Samples(vec![Sample::default().into()])));
        let frames = [name(1, None), samples.clone(), name(2, Some(1))].concat();
        context.learn(&frames);
        context.wrote();
        assert!(told(&context).is_empty());
        context.anew();
        assert_eq!(told(&context), [samples, name(1, None), name(2, Some(1))].concat());
    }

    fn named(id: &str, container: &str) -> Vec<u8> {
        let (container_id, container) = (Some(id.into()), Some(container.into()));
        frame(Observation::Named(Named { container_id, container, ..Named::default() }))
    }

    #[test]
    fn names_of_containers_are_told_again_the_newest_of_each() {
        let mut context = Context::new(8 << 10);
        context.learn(&[name(1, None), named("a", "old"), named("b", "web")].concat());
        context.wrote();
        context.anew();
        assert_eq!(told(&context), [name(1, None), named("a", "old"), named("b", "web")].concat());
        for _ in 0..200 {
            context.learn(&named("a", "new"));
        }
        context.anew();
        let told = told(&context);
        let frames: Vec<&[u8]> = encode::frames(&told).collect();
        assert!(frames.contains(&&named("b", "web")[..]) && frames.contains(&&name(1, None)[..]));
        assert!(!frames.contains(&&named("a", "old")[..]));
    }

    #[test]
    fn it_is_bounded_and_keeps_what_others_are_in() {
        let mut context = Context::new(8 << 10);
        context.learn(&[name(1, None), name(2, Some(1))].concat());
        for id in 3..2000 {
            context.learn(&name(id, Some(2)));
            context.wrote();
        }
        context.anew();
        let told = told(&context);
        assert!(told.len() <= 4 << 10, "{}", told.len());
        let frames: Vec<&[u8]> = encode::frames(&told).collect();
        for wanted in [name(1, None), name(2, Some(1)), name(1999, Some(2)), name(1950, Some(2))] {
            assert!(frames.contains(&&wanted[..]));
        }
        let samples = |ns| {
            frame(Observation::Samples(Samples(vec![Sample { boot_ns: ns, ..Sample::default() }.into()])))
        };
        (0..2000).for_each(|ns| context.learn(&samples(ns)));
        context.anew();
        let mut again = Vec::new();
        context.tell(&mut again);
        assert!(again.len() <= 8 << 10);
        let newest = samples(1999);
        assert!(encode::frames(&again).any(|frame| frame == newest));
        assert!(!encode::frames(&again).any(|frame| frame == samples(0)));
    }
}
