//! Writes a large journal for measuring `import`: `large-log REPORTS BYTES > journal.txt`.
//!
//! Reports of the corpus, their stamps moved on, spread evenly among lines of other programs and of the kernel, in the form of
//! `journalctl -o short-precise`. Some of the other lines have words that reports have.

use std::io::{self, BufWriter, Write};

const REPORTS: [&str; 4] = [
    include_str!("../tests/corpus/logs/linux-6.1-memcg.log"),
    include_str!("../tests/corpus/logs/linux-6.1-global.log"),
    include_str!("../tests/corpus/logs/linux-6.1-group-kill.log"),
    include_str!("../tests/corpus/logs/linux-6.1-sysrq.log"),
];

const OTHERS: [&str; 8] = [
    "systemd[1]: Started session-4711.scope - Session 4711 of User deploy.",
    "kernel: eth0: renamed from veth12ab34c",
    "sshd[20412]: Accepted publickey for deploy from 10.0.3.17 port 50114 ssh2: ED25519 SHA256:0123456789abcdefghij",
    "kernel: audit: type=1400 audit(1793714595.123:456): apparmor=\"DENIED\" operation=\"open\" profile=\"snap.app\"",
    "dockerd[902]: time=\"2026-11-03T14:03:22Z\" level=info msg=\"ignoring event\" container=0123456789abcdef",
    "conference-room[77]: the zoom of camera 3 was set to 1.5",
    "kernel: TCP: request_sock_TCP: Possible SYN flooding on port 443. Sending cookies.",
    "kubelet[1201]: I1103 14:03:22.123456    1201 prober.go:107] \"Probe failed\" probeType=\"Readiness\" pod=\"shop/cart\"",
];

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1).map(|arg| arg.parse::<u64>().map_err(io::Error::other));
    let reports = args.next().unwrap_or(Ok(2000))?;
    let bytes = args.next().unwrap_or(Ok(1 << 30))?;
    let mut out = BufWriter::with_capacity(1 << 20, io::stdout().lock());
    let (mut written, mut us) = (0_u64, 0_u64);
    for report in 0..reports {
        let until = bytes / reports * (report + 1);
        let text = REPORTS[(report % REPORTS.len() as u64) as usize];
        for line in text.lines() {
            us += 20;
            let text = line.split_once("] ").map_or(line, |(_, text)| text);
            written += write(&mut out, us, "kernel: ", text)?;
        }
        let mut number = 0;
        while written < until {
            us += 130_000;
            written += write(&mut out, us, "", OTHERS[number % OTHERS.len()])?;
            number += 1;
        }
    }
    out.flush()
}

fn write(out: &mut impl Write, us: u64, program: &str, text: &str) -> io::Result<u64> {
    let second = us / 1_000_000;
    let (day, hour, minute) = (1 + second / 86_400 % 28, second / 3600 % 24, second / 60 % 60);
    let head = format!(
        "Nov {day:02} {hour:02}:{minute:02}:{:02}.{:06} node1 {program}",
        second % 60,
        us % 1_000_000
    );
    writeln!(out, "{head}{text}")?;
    Ok((head.len() + text.len() + 1) as u64)
}
