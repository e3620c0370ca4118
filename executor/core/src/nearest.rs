//! "Did you mean": the known word closest to a wrong one.

/// The word among `known` at most two edits (one for short words) from `word`.
#[must_use]
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = if word.chars().count() <= 4 { 1 } else { 2 };
    known
        .into_iter()
        .map(|candidate| (edits(word, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= allowed || candidate.eq_ignore_ascii_case(word)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and substitutions between two words; a swap of two
/// neighbours counts as two.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((to, above), left_above) in b.iter().zip(row.iter().skip(1)).zip(&row) {
            let left = next.last().copied().unwrap_or(0);
            let change = left_above + usize::from(from != *to);
            next.push(change.min(above + 1).min(left + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn suggests_what_is_close_and_nothing_else() {
        assert_eq!(nearest("ordr", ["order", "lines"]), Some("order"));
        assert_eq!(nearest("paid", ["PAID", "VOIDED"]), Some("PAID"));
        assert_eq!(nearest("reqiure", ["require", "read"]), Some("require"));
        assert_eq!(nearest("id", ["io", "name"]), Some("io"));
        assert_eq!(nearest("weather", ["order", "lines"]), None);
    }
}
