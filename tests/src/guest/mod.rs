//! What brings a guest up: [`init`] is its process 1, the file systems and the serial ports are its helpers.

pub mod init;
mod mounts;
mod ports;
