//! "Did you mean": the nearest known word to a mistyped one.
//!
//! Owns the distance and the threshold; what the known words are is the caller's business.

/// The candidate nearest to `word`, if one is near enough to be worth proposing: at most one slip in a short word, two
/// in a longer one. Case is ignored, since a wrong case is a slip too.
pub(super) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let typed = word.to_lowercase();
    candidates
        .iter()
        .map(|candidate| (distance(&typed, &candidate.to_lowercase()), *candidate))
        .filter(|(slips, candidate)| *slips <= if candidate.len() <= 4 { 1 } else { 2 })
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions and swaps of neighbours between two words (optimal string alignment).
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.chars().take(64).collect();
    let to: Vec<char> = to.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, from_char) in from.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, to_char) in to.iter().enumerate() {
            let substitution = above[column] + usize::from(from_char != to_char);
            let mut best = substitution.min(above[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *from_char == to[column - 1] && from[row - 1] == *to_char {
                best = best.min(before[column - 1] + 1);
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
    }
    above[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposes_only_what_is_near() {
        let known = ["role", "scope", "permission"];
        assert_eq!(nearest("rol", &known), Some("role"));
        assert_eq!(nearest("rloe", &known), Some("role"));
        assert_eq!(nearest("Scopes", &known), Some("scope"));
        assert_eq!(nearest("permisions", &known), Some("permission"));
        assert_eq!(nearest("banana", &known), None);
        assert_eq!(nearest("re", &known), None);
    }
}
