//! "Did you mean ...?"
//!
//! Owns the distance between two words and when it is small enough to be a slip. It does not print.

/// The candidate closest to `word`, if close enough to be what was meant.
pub(super) fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let word: Vec<char> = word.to_lowercase().chars().take(64).collect();
    let near = candidates.into_iter().map(|candidate| (distance(&word, candidate), candidate));
    let (distance, candidate) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= (word.len() / 3).clamp(1, 3)).then_some(candidate)
}

/// The candidates that may have been meant by `word`, the closest first: slips of it, and those that it is a part of.
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Vec<&'c str> {
    let word = word.to_lowercase();
    let characters: Vec<char> = word.chars().take(64).collect();
    let slip = (characters.len() / 3).clamp(1, 3);
    let is_part = |candidate: &str| characters.len() > 2 && candidate.to_lowercase().contains(&word);
    let mut near: Vec<(usize, &str)> = candidates
        .into_iter()
        .map(|candidate| (distance(&characters, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= slip || is_part(candidate))
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
fn distance(word: &[char], candidate: &str) -> usize {
    let candidate: Vec<char> = candidate.to_lowercase().chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=candidate.len()).collect()];
    for (i, &a) in word.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &b) in candidate.iter().enumerate() {
            let mut best = (rows[i][j] + usize::from(a != b)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && word[i - 1] == b && candidate[j - 1] == a;
            if swapped {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[word.len()][candidate.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    // UX 4
    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        let keys = ["audience", "upstream", "tokens", "public"];
        for (word, expected) in [
            ("audiance", Some("audience")),
            ("Upstream", Some("upstream")),
            ("upsteram", Some("upstream")),
            ("token", Some("tokens")),
            ("pubic", Some("public")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(closest(word, keys), expected, "{word}");
        }
    }

    // UX 16
    #[test]
    fn whatever_may_have_been_meant_is_named_closest_first() {
        let codes = ["missing_scope", "missing_role", "expired", "expired_token", "revoked"];
        assert_eq!(nearest("mising_scope", codes), ["missing_scope"]);
        assert_eq!(nearest("Expired", codes), ["expired", "expired_token"]);
        assert_eq!(nearest("missing", codes), ["missing_role", "missing_scope"]);
        assert!(nearest("x", codes).is_empty() && nearest("", codes).is_empty());
    }
}
