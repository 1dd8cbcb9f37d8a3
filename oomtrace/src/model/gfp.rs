//! Names of the bits in a gfp_mask. The table is the captured kernel's own; bits move between kernels.

use super::episode::Episode;
use super::session::{GfpFlag, SessionInfo};

/// Names `mask` the way the kernel's `__print_flags()` does: entries are tried in the table's order, one matches when all
/// of its bits are still there, and takes them away. What is left over comes last, as a hex number.
#[must_use]
pub fn flag_names(mask: u32, table: &[GfpFlag]) -> Vec<String> {
    let mut left = mask;
    let mut names = Vec::new();
    for flag in table {
        if flag.bits != 0 && left & flag.bits == flag.bits {
            names.push(flag.name.clone());
            left &= !flag.bits;
        }
    }
    if left != 0 {
        names.push(format!("{left:#x}"));
    }
    names
}

/// The flags of an episode's request: those that the kernel's log names, or else those of the session's table.
#[must_use]
pub fn names_of(episode: &Episode, info: &SessionInfo) -> Vec<String> {
    match (&episode.gfp_names, episode.gfp_mask) {
        (Some(names), _) => {
            let names = String::from_utf8_lossy(names);
            names.split('|').filter(|name| !name.is_empty()).map(str::to_owned).collect()
        }
        (None, Some(mask)) => flag_names(mask, &info.gfp_flags),
        (None, None) => Vec::new(),
    }
}

/// The bits that one name stands for; `None` when the table does not have it.
#[must_use]
pub fn bits_of(name: &str, table: &[GfpFlag]) -> Option<u32> {
    table.iter().find(|flag| flag.name == name).map(|flag| flag.bits).filter(|&bits| bits != 0)
}

#[cfg(test)]
mod tests {
    use super::{GfpFlag, bits_of, flag_names};

    fn table() -> Vec<GfpFlag> {
        [(0xcc0, "GFP_KERNEL"), (0x40, "__GFP_IO"), (0x80, "__GFP_FS"), (0x100, "__GFP_NOWARN"), (0, "none")]
            .map(|(bits, name)| GfpFlag { bits, name: name.to_owned() })
            .to_vec()
    }

    #[test]
    fn combinations_come_before_their_parts_and_take_their_bits() {
        assert_eq!(flag_names(0xdc0, &table()), ["GFP_KERNEL", "__GFP_NOWARN"]);
        assert_eq!(flag_names(0xc0, &table()), ["__GFP_IO", "__GFP_FS"]);
    }

    #[test]
    fn bits_without_a_name_stay_as_hex() {
        assert_eq!(flag_names(0x8000_0040, &table()), ["__GFP_IO", "0x80000000"]);
        assert_eq!(flag_names(0x6, &[]), ["0x6"]);
        assert!(flag_names(0, &table()).is_empty());
    }

    #[test]
    fn a_name_that_is_missing_is_not_zero() {
        assert_eq!(bits_of("__GFP_FS", &table()), Some(0x80));
        assert_eq!(bits_of("__GFP_ACCOUNT", &table()), None);
        assert_eq!(bits_of("none", &table()), None);
    }
}
