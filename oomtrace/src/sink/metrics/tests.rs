use super::*;
use crate::made_up;
use crate::model::Name;

const KEEP: Duration = Duration::from_secs(60);

fn episode() -> Episode {
    made_up::assemble(&made_up::info(), &made_up::one_kill()).remove(0)
}

/// One kill in this cgroup, by its own limit, at this second.
fn killed_in(path: &str, second: u64) -> Episode {
    let mut episode = episode();
    let name = Some(Name::from(path.as_bytes()));
    episode.opened_ns = Some(second * 1_000_000_000);
    episode.memcg.truncate(1);
    episode.memcg[0].path = name.clone();
    episode.memcg[0].limiting = true;
    episode.victims.truncate(1);
    episode.victims[0].task.cgroup = name;
    episode
}

fn cgroups(most: usize) -> (Metrics, Exposition) {
    new(Options { cgroups: Some(most), containers: Some(most), keep: KEEP })
}

/// Name, labels and value of each series that begins so, in text.
fn lines(exposition: &Exposition, begin: &str, now: Instant) -> Vec<String> {
    let text = exposition.text(Format::Prometheus, now);
    text.lines().filter_map(|line| line.strip_prefix(begin)).map(str::to_owned).collect()
}

#[test]
fn everything_that_can_be_known_before_is_there_with_0() {
    let (mut sink, exposition) = new(Options::default());
    sink.start(&made_up::info()).unwrap();
    let text = exposition.text(Format::Prometheus, Instant::now());
    for line in [
        r#"oomtrace_episodes_total{scope="memcg",outcome="killed"} 0"#,
        r#"oomtrace_kills_total{scope="global",reason="selected"} 0"#,
        r#"oomtrace_events_lost_total{stage="candidates"} 0"#,
        "oomtrace_selection_seconds_count 0",
        r#"oomtrace_reap_seconds_bucket{le="+Inf"} 0"#,
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
    }
    // The kernel has not said how many.
    assert!(!text.contains("missed_runs") && !text.contains("cgroup"), "{text}");
    for identity in ["pid=", "comm=", "path=", "cgroup="] {
        assert!(!text.contains(identity), "{identity}");
    }
}

