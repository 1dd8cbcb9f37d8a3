//! The built program over files: what it shows, how it ends, what it says of files that are not right.

#[path = "support/large.rs"]
mod large;
#[path = "support/made_up.rs"]
mod made_up;
#[path = "support/program.rs"]
mod program;

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};

use program::{corpus, golden, oomtrace, run, text, with_stdin, write};

fn file_of(observations: &[oomtrace::model::Observation]) -> Vec<u8> {
    made_up::file(&made_up::info(), observations)
}

fn packed_file_of(observations: &[oomtrace::model::Observation]) -> Vec<u8> {
    made_up::file_as(&made_up::info(), observations, oomtrace::session::Compression::Zstd)
}

#[test]
fn every_scenario_in_every_form() {
    for (name, observations) in made_up::scenarios() {
        let file = file_of(&observations);
        for (suffix, columns, args) in [
            ("80.txt", "80", &["replay", "-"][..]),
            ("200.txt", "200", &["replay", "-", "--verbose"]),
            ("jsonl", "80", &["replay", "-", "--json"]),
        ] {
            let output = run_with_columns(args, columns, &file);
            assert!(matches!(output.status.code(), Some(0 | 4)), "{name}: {}", text(&output.stderr));
            golden(&format!("{name}.{suffix}"), &output.stdout);
            // Compressed or not is nothing that anybody sees.
            let packed = run_with_columns(args, columns, &packed_file_of(&observations));
            assert_eq!((packed.stdout, packed.stderr), (output.stdout, output.stderr), "{name}");
        }
    }
}

#[test]
fn the_evidence_on_screens_of_other_widths() {
    for (name, observations) in made_up::evidence::scenarios() {
        let file = file_of(&observations);
        for (suffix, columns, args) in [
            ("80-verbose.txt", "80", &["replay", "-", "--verbose"][..]),
            ("120-verbose.txt", "120", &["replay", "-", "--verbose"]),
            ("120.txt", "120", &["replay", "-"]),
        ] {
            golden(&format!("{name}.{suffix}"), &run_with_columns(args, columns, &file).stdout);
        }
    }
}

fn run_with_columns(args: &[&str], columns: &str, input: &[u8]) -> Output {
    let dir = tempfile::tempdir().expect("there is room");
    let path = write(&dir, "session.oomtrace", input);
    let args: Vec<&str> = args.iter().map(|&arg| if arg == "-" { path.as_str() } else { arg }).collect();
    oomtrace().args(args).env("COLUMNS", columns).output().expect("the program starts")
}

#[test]
fn replay_reads_stdin_and_info_tells_what_is_there() {
    let file = file_of(&made_up::storm());
    let output = with_stdin(&["replay", "-", "--json"], &file);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout).lines().count(), 3);
    assert_eq!(text(&output.stderr), "");

    let output = with_stdin(&["info", "-"], &file);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    golden("storm.info.txt", &output.stdout);

    let packed = packed_file_of(&made_up::storm());
    let told = with_stdin(&["info", "-"], &packed);
    let told = text(&told.stdout).lines().last().expect("there are lines");
    let wanted = format!(
        "92 frames, {} bytes ({} without compression), whole",
        grouped(packed.len()),
        grouped(file.len())
    );
    assert!(told.ends_with(&wanted), "{told}");

    let output = with_stdin(&["info", "-", "--json"], &file);
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is one object");
    assert_eq!(
        (&info["episodes"], &info["folded"], &info["complete"]),
        (&1.into(), &12.into(), &true.into())
    );
    assert_eq!(info["outcomes"]["killed"], 1);
}

#[test]
fn losses_and_missing_ends_exit_with_4() {
    let file = file_of(&made_up::odd());
    let output = with_stdin(&["replay", "-"], &file);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(4), ""));

    let file = file_of(&made_up::one_kill());
    // The end frame is 24 bytes or so: a recording that was killed lacks it.
    let end = file.len() - made_up_end_len();
    let output = with_stdin(&["replay", "-", "--json"], &file[..end]);
    assert_eq!(output.status.code(), Some(4));
    let told = format!(
        "oomtrace: stdin: the recording has no end after {end} bytes: it was cut off there, or is still being written\n"
    );
    assert_eq!(text(&output.stderr), told);
    let last = text(&output.stdout).lines().last().expect("there are lines");
    assert!(
        last.starts_with(r#"{"type":"end","complete":false,"episodes":1,"victims":1,"boot_ns":null,"#),
        "{last}"
    );
}

