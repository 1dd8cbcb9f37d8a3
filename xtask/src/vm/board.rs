//! What the emulated machines of the architectures differ in: the emulator, the processor, where serial ports are, words for the kernel.
//!
//! The guest has four serial ports, because those drivers are in every stock kernel while virtio is in modules: the console and
//! `ttyS1` to `ttyS3`.

use std::process::Command;

use super::qemu::Accel;
use crate::arch::Arch;

/// The emulator, told which machine it is.
pub(super) fn machine(arch: Arch, accel: Accel) -> Command {
    let (board, cpu) = match arch {
        // With `-cpu max` guests die early at random; a plain old model does not. Its random numbers come from the
        // host, so that nothing in the guest waits for them.
        Arch::X86_64 => ("pc", "Nehalem,+rdrand"),
        // What clouds have. `max` signs pointers, which is slow to emulate.
        Arch::Aarch64 => ("virt,gic-version=3", "neoverse-n1"),
    };
    let mut qemu = Command::new(format!("qemu-system-{}", arch.name()));
    qemu.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", board]);
    match accel {
        Accel::Tcg => qemu.args(["-accel", "tcg,thread=multi", "-cpu", cpu]),
        Accel::Icount => qemu.args(["-accel", "tcg", "-icount", "shift=0,sleep=off", "-cpu", cpu]),
        Accel::Kvm => qemu.args(["-accel", "kvm", "-cpu", "host"]),
    };
    qemu
}

/// Words for the kernel: its console, and what ends it early.
///
/// With `panic=-1` a panic restarts at once, which `-no-reboot` turns into the end. A kernel that has crashed in any way is
/// no judge of anything any more. Nor is one that goes round in circles for a minute.
pub(super) fn kernel_words(arch: Arch) -> &'static str {
    match arch {
        // The interrupt for a stuck guest is an NMI, which makes the kernel panic with the stacks of its processors and, by
        // `panic_print`, those of all tasks.
        Arch::X86_64 => {
            "console=ttyS0,115200 panic=-1 oops=panic softlockup_panic=1 watchdog_thresh=30 unknown_nmi_panic \
             panic_print=1"
        }
        // There is no such interrupt: a stuck guest is ended without a word.
        Arch::Aarch64 => "console=ttyAMA0 panic=-1 oops=panic softlockup_panic=1 watchdog_thresh=30",
    }
}

/// Attaches the console and `ttyS1` to `ttyS3` to character devices of these names.
pub(super) fn serial_ports(arch: Arch, qemu: &mut Command, [console, others @ ..]: [&str; 4]) {
    match arch {
        // Each has an interrupt of its own: of the usual four, two would share one, which edge-triggered hardware cannot do. The two
        // that are not usual, 6 and 7, are those that the machine does not use for PCI.
        Arch::X86_64 => {
            let [stdout, stderr, control] = others;
            let places =
                [(console, "0x3f8", 4), (stdout, "0x2f8", 3), (stderr, "0x3e8", 6), (control, "0x2e8", 7)];
            for (index, (chardev, iobase, irq)) in places.into_iter().enumerate() {
                qemu.arg("-device");
                qemu.arg(format!("isa-serial,chardev={chardev},index={index},iobase={iobase},irq={irq}"));
            }
        }
        // The board's own is there from the first instruction on, and of another kind. The others are on PCI, with a first one that
        // nobody uses.
        Arch::Aarch64 => {
            qemu.arg("-serial").arg(format!("chardev:{console}"));
            qemu.args(["-chardev", "null,id=unused", "-device"]);
            let [stdout, stderr, control] = others;
            qemu.arg(format!(
                "pci-serial-4x,chardev1=unused,chardev2={stdout},chardev3={stderr},chardev4={control}"
            ));
        }
    }
}
