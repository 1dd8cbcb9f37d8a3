//! Shows why the Linux OOM killer chose its victim: live, recorded, replayed.
pub mod decode;
pub mod model;
pub mod source;
