//! Who is chosen among those scored: the scan's own rule.

/// The one with the most points, and its points; of equals the one that the scan comes to last, as the kernel does since 5.0.
/// `scored` is in scan order, without those that may not be killed. `None`: nobody may be.
#[must_use]
pub fn choose<T>(scored: impl IntoIterator<Item = (T, i64)>) -> Option<(T, i64)> {
    scored.into_iter().reduce(|best, next| if next.1 >= best.1 { next } else { best })
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn the_highest_wins_and_of_equals_the_last() {
        assert_eq!(choose([("a", 5), ("b", 7), ("c", 7), ("d", -3)]), Some(("c", 7)));
        assert_eq!(choose([("a", -5), ("b", -3), ("c", -9)]), Some(("b", -3)));
        assert_eq!(choose([("a", i64::MIN + 1)]), Some(("a", i64::MIN + 1)));
        assert_eq!(choose::<()>([]), None);
    }
}
