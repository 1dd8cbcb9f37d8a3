//! Where observations come from. A source yields observations and describes itself once ([`crate::model::SessionInfo`]).
//!
//! [`live`] is the running kernel, and the only user of aya. [`klog`] is the kernel's log. [`procfs`] is no source of observations: it reads what a machine is
//! like between them. [`samples`] is the heartbeat. [`names`] follows what containers are called.

pub mod klog;
pub mod live;
pub mod names;
pub mod procfs;
pub mod samples;
