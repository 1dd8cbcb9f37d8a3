//! Why this victim, worked out: from an episode to facts about its decision. No words, no I/O: sinks say it.
//!
//! - [`timeline`]: what happened when.

pub mod timeline;
