//! Building for another architecture than this machine's: Debian's cross compiler and its C library, and a Rust library that is
//! built with the program, because there may be no rustup to download one.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::arch::Arch;
use crate::toolchain::{self, Rust};
use crate::{apt, run};

/// Debian's names of the architecture's tools begin with this.
const TOOLS: &str = "aarch64-linux-gnu";

/// Where the C library for static programs is.
const LIBC: &str = "/usr/aarch64-linux-gnu/lib/libc.a";

/// Gets what is missing to build for an architecture.
pub(crate) fn prepare(arch: Arch) -> Result<()> {
    match arch {
        Arch::X86_64 => Ok(()),
        Arch::Aarch64 => tools().map(drop),
    }
}

/// The C compiler, and rustc.
fn tools() -> Result<(String, Rust)> {
    let packages = ["gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"];
    let gcc = format!("{TOOLS}-gcc");
    apt::install_all(&gcc, &packages, || run::exists(&gcc) && Path::new(LIBC).exists())?;
    let rust = toolchain::with_library()
        .with_context(|| format!("cannot build the Rust library for {}", Arch::Aarch64.name()))?;
    Ok((gcc, rust))
}

/// A cargo that builds for [`Arch::Aarch64`], when it is asked for that target.
pub(crate) fn cargo() -> Result<Command> {
    let (gcc, rust) = tools()?;
    let mut cargo = run::cargo_at(&rust.cargo);
    let target = Arch::Aarch64.target().replace('-', "_");
    cargo
        .arg("-Zbuild-std=std,panic_abort")
        .env("RUSTC", &rust.rustc)
        // Stable rustc builds its library when told that it is trusted to.
        .env("RUSTC_BOOTSTRAP", "1")
        .env(format!("CARGO_TARGET_{}_LINKER", target.to_uppercase()), &gcc)
        .env(format!("CC_{target}"), &gcc)
        .env(format!("AR_{target}"), format!("{TOOLS}-ar"));
    Ok(cargo)
}
