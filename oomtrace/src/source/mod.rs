//! Where observations come from. A source yields observations and describes itself once ([`crate::model::SessionInfo`]).
//!
//! [`live`] is the running kernel, and the only user of aya.

pub mod live;
