//! Edges of the formula, with numbers from real kernel reports where there are any.

use proptest::prelude::*;

use super::*;
use crate::model::episode::Cause;

const PAGE: u32 = 4096;

fn memory(anon: u64, file: u64, shmem: u64, swap: u64, pgtables_bytes: u64) -> Memory {
    Memory {
        rss_anon_pages: Some(anon),
        rss_file_pages: Some(file),
        rss_shmem_pages: Some(shmem),
        swap_entries: Some(swap),
        pgtables_bytes: Some(pgtables_bytes),
        total_vm_pages: None,
        rss_pages: None,
    }
}

#[test]
fn a_real_report_adds_up() {
    // Linux 7.3: 5268 pages of RSS and 21 pages of page tables made 5289 points.
    assert_eq!(points(&memory(5100, 168, 0, 0, 21 * 4096), 0, 5120, PAGE), Some(5289));
}

#[test]
fn one_step_of_adjustment_is_cut_to_whole_pages() {
    assert_eq!(adj_pages(1, 5120), 5);
    assert_eq!(adj_pages(-1, 5120), -5);
    assert_eq!(adj_pages(1000, 5120), 5000);
    assert_eq!(adj_pages(1000, 999), 0);
    assert_eq!(adj_pages(-999, 0), 0);
    assert_eq!(adj_pages(1000, u64::MAX), i64::MAX);
    assert_eq!(adj_pages(-1000, u64::MAX), i64::MIN);
}

#[test]
fn page_tables_count_in_whole_pages() {
    assert_eq!(points(&memory(0, 0, 0, 0, 4095), 0, 5120, PAGE), Some(0));
    assert_eq!(points(&memory(0, 0, 0, 0, 8192), 0, 5120, PAGE), Some(2));
    assert_eq!(points(&memory(0, 0, 0, 0, 65536), 0, 5120, 65536), Some(1));
}

#[test]
fn points_may_be_negative() {
    assert_eq!(points(&memory(10, 0, 0, 0, 0), -999, 1_000_000, PAGE), Some(10 - 999_000));
}

#[test]
fn a_missing_part_is_not_zero() {
    let mut parts = memory(1, 2, 3, 4, 5);
    parts.rss_shmem_pages = None;
    assert_eq!(points(&parts, 0, 5120, PAGE), None);
    assert_eq!(explain(10, &parts, 0, 5120, PAGE), None);
    assert_eq!(points(&memory(1, 2, 3, 4, 5), 0, 5120, 0), None);
}

#[test]
fn the_difference_is_the_kernels_minus_ours() {
    let explained = explain(130, &memory(90, 10, 0, 0, 0), 2, 10_000, PAGE);
    assert_eq!(
        explained,
        Some(Explained { points: 120, difference: 10, memory_pages: 110, cause: Some(Cause::Unknown) })
    );
}

#[test]
fn shares_round_towards_zero_and_have_no_value_without_a_scale() {
    assert_eq!(share(228_703, 131_072), Some(1744));
    assert_eq!(share(-1999, 1000), Some(-1999));
    assert_eq!(share(-1, 100_000), Some(0));
    assert_eq!(share(5, 0), None);
    assert_eq!(share(i64::MAX, 1), Some(i64::MAX));
}

#[test]
fn the_adjustment_that_would_have_spared_is_a_floor_within_range() {
    assert_eq!(highest_adj_within(106_087, 130_936, 131_072), Some(189));
    assert_eq!(highest_adj_within(1000, 999, 10_000), Some(-1));
    assert_eq!(highest_adj_within(0, i64::MAX, 10_000), Some(1000));
    assert_eq!(highest_adj_within(i64::MAX, 0, 10_000), None);
    assert_eq!(highest_adj_within(10, 5, 999), None);
}

proptest! {
    #[test]
    fn nothing_overflows(
        parts in prop::array::uniform5(any::<u64>()),
        adj in any::<i16>(),
        total in any::<u64>(),
        page in any::<u32>(),
        kernel in any::<i64>(),
    ) {
        let [a, b, c, d, e] = parts;
        let _ = explain(kernel, &memory(a, b, c, d, e), adj, total, page);
        let _ = share(kernel, total);
        let _ = highest_adj_within(kernel, kernel.wrapping_neg(), total);
    }

    #[test]
    fn the_memory_part_is_the_inverse(
        anon in 0..1u64 << 40,
        adj in -1000i16..=1000,
        total in 1..1u64 << 40,
    ) {
        let parts = memory(anon, 0, 0, 0, 0);
        let points = points(&parts, adj, total, PAGE).expect("all parts are there");
        prop_assert_eq!(memory_part(points, adj, total), i64::try_from(anon).expect("it is small"));
    }

    #[test]
    fn the_sparing_adjustment_is_the_highest(memory in 0..1i64 << 40, limit in 0..1i64 << 40, total in 1000..1u64 << 40) {
        if let Some(adj) = highest_adj_within(memory, limit, total) {
            prop_assert!(memory + adj_pages(adj, total) <= limit);
            if adj < 1000 {
                prop_assert!(memory + adj_pages(adj + 1, total) > limit);
            }
        } else {
            prop_assert!(memory + adj_pages(-999, total) > limit);
        }
    }
}