/// Bytes of the end frame of a made-up session without losses.
fn made_up_end_len() -> usize {
    let payload = minicbor::to_vec(made_up::end(&[])).expect("it has no odd parts");
    8 + payload.len() + 4
}

#[test]
fn damage_is_told_with_its_place_and_exits_with_4() {
    let mut file = file_of(&made_up::one_kill());
    let middle = file.len() * 3 / 4;
    file[middle] ^= 0xff;
    let dir = tempfile::tempdir().expect("there is room");
    let path = write(&dir, "damaged.oomtrace", &file);
    let output = run(&["replay", &path]);
    assert_eq!(output.status.code(), Some(4));
    let told = text(&output.stderr);
    assert!(told.starts_with(&format!("oomtrace: {path}: the frame at byte ")), "{told}");
    assert!(told.ends_with("is damaged (its checksum is wrong); all before it was read\n"), "{told}");
    assert!(text(&output.stdout).contains("the recording has no end"), "{}", text(&output.stdout));
}

#[test]
fn files_of_other_kinds_and_missing_ones_exit_with_1() {
    let dir = tempfile::tempdir().expect("there is room");
    let path = write(&dir, "log", b"[ 1.0] a invoked oom-killer: gfp_mask=0xcc0\n");
    let output = run(&["replay", &path]);
    assert_eq!(output.status.code(), Some(1));
    let told =
        format!("oomtrace: {path}: not an oomtrace recording: it looks like a kernel log in text form\n");
    assert_eq!((text(&output.stderr), text(&output.stdout)), (told.as_str(), ""));

    let missing = dir.path().join("missing");
    let output = run(&["info", missing.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        format!("oomtrace: {}: No such file or directory (os error 2)\n", missing.display())
    );

    let output = run(&["replay", dir.path().to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
}

#[test]
fn wrong_usage_exits_with_2_and_is_led_by_the_name() {
    for args in [
        &["replay"][..],
        &["nonsense"],
        &["replay", "f", "--speed", "fast"],
        &["replay", "f", "--count", "0"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(text(&output.stderr).starts_with("oomtrace: "), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "");
    }
    for args in [&["--help"][..], &["--version"], &["replay", "--help"]] {
        let output = run(args);
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_success() {
    let mut observations = Vec::new();
    for _ in 0..200 {
        observations.extend(made_up::global());
    }
    let dir = tempfile::tempdir().expect("there is room");
    let path = write(&dir, "long.oomtrace", &file_of(&observations));
    for args in [&["replay", &path, "--json"][..], &["replay", &path]] {
        let mut child =
            oomtrace().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn short_answers_survive_a_reader_that_is_gone_before_they_begin() {
    let dir = tempfile::tempdir().expect("there is room");
    let path = write(&dir, "kill.oomtrace", &file_of(&made_up::one_kill()));
    // Without types the doctor need not try the kernel.
    let cases: [&[&str]; 5] = [
        &["doctor", "--btf", "/nowhere"],
        &["doctor", "--btf", "/nowhere", "--json"],
        &["info", &path],
        &["info", &path, "--json"],
        &["--help"],
    ];
    for args in cases {
        let (reader, writer) = std::io::pipe().expect("there are pipes");
        drop(reader);
        let output = oomtrace().args(args).stdout(writer).stderr(Stdio::piped()).output().expect("it starts");
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn a_full_disk_fails() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let dir = tempfile::tempdir().expect("there is room");
    let path = write(&dir, "s.oomtrace", &file_of(&made_up::one_kill()));
    let output = oomtrace().args(["replay", &path]).stdout(full).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "oomtrace: cannot write the text output: No space left on device (os error 28)\n"
    );
}

#[test]
fn filters_and_counts() {
    let file = file_of(&made_up::without_scans());
    let episodes = |args: &[&str]| {
        let args = [&["replay", "-", "--json"][..], args].concat();
        let output = with_stdin(&args, &file);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout).lines().filter(|line| line.starts_with(r#"{"type":"episode""#)).count()
    };
    assert_eq!(episodes(&[]), 2);
    assert_eq!(episodes(&["--outcome", "freed"]), 1);
    assert_eq!(episodes(&["--outcome", "killed"]), 0);
    assert_eq!(episodes(&["--scope", "memcg"]), 0);
    assert_eq!(episodes(&["--count", "1"]), 1);
}

#[test]
fn colour_is_only_for_terminals_unless_asked_for() {
    let file = file_of(&made_up::one_kill());
    let escapes = |args: &[&str]| {
        let args = [&["replay", "-"][..], args].concat();
        text(&with_stdin(&args, &file).stdout).contains('\x1b')
    };
    assert!(!escapes(&[]));
    assert!(escapes(&["--color", "always"]));
    assert!(!escapes(&["--color", "never"]));
}

#[test]
fn the_demo_says_that_it_is_a_recording() {
    let output = run(&["demo", "--recorded"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).starts_with("oomtrace: this is a recording, made on Linux "),
        "{}",
        text(&output.stderr)
    );
    assert!(text(&output.stdout).contains("victim"));
}

/// Files written by earlier versions stay readable. The corpus is only ever added to.
#[test]
fn the_corpus_opens() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut files = 0;
    for entry in fs::read_dir(&corpus).expect("the corpus is there") {
        let path = entry.expect("it can be listed").path();
        if path.extension().is_some_and(|extension| extension == "oomtrace") {
            files += 1;
            let output = run(&["replay", path.to_str().expect("UTF-8"), "--json"]);
            assert!(
                matches!(output.status.code(), Some(0 | 4)),
                "{}: {}",
                path.display(),
                text(&output.stderr)
            );
            let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8");
            golden(&format!("corpus/{name}.jsonl"), &output.stdout);
            let text = run(&["replay", path.to_str().expect("UTF-8")]);
            golden(&format!("corpus/{name}.txt"), &text.stdout);
        }
    }
    assert!(files > 0);
}

/// Every episode of every file of the corpus, explained.
#[test]
fn the_corpus_is_explained() {
    let dir = tempfile::tempdir().expect("there is room");
    let mut files = corpus();
    // Those with all evidence are in no older file.
    for (name, observations) in made_up::scenarios() {
        if ["whole-pod", "whole-machine", "odd-evidence"].contains(&name) {
            files.push((name.to_owned(), write(&dir, name, &file_of(&observations))));
        }
    }
    for (name, path) in files {
        let replayed = run(&["replay", &path, "--json"]);
        let ids: Vec<u64> = text(&replayed.stdout)
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("it is JSON"))
            .filter(|line| line["type"] == "episode")
            .map(|line| line["id"].as_u64().expect("it has a number"))
            .collect();
        for (suffix, columns, args) in
            [("80.txt", "80", &[][..]), ("120.txt", "120", &[]), ("jsonl", "80", &["--json"])]
        {
            let mut all = Vec::new();
            for id in &ids {
                let id = id.to_string();
                let args = [&["explain", path.as_str(), id.as_str()][..], args].concat();
                let output = oomtrace().args(args).env("COLUMNS", columns).output().expect("it starts");
                assert!(matches!(output.status.code(), Some(0 | 4)), "{name}: {}", text(&output.stderr));
                all.extend_from_slice(&output.stdout);
            }
            golden(&format!("explain/{name}.{suffix}"), &all);
        }
    }
}

#[test]
fn what_if_in_words_and_numbers() {
    let corpus: std::collections::BTreeMap<_, _> = corpus().into_iter().collect();
    for (name, cases) in [
        (
            "linux-7.3-memcg.oomtrace",
            &[
                &["adj:118=85"][..],
                &["adj:118=86"],
                &["adj:guest=-1000"],
                &["adj:113=1000"],
                &["limit=64M"],
                &["limit=2G"],
                &["limit=16M"],
                &["limit=4M"],
                &["kill:110"],
                &["kill:118"],
                &["adj:118=0", "kill:110", "adj:g*t=-5"],
            ][..],
        ),
        ("linux-7.3-group-kill.oomtrace", &[&["adj:145=-1000"], &["adj:142=1000"]]),
        ("linux-7.3-shared-mm.oomtrace", &[&["adj:149=-1000"], &["kill:150"]]),
        ("linux-7.3-allocating-task.oomtrace", &[&["adj:159=-1000"], &["adj:159=0"], &["limit=2G"]]),
        ("linux-7.3-global.oomtrace", &[&["limit=2G"], &["limit=200M"], &["adj:1=0"], &["kill:126"]]),
        ("linux-7.3-sysrq.oomtrace", &[&["kill:164"], &["adj:164=-1000"]]),
        ("v1.0-one-kill.oomtrace", &[&["limit=768M"], &["limit=1005M"], &["limit=1006M"], &["kill:pause"]]),
        ("v1.0-odd.oomtrace", &[&["adj:667=1000"], &["adj:666=-1000"], &["limit=600M"]]),
        ("v1.0-already-exiting.oomtrace", &[&["adj:48121=0"], &["limit=1G"], &["limit=1M"]]),
        ("v1.0-sysrq-silent-scorer.oomtrace", &[&["adj:rustc=500"]]),
        ("v1.0-global.oomtrace", &[&["adj:ld.lld=-431"], &["adj:ld.lld=-430"], &["adj:kworker*=0"]]),
    ] {
        let path = &corpus[name];
        let (mut words, mut numbers) = (Vec::new(), Vec::new());
        for changes in cases {
            let mut args = vec!["explain", path];
            for change in *changes {
                args.extend(["--what-if", change]);
            }
            let output = oomtrace().args(&args).env("COLUMNS", "80").output().expect("it starts");
            assert!(matches!(output.status.code(), Some(0 | 4)), "{changes:?}: {}", text(&output.stderr));
            let (_, answer) = text(&output.stdout).split_once("\n\n").expect("the answer comes last");
            words.extend_from_slice(format!("--- {}\n{answer}", changes.join(" ")).as_bytes());
            args.push("--json");
            let output = run(&args);
            let line: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is one object");
            serde_json::to_writer(&mut numbers, &line["what_if"]).expect("memory takes everything");
            numbers.push(b'\n');
        }
        golden(&format!("explain/{name}.what-if.txt"), &words);
        golden(&format!("explain/{name}.what-if.jsonl"), &numbers);
    }
}

#[test]
fn what_cannot_be_explained_or_supposed_is_wrong_usage_and_lists_what_exists() {
    let corpus: std::collections::BTreeMap<_, _> = corpus().into_iter().collect();
    let mut all = Vec::new();
    for (name, args) in [
        ("linux-7.3-memcg.oomtrace", &["7"][..]),
        ("linux-7.3-memcg.oomtrace", &["--what-if", "adj:4711=5"]),
        ("linux-7.3-memcg.oomtrace", &["--what-if", "kill:nginx"]),
        ("linux-7.3-memcg.oomtrace", &["--what-if", "kill:*x*"]),
        ("linux-7.3-memcg.oomtrace", &["--what-if", "adj:118=1001"]),
        ("linux-7.3-memcg.oomtrace", &["--what-if", "adj:118=-1001"]),
        ("linux-7.3-memcg.oomtrace", &["--what-if", "adj:118=high"]),
        ("linux-7.3-memcg.oomtrace", &["--what-if", "adj:118"]),
        ("linux-7.3-memcg.oomtrace", &["--what-if", "limit=lots"]),
        ("linux-7.3-memcg.oomtrace", &["--what-if", "limit=1G", "--what-if", "limit=2G"]),
        ("linux-7.3-memcg.oomtrace", &["--what-if", "raise=5"]),
        ("linux-7.3-sysrq.oomtrace", &["--what-if", "limit=1G"]),
        ("v1.0-without-scans.oomtrace", &[]),
        ("v1.0-without-scans.oomtrace", &["1", "--what-if", "limit=1G"]),
        ("v1.0-without-scans.oomtrace", &["9"]),
        ("v1.0-global.oomtrace", &["--what-if", "adj:java=5"]),
        ("v1.0-global.oomtrace", &["one"]),
    ] {
        let args = [&["explain", corpus[name].as_str()][..], args].concat();
        let output = oomtrace().args(&args).env("COLUMNS", "80").output().expect("it starts");
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), ""), "{args:?}");
        let told = text(&output.stderr).replace(&corpus[name], name);
        all.extend_from_slice(format!("--- {name} {}\n{told}", args[2..].join(" ")).as_bytes());
    }
    golden("explain/usage.txt", &all);

    let output = with_stdin(&["explain", "-"], &file_of(&[]));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "oomtrace: stdin: there is no episode in it\n");
    // Read to its end, explained, and said to be cut off.
    let file = file_of(&made_up::one_kill());
    let output = with_stdin(&["explain", "-"], &file[..file.len() - made_up_end_len()]);
    assert_eq!(output.status.code(), Some(4));
    assert!(text(&output.stdout).contains("had the most points"), "{}", text(&output.stdout));
    assert!(text(&output.stderr).contains("the recording has no end"), "{}", text(&output.stderr));
}

/// Writes the made-up files of the corpus. Not run with the others: what is there stays.
#[test]
#[ignore = "makes files; run by hand when a new version of the format needs its own"]
fn make_corpus() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::create_dir_all(root.join("tests/corpus")).expect("it can be made");
    for (name, observations) in made_up::scenarios() {
        let file = file_of(&observations);
        let [major, minor] = [8, 10].map(|at| u16::from_le_bytes([file[at], file[at + 1]]));
        // A scenario that is there in an earlier version's files stays as it was.
        let mut of_any_version =
            (0..=minor).map(|minor| root.join(format!("tests/corpus/v{major}.{minor}-{name}.oomtrace")));
        if !of_any_version.clone().any(|path| path.exists()) {
            let path = of_any_version.next_back().expect("there is at least that of this version");
            fs::write(path, file).expect("it can be written");
        }
    }
    for name in ["whole-machine", "whole-pod", "storm", "odd"] {
        let path = root.join(format!("tests/corpus/v1.2-packed-{name}.oomtrace"));
        let scenario = made_up::scenarios().into_iter().find(|(found, _)| *found == name);
        let (_, observations) = scenario.expect("there is one of that name");
        if !path.exists() {
            fs::write(path, packed_file_of(&observations)).expect("it can be written");
        }
    }
    for (name, file) in [("v1.2-many", large_file()), ("v1.4-gaps", file_with_gaps())] {
        let path = root.join(format!("tests/corpus/{name}.oomtrace"));
        if !path.exists() {
            fs::write(path, file).expect("it can be written");
        }
    }
}

/// A session with two gaps, the second in the midst of an episode, and another session behind it.
fn file_with_gaps() -> Vec<u8> {
    use oomtrace::model::{Gap, Observation};
    let gap = |cause, newest_episode, minutes: u64| {
        let first = made_up::START + minutes * 60_000 * made_up::MS;
        Observation::Gap(Gap {
            cause,
            records: Some(48),
            bytes: Some(4_711),
            episodes: Some(2),
            first_boot_ns: Some(first),
            last_boot_ns: Some(first + 90_000 * made_up::MS),
            newest_episode,
            error: (cause == Gap::TARGET).then(|| "No space left on device (os error 28)".to_owned()),
        })
    };
    let later = |observations: Vec<Observation>, minutes: u64, first: u64| {
        observations.into_iter().map(move |mut observation| {
            let later = minutes * 60_000 * made_up::MS;
            if let Some(at) = observation.stamp_mut() {
                at.boot_ns += later;
                at.episode += if at.episode > 0 { first } else { 0 };
            } else if let Observation::Clock(clock) = &mut observation {
                clock.boot_ns += later;
            }
            observation
        })
    };
    let half = made_up::storm().len() / 2;
    let mut all = made_up::one_kill();
    all.push(gap(Gap::TARGET, 3, 10));
    all.extend(later(made_up::group_kill(), 20, 3));
    all.extend(later(made_up::storm(), 30, 10).take(half));
    all.push(gap(Gap::BEHIND, 40, 31));
    all.extend(later(made_up::storm(), 30, 10).skip(half));
    let mut file = packed_file_of(&all);
    file.extend(file_of(&later(made_up::none_killable(), 60, 60).collect::<Vec<_>>()));
    file
}

#[test]
fn recordings_behind_one_another_are_read_as_if_they_were_given_one_after_the_other() {
    let dir = tempfile::tempdir().expect("there is room");
    let [one, other] = [packed_file_of(&made_up::storm()), file_of(&made_up::group_kill())];
    let both = write(&dir, "both.oomtrace", &[&one[..], &other].concat());
    let unended = write(&dir, "unended.oomtrace", &[&one[..one.len() - 5], &other].concat());
    let [one, other] = [write(&dir, "1.oomtrace", &one), write(&dir, "2.oomtrace", &other)];
    // A list of several files says which one each is in.
    for command in ["replay", "info"] {
        for options in [&[][..], &["--json"]] {
            let of = |files: &[&str]| {
                let output = run(&[&[command][..], options, files].concat());
                (output.status.code(), text(&output.stdout).replace(&one, "FILE").replace(&other, "FILE"))
            };
            let (code, found) = of(&[&both]);
            assert_eq!(code, Some(0), "{command} {options:?}");
            assert_eq!(found.replace(&both, "FILE"), of(&[&one, &other]).1, "{command} {options:?}");
        }
    }
    // What is torn ends the reading.
    let output = run(&["replay", "--json", &unended]);
    assert_eq!(output.status.code(), Some(4));
    assert_eq!(text(&output.stdout).matches("\"type\":\"session\"").count(), 1);
}

/// Episodes with more candidates than the other files have.
fn large_file() -> Vec<u8> {
    let shape = large::Shape { episodes: 3, candidates: 60 };
    let mut observations = Vec::new();
    large::each(shape, |observation| observations.push(observation));
    made_up::file(&large::info(), &observations)
}

/// In groups of three digits, as people read them.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(not(feature = "tui"))]
#[test]
fn without_the_feature_it_is_told_which() {
    for args in [&["browse", "x"][..], &["watch", "--tui"]] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(3));
        assert!(text(&output.stderr).contains("build it with `--features tui`"), "{}", text(&output.stderr));
    }
}