#[test]
fn both_formats_have_the_same_series() {
    let (mut sink, exposition) = cgroups(2);
    sink.start(&made_up::info()).unwrap();
    sink.episode(&killed_in("/a\"b\\c\nd", 1)).unwrap();
    let now = Instant::now();
    let series = |format| -> Vec<String> {
        let text = exposition.text(format, now);
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    };
    // The first look begins the cgroup's series.
    series(Format::Prometheus);
    let (prometheus, open_metrics) = (series(Format::Prometheus), series(Format::OpenMetrics));
    assert_eq!(prometheus, open_metrics);
    assert!(prometheus.contains(&r#"oomtrace_cgroup_kills_total{cgroup="/a\"b\\c\nd"} 1"#.to_owned()));
    assert!(exposition.text(Format::OpenMetrics, now).ends_with("\n# EOF\n"));
    assert!(!exposition.text(Format::Prometheus, now).contains("# EOF"));
}

#[test]
fn a_cgroup_begins_with_0_and_goes_when_nothing_happens_in_it_any_more() {
    let (mut sink, exposition) = cgroups(3);
    let start = Instant::now();
    let at = |second: u64| start + Duration::from_secs(second);
    let kills = |second| lines(&exposition, "oomtrace_cgroup_kills_total{cgroup=\"/a\"} ", at(second));
    assert!(kills(0).is_empty());
    sink.episode(&killed_in("/a", 0)).unwrap();
    assert_eq!(kills(0), ["0"]);
    assert_eq!(kills(30), ["1"]);
    sink.episode(&killed_in("/a", 40)).unwrap();
    assert_eq!(kills(40), ["2"]);
    assert_eq!(kills(100), ["2"]);
    assert!(kills(101).is_empty());
    // It was not dead: what comes back begins again.
    sink.episode(&killed_in("/a", 110)).unwrap();
    assert_eq!(kills(110), ["0"]);
    assert_eq!(kills(120), ["1"]);
}

#[test]
fn cgroups_beyond_the_cap_are_one_until_others_have_gone() {
    let (mut sink, exposition) = cgroups(2);
    let now = Instant::now();
    for path in ["/a", "/b", "/c", "/d", "/a"] {
        sink.episode(&killed_in(path, 0)).unwrap();
    }
    // Begun.
    lines(&exposition, "", now);
    let kills = || lines(&exposition, "oomtrace_cgroup_kills_total", now);
    let shown =
        [r#"{cgroup="/a"} 2"#, r#"{cgroup="/b"} 1"#, r#"{cgroup="other"} 2"#, r#"{cgroup="unknown"} 0"#];
    assert_eq!(kills(), shown);
    // Episode and kill of each.
    assert_eq!(lines(&exposition, "oomtrace_cgroups_overflowed_total ", now), ["4"]);
    sink.episode(&killed_in("/b", 50)).unwrap();
    sink.episode(&killed_in("/e", 61)).unwrap();
    lines(&exposition, "", now);
    let shown =
        [r#"{cgroup="/b"} 2"#, r#"{cgroup="/e"} 1"#, r#"{cgroup="other"} 2"#, r#"{cgroup="unknown"} 0"#];
    assert_eq!(kills(), shown);
}

#[test]
fn a_cgroup_whose_path_is_not_known_is_not_left_out() {
    let (mut sink, exposition) = cgroups(2);
    let mut episode = killed_in("/a", 1);
    episode.memcg[0].path = None;
    episode.victims[0].task.cgroup = None;
    sink.episode(&episode).unwrap();
    let now = Instant::now();
    assert_eq!(lines(&exposition, "oomtrace_cgroup_kills_total{cgroup=\"unknown\"} ", now), ["1"]);
    assert_eq!(lines(&exposition, "oomtrace_cgroup_episodes_total{cgroup=\"unknown\"} ", now), ["1"]);
}

#[test]
fn a_container_has_one_event_an_episode() {
    let (mut sink, exposition) = cgroups(5);
    let now = Instant::now();
    let id = "0123456789abcdef".repeat(4);
    let mut episode = killed_in(&format!("/system.slice/docker-{id}.scope"), 1);
    episode.victims.push(episode.victims[0].clone());
    sink.episode(&episode).unwrap();
    sink.episode(&killed_in("/system.slice/cron.service", 1)).unwrap();
    lines(&exposition, "", now);
    let line = format!("{{id=\"/system.slice/docker-{id}.scope\",name=\"{id}\"}} 1");
    assert_eq!(lines(&exposition, "container_oom_events_total", now), [line]);
}

#[test]
fn what_is_lost_is_told_once_whoever_tells_it() {
    let (mut sink, exposition) = new(Options::default());
    let candidates =
        || lines(&exposition, "oomtrace_events_lost_total{stage=\"candidates\"} ", Instant::now()).join("");
    let mut lossy = episode();
    lossy.lost = Lost { candidates: 3, ..Lost::default() };
    sink.episode(&lossy).unwrap();
    assert_eq!(candidates(), "3");
    let missed_runs = Some(2);
    sink.lost(&Lost { candidates: 3, missed_runs, ..Lost::default() }).unwrap();
    assert_eq!(candidates(), "3");
    sink.lost(&Lost { candidates: 5, missed_runs, ..Lost::default() }).unwrap();
    assert_eq!(candidates(), "5");
    assert_eq!(
        lines(&exposition, "oomtrace_events_lost_total{stage=\"missed_runs\"} ", Instant::now()),
        ["2"]
    );
}

#[test]
fn a_target_is_attached_when_all_its_hooks_are() {
    let (mut sink, exposition) = new(Options::default());
    let mut info = made_up::info();
    let hook = |target: &str, missing: Option<&str>| crate::model::session::Hook {
        target: target.to_owned(),
        kind: "kprobe".to_owned(),
        missing: missing.map(str::to_owned),
    };
    info.hooks = vec![hook("f", None), hook("g", None), hook("f", Some("not there"))];
    sink.start(&info).unwrap();
    let now = Instant::now();
    assert_eq!(lines(&exposition, "oomtrace_probe_attached", now), [r#"{probe="f"} 0"#, r#"{probe="g"} 1"#]);
}

#[test]
fn containers_and_pods_have_their_names_as_labels_where_they_are_known() {
    let (mut sink, exposition) = cgroups(10);
    let info = made_up::info();
    sink.start(&info).unwrap();
    for episode in made_up::assemble(&info, &made_up::named::named_places()) {
        sink.episode(&episode).unwrap();
    }
    let now = Instant::now();
    let pod = r#"namespace="shop",pod="checkout-7d9c5b8f6d-x2k4p""#;
    let kills = lines(&exposition, "oomtrace_cgroup_kills_total", now);
    assert!(kills.iter().any(|line| line.contains(&format!(r#"{pod},container="app"}}"#))), "{kills:#?}");
    assert!(
        kills
            .iter()
            .any(|line| line.contains(r#".slice",namespace="shop""#) && line.contains(&format!("{pod}}}"))),
        "{kills:#?}"
    );
    assert!(kills.iter().any(|line| line.contains(r#".scope",container="web-1"}"#)), "{kills:#?}");
    let events = lines(&exposition, "container_oom_events_total", now);
    assert!(events.iter().any(|line| line.contains(&format!(r#",{pod},container="app"}}"#))), "{events:#?}");
    // Of nobody known there is no empty label.
    assert!(kills.iter().all(|line| !line.contains(r#"="""#)), "{kills:#?}");
}
