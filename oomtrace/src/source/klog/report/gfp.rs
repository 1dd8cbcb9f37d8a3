//! Names of gfp bits by era, for masks that the log does not name itself: kernels before 4.6 print the number alone.
//!
//! From `include/linux/gfp.h` of the releases: bits were renumbered in 2.6.31 (zone bits) and 4.4 (`__GFP_WAIT` split in two).

use crate::badness::Release;

type Table = &'static [(u32, &'static str)];

/// To 2.6.30.
const FIRST: Table = &[
    (0x10_0000 | 0x2_0000 | 0xd2, "GFP_HIGHUSER_MOVABLE"),
    (0x2_0000 | 0xd2, "GFP_HIGHUSER"),
    (0x2_0000 | 0xd0, "GFP_USER"),
    (0xd0, "GFP_KERNEL"),
    (0x50, "GFP_NOFS"),
    (0x20, "GFP_ATOMIC"),
    (0x10, "GFP_NOIO"),
    (0x01, "__GFP_DMA"),
    (0x02, "__GFP_HIGHMEM"),
    (0x04, "__GFP_DMA32"),
    (0x40, "__GFP_IO"),
    (0x80, "__GFP_FS"),
    (0x100, "__GFP_COLD"),
    (0x200, "__GFP_NOWARN"),
    (0x400, "__GFP_REPEAT"),
    (0x800, "__GFP_NOFAIL"),
    (0x1000, "__GFP_NORETRY"),
    (0x4000, "__GFP_COMP"),
    (0x8000, "__GFP_ZERO"),
    (0x1_0000, "__GFP_NOMEMALLOC"),
    (0x2_0000, "__GFP_HARDWALL"),
    (0x4_0000, "__GFP_THISNODE"),
    (0x8_0000, "__GFP_RECLAIMABLE"),
    (0x10_0000, "__GFP_MOVABLE"),
];

/// 2.6.31 to 4.3.
const SECOND: Table = &[
    (0x2_0000 | 0xda, "GFP_HIGHUSER_MOVABLE"),
    (0x2_0000 | 0xd2, "GFP_HIGHUSER"),
    (0x2_0000 | 0xd0, "GFP_USER"),
    (0x8_0000 | 0xd0, "GFP_TEMPORARY"),
    (0xd0, "GFP_KERNEL"),
    (0x50, "GFP_NOFS"),
    (0x20, "GFP_ATOMIC"),
    (0x10, "GFP_NOIO"),
    (0x01, "__GFP_DMA"),
    (0x02, "__GFP_HIGHMEM"),
    (0x04, "__GFP_DMA32"),
    (0x08, "__GFP_MOVABLE"),
    (0x40, "__GFP_IO"),
    (0x80, "__GFP_FS"),
    (0x100, "__GFP_COLD"),
    (0x200, "__GFP_NOWARN"),
    (0x400, "__GFP_REPEAT"),
    (0x800, "__GFP_NOFAIL"),
    (0x1000, "__GFP_NORETRY"),
    (0x2000, "__GFP_MEMALLOC"),
    (0x4000, "__GFP_COMP"),
    (0x8000, "__GFP_ZERO"),
    (0x1_0000, "__GFP_NOMEMALLOC"),
    (0x2_0000, "__GFP_HARDWALL"),
    (0x4_0000, "__GFP_THISNODE"),
    (0x8_0000, "__GFP_RECLAIMABLE"),
    (0x20_0000, "__GFP_NOTRACK"),
    (0x40_0000, "__GFP_NO_KSWAPD"),
    (0x80_0000, "__GFP_OTHER_NODE"),
    (0x100_0000, "__GFP_WRITE"),
];

/// 4.4 and 4.5.
const THIRD: Table = &[
    (0x240_0000 | 0x2_0000 | 0xca, "GFP_HIGHUSER_MOVABLE"),
    (0x240_0000 | 0x2_0000 | 0xc2, "GFP_HIGHUSER"),
    (0x240_0000 | 0x2_0000 | 0xc0, "GFP_USER"),
    (0x240_0000 | 0xd0, "GFP_TEMPORARY"),
    (0x240_0000 | 0xc0, "GFP_KERNEL"),
    (0x240_0000 | 0x40, "GFP_NOFS"),
    (0x200_0000 | 0x8_0000 | 0x20, "GFP_ATOMIC"),
    (0x240_0000, "GFP_NOIO"),
    (0x200_0000, "GFP_NOWAIT"),
    (0x01, "__GFP_DMA"),
    (0x02, "__GFP_HIGHMEM"),
    (0x04, "__GFP_DMA32"),
    (0x08, "__GFP_MOVABLE"),
    (0x10, "__GFP_RECLAIMABLE"),
    (0x20, "__GFP_HIGH"),
    (0x40, "__GFP_IO"),
    (0x80, "__GFP_FS"),
    (0x100, "__GFP_COLD"),
    (0x200, "__GFP_NOWARN"),
    (0x400, "__GFP_REPEAT"),
    (0x800, "__GFP_NOFAIL"),
    (0x1000, "__GFP_NORETRY"),
    (0x2000, "__GFP_MEMALLOC"),
    (0x4000, "__GFP_COMP"),
    (0x8000, "__GFP_ZERO"),
    (0x1_0000, "__GFP_NOMEMALLOC"),
    (0x2_0000, "__GFP_HARDWALL"),
    (0x4_0000, "__GFP_THISNODE"),
    (0x8_0000, "__GFP_ATOMIC"),
    (0x10_0000, "__GFP_ACCOUNT"),
    (0x20_0000, "__GFP_NOTRACK"),
    (0x40_0000, "__GFP_DIRECT_RECLAIM"),
    (0x80_0000, "__GFP_OTHER_NODE"),
    (0x100_0000, "__GFP_WRITE"),
];

/// The names that a release has; empty when the log names the bits itself, or the release is not known.
pub(super) fn table(release: Option<&str>) -> Table {
    let Some(release) = release.and_then(Release::parse) else { return &[] };
    if release < Release::new(2, 6, 31) {
        FIRST
    } else if release < Release::new(4, 4, 0) {
        SECOND
    } else if release < Release::new(4, 6, 0) {
        THIRD
    } else {
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::table;
    use crate::model::gfp::flag_names;
    use crate::model::session::GfpFlag;

    fn names(release: &str, mask: u32) -> String {
        let table: Vec<_> = table(Some(release))
            .iter()
            .map(|&(bits, name)| GfpFlag { bits, name: name.to_owned() })
            .collect();
        flag_names(mask, &table).join("|")
    }

    #[test]
    fn masks_that_old_logs_have() {
        assert_eq!(names("2.6.27-gentoo-r8", 0x12_00d2), "GFP_HIGHUSER_MOVABLE");
        assert_eq!(names("2.6.32-5-amd64", 0x201da), "GFP_HIGHUSER_MOVABLE|__GFP_COLD");
        assert_eq!(names("3.2.0-4-amd64", 0x280da), "GFP_HIGHUSER_MOVABLE|__GFP_ZERO");
        assert_eq!(names("3.10.0", 0xd0), "GFP_KERNEL");
        assert_eq!(names("4.4.0-21-generic", 0x24201ca), "GFP_HIGHUSER_MOVABLE|__GFP_COLD");
        assert_eq!(names("4.9.0", 0x24201ca), "0x24201ca");
    }
}
