//! What a page has and a help has no room for: exit status, files, examples.

use oomtrace::exit::Exit;

/// What each exit status promises.
pub(super) fn exit_status() -> Vec<(String, &'static str)> {
    [
        (Exit::Done, "Done; also when the reader of the output went away."),
        (Exit::Failed, "Failed."),
        (Exit::Usage, "Wrong usage."),
        (
            Exit::NotAllowed,
            "This machine does not allow it. The message says what is missing, and what to do.",
        ),
        (Exit::Lossy, "Finished, but something was lost or the input was damaged. What was shown is right."),
    ]
    .map(|(exit, meaning)| (exit.code().to_string(), meaning))
    .to_vec()
}

const BTF: (&str, &str) =
    ("/sys/kernel/btf/vmlinux", "The running kernel's types. --btf names another file.");
const TRACEFS: (&str, &str) = (
    "/sys/kernel/tracing",
    "tracefs: the formats of the tracepoints. Without it exits and adjustments are not seen.",
);
const KMSG: (&str, &str) = ("/dev/kmsg", "The kernel's log, which --attach log follows.");
const RECORDINGS: (&str, &str) = ("/var/lib/oomtrace", "The recordings of oomtrace.service.");
const UNIT: (&str, &str) = (
    "oomtrace.service",
    "A systemd unit that runs \"record --dir /var/lib/oomtrace\". It is not enabled by default.",
);

/// Files that a command reads or writes without being told their names; of `oomtrace` for the program itself.
pub(super) fn files(command: &str) -> &'static [(&'static str, &'static str)] {
    match command {
        "oomtrace" => &[RECORDINGS, UNIT, BTF, TRACEFS, KMSG],
        "record" => &[RECORDINGS, UNIT, BTF, TRACEFS, KMSG],
        "watch" => &[BTF, TRACEFS, KMSG],
        "doctor" => &[BTF, TRACEFS],
        "rank" => &[
            ("/proc/PID/status, oom_score_adj, cgroup", "What is known of each process."),
            ("/sys/fs/cgroup", "The memory controller's files."),
        ],
        _ => &[],
    }
}

/// Commands as one types them, and what they are for.
pub(super) fn examples(command: &str) -> &'static [(&'static str, &'static str)] {
    match command {
        "oomtrace" => &[
            ("oomtrace watch", "Show each episode when it is over, until Ctrl-C:"),
            ("oomtrace record --dir /var/lib/oomtrace", "Leave a recorder running for years:"),
            ("oomtrace list /var/lib/oomtrace", "Which episodes there were:"),
            ("oomtrace explain /var/lib/oomtrace", "Why the last one killed whom it killed:"),
            ("oomtrace import /var/log/kern.log", "The same from a log, without having recorded anything:"),
        ],
        "run" => &[(
            "oomtrace run -- make -j8",
            "Build, and if something of it is killed, say by whose limit and why:",
        )],
        "watch" => &[
            ("oomtrace watch -o incident.oomtrace", "Show each episode, and record it:"),
            (
                "oomtrace watch --scope memcg --cgroup '/kubepods*' --json",
                "Only pods that ran into a limit, as JSON:",
            ),
        ],
        "record" => &[
            ("oomtrace record -o incident.oomtrace --duration 1h", "One file, for an hour:"),
            (
                "oomtrace record --dir /var/lib/oomtrace --max-size 64MiB --max-files 8 --max-age 720h",
                "A folder that never has more than 512 MiB, and nothing that is older than 30 days:",
            ),
        ],
        "replay" => &[
            ("oomtrace replay incident.oomtrace", "Show a recording as it was shown live:"),
            (
                "oomtrace replay --follow /var/lib/oomtrace",
                "Watch what the service records, without privileges of one's own:",
            ),
        ],
        "list" => &[("oomtrace list /var/lib/oomtrace", "A line an episode:")],
        "diff" => {
            &[("oomtrace diff 1 2 incident.oomtrace", "What grew from the first episode to the second:")]
        }
        "export" => &[
            ("oomtrace export --format parquet -o tables /var/lib/oomtrace", "Tables for a database:"),
            ("oomtrace export --format csv --table victims incident.oomtrace", "One table, to stdout:"),
        ],
        "report" => {
            &[("oomtrace report incident.oomtrace -o report.html", "A page for people who were not there:")]
        }
        "import" => &[
            ("oomtrace import /var/log/kern.log.1.gz", "The reports in a file:"),
            (
                "oomtrace import -o incident.oomtrace dmesg.txt",
                "A recording of them, for all other commands:",
            ),
        ],
        "rank" => &[
            ("oomtrace rank", "Who would be killed next:"),
            (
                "oomtrace rank --memcg /sys/fs/cgroup/system.slice --limit 2G",
                "Who would be, if system.slice ran into a limit of 2 GiB:",
            ),
        ],
        "explain" => &[
            ("oomtrace explain incident.oomtrace 4", "The fourth episode:"),
            (
                "oomtrace explain incident.oomtrace --what-if adj:postgres=-500 --what-if limit=768M",
                "What would have happened with another adjustment and another limit:",
            ),
        ],
        "info" => &[("oomtrace info incident.oomtrace", "Host, kernel, time span, episodes, losses:")],
        "doctor" => &[("oomtrace doctor", "What this machine allows:")],
        "demo" => &[("oomtrace demo --recorded", "Show an OOM that was recorded:")],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_right_by_the_command_line_they_are_for() {
        let command = crate::command();
        let mut names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        names.push("oomtrace");
        let mut seen = 0;
        for name in names {
            for (line, what) in examples(name) {
                assert!(what.ends_with(':'), "{what}");
                assert!(
                    name == "oomtrace"
                        || line.starts_with(&format!("oomtrace {name} "))
                        || line.ends_with(name),
                    "{line}"
                );
                let words = line.split(' ').map(|word| word.trim_matches('\''));
                if let Err(error) = crate::command().try_get_matches_from(words) {
                    panic!("{line}: {error}");
                }
                seen += 1;
            }
        }
        assert!(seen > 15, "{seen}");
    }

    #[test]
    fn each_exit_status_is_told_once() {
        let codes: Vec<String> = exit_status().into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, ["0", "1", "2", "3", "4"]);
    }
}
