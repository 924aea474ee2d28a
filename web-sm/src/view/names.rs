//! Short forms of names and numbers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use ajet_shared::id::{CommunityId, UserId};
use ajet_shared::user::Author;

/// One or two letters for an avatar: the first of the first and the last word, or two of a script without capitals.
pub(crate) fn initials(name: &str) -> String {
    let mut words = name
        .split_whitespace()
        .filter_map(|word| word.chars().find(|c| c.is_alphanumeric()).map(|first| (first, word)));
    let Some((first, word)) = words.next() else { return "?".to_owned() };
    if !first.is_ascii() && first.to_lowercase().eq(first.to_uppercase()) {
        return word.chars().take(2).collect();
    }
    let last = words.next_back().map(|(last, _)| last);
    first.to_uppercase().chain(last.into_iter().flat_map(char::to_uppercase)).collect()
}

/// `99+` above 99.
pub(crate) fn count(n: i64) -> String {
    if n > 99 { "99+".to_owned() } else { n.to_string() }
}

/// `3 replies`, `1 reply`.
pub(crate) fn plural(n: i64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// `184 KB`.
pub(crate) fn size(bytes: i64) -> String {
    const UNITS: [&str; 4] = ["bytes", "KB", "MB", "GB"];
    let mut unit = 0;
    let mut tenths = bytes.max(0) * 10;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1_000;
        unit += 1;
    }
    let digits = if tenths < 100 && unit > 0 && tenths % 10 != 0 {
        format!("{}.{}", tenths / 10, tenths % 10)
    } else {
        (tenths / 10).to_string()
    };
    format!("{digits} {}", UNITS[unit])
}

/// Of which communities the handles of all members were read lately, so that not every stream reads them.
#[derive(Debug, Default)]
pub(crate) struct Acquainted(Mutex<HashMap<CommunityId, Instant>>);

impl Acquainted {
    /// How long such a reading is good: new people come with events of their own.
    const LATELY: Duration = Duration::from_mins(1);

    /// They were read just now.
    pub(crate) fn note(&self, id: CommunityId) {
        self.lock().insert(id, Instant::now());
    }

    /// They were read lately.
    pub(crate) fn knows(&self, id: CommunityId) -> bool {
        self.lock().get(&id).is_some_and(|at| at.elapsed() < Self::LATELY)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CommunityId, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many handles are remembered before all are forgotten.
const DIRECTORY_MAX: usize = 50_000;

/// Whose a handle is, as far as pages and events have told. Mentions come as ids and the text holds handles; this brings them together.
#[derive(Debug, Default)]
pub(crate) struct Directory(RwLock<HashMap<String, UserId>>);

impl Directory {
    /// Remembers people.
    pub(crate) fn learn<'a>(&self, people: impl IntoIterator<Item = &'a Author>) {
        self.learn_names(people.into_iter().map(|author| (author.id, author.username.as_str())));
    }

    /// Remembers handles.
    pub(crate) fn learn_names<'a>(&self, people: impl IntoIterator<Item = (UserId, &'a str)>) {
        let people = people.into_iter();
        let mut fresh: Vec<(UserId, &str)> = Vec::new();
        if let Ok(known) = self.0.read() {
            fresh.extend(people.filter(|(id, name)| known.get(*name) != Some(id)));
        }
        if fresh.is_empty() {
            return;
        }
        if let Ok(mut known) = self.0.write() {
            if known.len() > DIRECTORY_MAX {
                known.clear();
            }
            known.extend(fresh.into_iter().map(|(id, name)| (name.to_owned(), id)));
        }
    }

    /// Whose this handle is.
    pub(crate) fn find(&self, username: &str) -> Option<UserId> {
        self.0.read().ok()?.get(username).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_fit_an_avatar() {
        for (name, expected) in [
            ("Lena Kowalczyk", "LK"),
            ("ola", "O"),
            ("田辺 ゆき", "田辺"),
            ("Anna Maria de Boer", "AB"),
            ("…", "?"),
            ("élan v", "ÉV"),
        ] {
            assert_eq!(initials(name), expected, "{name}");
        }
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!((count(99), count(100)), ("99".to_owned(), "99+".to_owned()));
        assert_eq!(
            (plural(1, "reply", "replies"), plural(3, "reply", "replies")),
            ("1 reply".to_owned(), "3 replies".to_owned())
        );
        for (bytes, expected) in [
            (512, "512 bytes"),
            (184_000, "184 KB"),
            (1_500_000, "1.5 MB"),
            (2_000, "2 KB"),
            (0, "0 bytes"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }
}
