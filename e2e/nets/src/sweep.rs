//! Looking for what must not be there: secrets (A111) and names of things one may not know of (A97).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The variable that says that only a part of the tier was run: then there may be little to search.
pub const PARTIAL: &str = "AJET_NETS_PARTIAL";
/// Kinds of our tokens, by their first characters.
const PREFIXES: [&str; 4] = ["ajs_", "ajp_", "ajw_", "aji_"];
/// Selector and checksum: what stands between the prefix and the underscore before the secret.
const PUBLIC_CHARS: usize = 22;
/// Characters around a find that are shown.
const AROUND: usize = 60;

/// Folders of the run folder that hold data and no traces.
const DATA: [&str; 1] = ["data"];
/// Files of the run folder that hold secrets because that is what they are for.
const SECRET: [&str; 1] = ["stack.json"];

/// The tokens in a text, each as its public part and where it stands.
#[must_use]
pub fn tokens(text: &str) -> Vec<String> {
    let bytes = text.as_bytes();
    let is_token = |at: usize| {
        let public = bytes.get(at + 4..at + 4 + PUBLIC_CHARS);
        public.is_some_and(|public| public.iter().all(u8::is_ascii_alphanumeric))
            && bytes.get(at + 4 + PUBLIC_CHARS) == Some(&b'_')
    };
    let starts = PREFIXES.iter().flat_map(|prefix| text.match_indices(prefix));
    starts.filter(|(at, _)| is_token(*at)).map(|(at, _)| excerpt(text, at, 4)).collect()
}

/// Where a name stands in a text, as a word of its own: `plans` is not in `plansheet`.
#[must_use]
pub fn mentions(text: &str, name: &str) -> Vec<String> {
    let part_of_word = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == '-';
    text.match_indices(name)
        .filter(|(at, _)| {
            !text[..*at].chars().next_back().is_some_and(part_of_word)
                && !text[at + name.len()..].chars().next().is_some_and(part_of_word)
        })
        .map(|(at, found)| excerpt(text, at, found.len()))
        .collect()
}

/// What stands around a find, without control characters and never with a whole secret.
fn excerpt(text: &str, at: usize, len: usize) -> String {
    let floor = (0..=at.saturating_sub(AROUND)).rev().find(|at| text.is_char_boundary(*at));
    let end = (at + len + AROUND / 3).min(text.len());
    let ceiling = (end..=text.len()).find(|at| text.is_char_boundary(*at));
    let around = &text[floor.unwrap_or(0)..ceiling.unwrap_or(text.len())];
    around.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// Every file in which something of the run may have been written down, with its text.
pub fn traces(run_dir: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    let mut folders = vec![run_dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| folder.display().to_string())?.flatten();
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name());
            let is_one_of = |names: &[&str]| names.iter().any(|known| name == *known);
            let kind = entry.file_type()?;
            if kind.is_dir() && !is_one_of(&DATA) {
                folders.push(path);
            } else if kind.is_file() && !is_one_of(&SECRET) {
                let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
                found.push((path, String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_and_shown_without_its_secret() {
        let secret = "a".repeat(43);
        let text = format!("Bearer ajs_0123456789ABCDEFGHIJKL_{secret} and so on");
        let found = tokens(&text);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("ajs_0123") && !found[0].contains(&secret));
        assert!(tokens("ajs_short_ aji_0123456789ABCDEFGHIJK").is_empty());
        assert!(tokens("the prefix ajp_0123456789ABCDEF is public").is_empty());
    }

    #[test]
    fn a_name_is_found_as_a_word() {
        assert_eq!(mentions(r#"{"name":"plans"} #plans /plans?x"#, "plans").len(), 3);
        assert!(mentions("plansheet my-plans plans_", "plans").is_empty());
    }

    #[test]
    fn traces_are_read_and_data_is_not() {
        let folder = std::env::temp_dir().join(format!("ajet-traces-{}", std::process::id()));
        fs::create_dir_all(folder.join("data/postgres")).unwrap();
        fs::create_dir_all(folder.join("logs")).unwrap();
        for file in ["data/postgres/base", "stack.json", "logs/api.log", "nats.log"] {
            fs::write(folder.join(file), file).unwrap();
        }
        let found: Vec<_> = traces(&folder).unwrap().into_iter().map(|(_, text)| text).collect();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, ["logs/api.log", "nats.log"]);
    }
}
