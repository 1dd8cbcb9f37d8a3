//! The contract of `docs/json-format.md`, field by field.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::made_up;

fn lines(observations: &[crate::model::Observation]) -> Vec<Value> {
    let info = made_up::info();
    let mut out = Vec::new();
    let mut sink = Json::new(&mut out);
    sink.start(&info).expect("memory takes everything");
    for episode in made_up::assemble(&info, observations) {
        sink.episode(&episode).expect("memory takes everything");
    }
    let totals = Totals { stats: Some(made_up::stats()), ..Totals::default() };
    sink.end(&totals).expect("memory takes everything");
    let text = String::from_utf8(out).expect("JSON is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect()
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().expect("it is an object").keys().map(String::as_str).collect()
}

fn set(names: &str) -> BTreeSet<&str> {
    names.split_whitespace().collect()
}

const TASK: &str = "pid tid comm uid oom_score_adj cgroup container pod unit";
const MEMORY: &str =
    "rss_anon_pages rss_file_pages rss_shmem_pages swap_entries total_vm_pages pgtables_bytes rss_pages";

#[test]
fn the_fields_are_those_of_the_contract() {
    let lines = lines(&made_up::global());
    let [session, episode, end] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(
        keys(session),
        set(
            "type format tool_version source host kernel_release kernel_version machine boot_id page_size cpus \
             ram_bytes swap_bytes ring_bytes started started_boot_ns utc_offset_seconds cgroup_version rss_counters \
             tainted settings hooks log_times"
        )
    );
    assert_eq!(
        keys(episode),
        set(
            "type id short_id time boot_ns duration_ns source outcome scope constraint sysrq order gfp_mask totalpages trigger \
             situation settings memory memcg chosen_points message evaluated blocker scorer_silent report candidates victims \
             oom_group adj_changes memory_before scan timeline folded lost"
        )
    );
    let candidate = format!(
        "{TASK} {MEMORY} scan_index verdict reason points share memory_exact explained exiting oom_victim oom_flag_origin"
    );
    assert_eq!(keys(&episode["candidates"][0]), set(&candidate));
    let victim =
        format!("{TASK} {MEMORY} why killed_boot_ns marked_boot_ns exited_boot_ns released_boot_ns reaped");
    assert_eq!(keys(&episode["victims"][0]), set(&victim));
    assert_eq!(
        keys(&episode["victims"][0]["reaped"]),
        set("started_boot_ns finished_boot_ns skipped before after freed_pages")
    );
    assert_eq!(keys(&episode["trigger"]), set(&format!("{TASK} stack stack_cut")));
    assert_eq!(keys(&episode["gfp_mask"]), set("raw hex flags"));
    assert_eq!(keys(&episode["scan"]), set("first_ns last_ns"));
    assert_eq!(
        keys(&episode["folded"]),
        set("aborted_scans already_exiting repeats first_boot_ns last_boot_ns")
    );
    let lost =
        set("candidates records reads victims rejected unclosed missed_runs lines reports log_records");
    assert_eq!((keys(&episode["lost"]), keys(&end["lost"])), (lost.clone(), lost));
    assert_eq!(keys(end), set("type complete episodes victims hidden boot_ns lost ledger stats"));
    let stats = &end["stats"];
    assert_eq!(keys(stats), set("programs uncounted_because ring candidate_log collector"));
    assert_eq!(keys(&stats["programs"][0]), set("name runs time_ns skipped_runs verified_instructions"));
    assert_eq!(keys(&stats["ring"]), set("bytes high_water_bytes"));
    assert_eq!(keys(&stats["candidate_log"]), set("bytes high_water_bytes"));
    assert_eq!(keys(&stats["collector"]), set("wake_ups user_ns system_ns peak_rss_bytes"));
    assert_eq!(episode["memcg"], Value::Null);
}

#[test]
fn a_memcg_names_its_limit_and_the_chain() {
    let episode = &lines(&made_up::one_kill())[1];
    let memcg = &episode["memcg"];
    assert_eq!(memcg["path"], memcg["chain"][0]["path"]);
    assert_eq!(
        keys(&memcg["chain"][0]),
        set(
            "path limiting usage_pages max_pages high_pages swap_usage_pages swap_max_pages failcnt swap_failcnt \
             min_pages low_pages oom_kills oom_group kmem_usage_pages"
        )
    );
    assert_eq!(
        (&memcg["chain"][0]["limiting"], &memcg["chain"][1]["limiting"]),
        (&true.into(), &false.into())
    );
    assert_eq!(episode["time"], "2026-08-14T12:03:22.418000000Z");
    assert_eq!(episode["gfp_mask"]["flags"], serde_json::json!(["GFP_KERNEL", "__GFP_ACCOUNT"]));
}

#[test]
fn names_are_lossless_and_unknown_is_null() {
    let episode = &lines(&made_up::odd())[1];
    assert_eq!(
        episode["trigger"]["comm"],
        serde_json::json!({"bytes": "611b5b33316d0aff2062", "text": "a\\u{1b}[31m\\n\\xff b"})
    );
    let half = &episode["candidates"][1];
    assert_eq!(
        (&half["rss_file_pages"], &half["cgroup"], &half["explained"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(half["rss_anon_pages"], 70_000);
    assert_eq!(episode["lost"]["candidates"], 3);
    assert_eq!(episode["lost"]["records"], 0);
}

#[test]
fn times_beyond_the_calendar_are_null() {
    assert_eq!(rfc3339(i128::MAX), None);
    assert_eq!(rfc3339(0).as_deref(), Some("1970-01-01T00:00:00.000000000Z"));
}

/// Lines of a session whose head is changed.
fn lines_of(info: &SessionInfo, episodes: &[Episode]) -> Vec<Value> {
    let mut out = Vec::new();
    let mut sink = Json::new(&mut out);
    sink.start(info).expect("memory takes everything");
    for episode in episodes {
        sink.episode(episode).expect("memory takes everything");
    }
    let text = String::from_utf8(out).expect("JSON is UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is an object")).collect()
}

#[test]
fn the_evidence_has_the_fields_of_the_contract() {
    let pod = &lines(&made_up::evidence::whole_pod())[1];
    assert_eq!(keys(&pod["trigger"]["stack"][0]), set("function offset size module"));
    assert_eq!(pod["trigger"]["stack"][0]["function"], "try_charge_memcg");
    assert_eq!(keys(&pod["situation"]), set("boot_ns cpu tainted nodemask_set nodemask mems_allowed cpuset"));
    assert_eq!(keys(&pod["settings"]).len(), 5);
    assert_eq!(
        keys(&pod["memory"]["zones"][2]),
        set(
            "node zone free_pages boost_pages min_pages low_pages high_pages reserved_highatomic_pages spanned_pages \
             present_pages managed_pages lowmem_reserve_pages free_blocks stats"
        )
    );
    assert_eq!(keys(&pod["memory"]["nodes"][0]), set("node stats"));
    assert_eq!(
        keys(&pod["memory"]),
        set("free_pages active_anon_pages inactive_anon_pages isolated_anon_pages active_file_pages \
             inactive_file_pages isolated_file_pages unevictable_pages dirty_pages writeback_pages \
             slab_reclaimable_pages slab_unreclaimable_pages mapped_pages shmem_pages pagetables_pages \
             sec_pagetables_pages bounce_pages kernel_misc_reclaimable_pages free_cma_pages anon_pages \
             pagecache_pages swapcache_pages swap_free_pages swap_total_pages ram_pages highmem_pages \
             reserved_pages cma_pages hwpoisoned_pages nodes_left_out zones_left_out sums nodes zones")
    );
    assert_eq!(pod["memory"]["free_pages"], 3_840 + 187_000 + 12_600);
    assert_eq!(
        (&pod["memcg"]["stat"]["anon"], &pod["memcg"]["stat"]["pgfault"]),
        (&(120_400 * 4096).into(), &1_204_311.into())
    );
    assert_eq!(
        (
            &pod["memcg"]["container"]["runtime"],
            &pod["memcg"]["pod"]["qos"],
            &pod["victims"][0]["pod"]["uid"]
        ),
        (&"containerd".into(), &"burstable".into(), &"3f0e1c7a-5d8b-4f6e-9a43-1f2e8d9b7c60".into())
    );
    assert_eq!(pod["oom_group"], pod["memcg"]["path"]);
    assert_eq!(keys(&pod["adj_changes"][1]), set("time boot_ns tid comm oom_score_adj by_pid by_comm"));
    assert_eq!(pod["victims"][0]["reaped"]["freed_pages"], 105_270);
    let moments = pod["timeline"].as_array().expect("it is a list");
    assert_eq!(
        moments[0],
        serde_json::json!({"event": "entered", "boot_ns": made_up::START + 22_418 * made_up::MS, "ns": 0})
    );
    assert!(moments.iter().any(|moment| moment["event"] == "reaper_finished" && moment["pid"] == 48121));
}

proptest! {
    /// Whatever a damaged recording has: a line stays one object, and of counters with the same name the first is there.
    #[test]
    fn any_counters_make_an_object(
        names in prop::collection::vec("[A-C]{0,1}", 0..6),
        stats in prop::collection::vec(any::<i64>(), 0..9),
        blocks in prop::collection::vec(any::<u64>(), 0..3),
    ) {
        let info = SessionInfo {
            node_stat_items: names.clone(),
            zone_stat_items: names.clone(),
            memcg_stat_items: names.clone(),
            ..made_up::info()
        };
        let mut episode = made_up::assemble(&info, &made_up::evidence::odd()).remove(0);
        for node in &mut episode.nodes {
            node.stats.clone_from(&stats);
        }
        for zone in &mut episode.zones {
            (zone.stats, zone.free_blocks) = (stats.clone(), blocks.clone());
        }
        if let Some(stat) = &mut episode.memcg_stat {
            stat.stats = stats.iter().map(|value| Some(*value)).collect();
        }
        let line = &lines_of(&info, &[episode])[1];
        let told = &line["memory"]["nodes"][0]["stats"];
        for (position, value) in stats.iter().enumerate() {
            let name = names.get(position).filter(|name| !name.is_empty());
            let first = name.is_none_or(|name| names.iter().position(|other| other == name) == Some(position));
            let key = name.cloned().unwrap_or_else(|| position.to_string());
            if first {
                prop_assert_eq!(&told[&key], &Value::from(*value));
            }
        }
    }
}
