//! The running kernel as a source: what the machine allows, where things are in its kernel, loading, attaching, reading.
//!
//! The order of work: [`support`] says whether it can be done at all, [`layout`] and [`places`] find offsets,
//! [`symbols`] names and addresses, [`load`] hands them to the
//! programs, [`bpf`] puts these into the kernel, [`attach`] says which goes where, [`ring`] reads. Nothing here knows what becomes of an observation.

pub mod attach;
pub mod buffer;
pub mod error;
pub mod feed;
pub mod gfp;
pub mod hooks;
pub mod host;
pub mod layout;
pub mod load;
pub mod losses;
pub mod places;
pub mod protect;
pub mod ring;
pub mod stats;
pub mod support;
pub mod symbols;
pub mod tracefs;

mod bpf;
mod btf;
mod by_log;
mod candidate_log;
mod events;
mod fdinfo;
mod gauge;
mod limits;
mod mapping;
mod markers;
mod ring_end;

pub use error::LiveError;
pub use load::{Live, Options};
