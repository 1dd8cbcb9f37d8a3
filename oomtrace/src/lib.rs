//! oomtrace.
