//! What decoding needs to know of the machine that the records come from.

use super::symbols::Symbolizer;

/// See the module.
#[derive(Debug, Default)]
pub struct Context {
    /// This kernel's "no limit", pages.
    pub page_counter_max: u64,
    /// Bytes in a page.
    pub page_size: u32,
    /// Where things are in a `struct zone`.
    pub zone: ZoneLayout,
    /// Names of the kernel's functions; `None`: there are none.
    pub symbols: Option<Box<dyn Symbolizer>>,
}

/// Byte offsets in a `struct zone`; every value is 8 bytes long. `None`: this kernel has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ZoneLayout {
    /// `_watermark[WMARK_MIN]`
    pub min: Option<u32>,
    /// `_watermark[WMARK_LOW]`
    pub low: Option<u32>,
    /// `_watermark[WMARK_HIGH]`
    pub high: Option<u32>,
    /// `watermark_boost`
    pub boost: Option<u32>,
    /// `managed_pages`
    pub managed: Option<u32>,
    /// `present_pages`
    pub present: Option<u32>,
    /// `spanned_pages`
    pub spanned: Option<u32>,
    /// `nr_reserved_highatomic`
    pub reserved_highatomic: Option<u32>,
    /// `lowmem_reserve`
    pub lowmem_reserve: Option<Run>,
    /// `free_area`: `nr_free` of each.
    pub free_blocks: Option<Run>,
    /// `vm_stat`
    pub stats: Option<Run>,
}

/// Values of 8 bytes at equal distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Offset of the first.
    pub start: u32,
    /// From one to the next, bytes.
    pub stride: u32,
    /// How many.
    pub count: u32,
}
