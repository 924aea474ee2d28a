//! "Did you mean": names that are like what was typed.

/// The candidate that is most like what was typed, if one is like it at all.
pub fn nearest<'a>(typed: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (typed.chars().count() / 3).clamp(1, 3);
    candidates
        .map(|candidate| (distance(typed, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= most || (typed.len() > 2 && candidate.starts_with(typed))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The candidates most like what was typed, the best first, however unlike.
pub fn closest<'a>(
    typed: &str,
    candidates: impl Iterator<Item = &'a str>,
    count: usize,
) -> Vec<&'a str> {
    let mut all: Vec<(bool, usize, &str)> = candidates
        .map(|candidate| {
            let begins = !typed.is_empty() && candidate.starts_with(typed);
            (!begins, distance(typed, candidate), candidate)
        })
        .collect();
    all.sort_by_key(|(begins, distance, _)| (*begins, *distance));
    all.into_iter().take(count).map(|(_, _, candidate)| candidate).collect()
}

/// Letters to change, add, drop or swap with a neighbour.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeness() {
        let names = ["release-room", "random", "api"];
        assert_eq!(nearest("relase-room", names.into_iter()), Some("release-room"));
        assert_eq!(nearest("release", names.into_iter()), Some("release-room"));
        assert_eq!(nearest("aip", names.into_iter()), Some("api"));
        assert_eq!(nearest("zzz", names.into_iter()), None);
    }

    #[test]
    fn the_closest_are_named_however_unlike() {
        let names = ["topic", "token create", "me", "join"];
        assert_eq!(closest("topc", names.into_iter(), 2), ["topic", "join"]);
        assert_eq!(closest("tok", names.into_iter(), 1), ["token create"]);
        assert_eq!(closest("", names.into_iter(), 3).len(), 3);
    }
}
