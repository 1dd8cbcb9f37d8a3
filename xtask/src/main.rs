//! oomtrace's chores.
fn main() {}
