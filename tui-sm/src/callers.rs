//! Whose streams are open here. Somebody who types has one open nearly always, and then typing costs no call of the api.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ajet_shared::user::Author;
use axum::http::HeaderValue;

/// The people behind open streams, by the credentials these were opened with. Cheap to clone.
///
/// The hub ends a stream whose token is revoked, and with its last stream a token is forgotten here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Callers(Arc<Mutex<HashMap<HeaderValue, Entry>>>);

#[derive(Debug)]
struct Entry {
    author: Author,
    streams: usize,
}

/// One open stream; dropping it lets the caller go.
#[derive(Debug)]
pub(crate) struct Open {
    callers: Callers,
    authorization: HeaderValue,
}

impl Callers {
    /// A stream was opened with these credentials.
    pub(crate) fn open(&self, authorization: HeaderValue, author: Author) -> Open {
        self.lock().entry(authorization.clone()).or_insert(Entry { author, streams: 0 }).streams +=
            1;
        Open { callers: self.clone(), authorization }
    }

    /// Who is behind these credentials, if a stream is open with them.
    pub(crate) fn find(&self, authorization: &HeaderValue) -> Option<Author> {
        self.lock().get(authorization).map(|entry| entry.author.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<HeaderValue, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut callers = self.callers.lock();
        if let Some(entry) = callers.get_mut(&self.authorization) {
            entry.streams -= 1;
            if entry.streams == 0 {
                callers.remove(&self.authorization);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ajet_shared::id::UserId;
    use ajet_shared::user::UserKind;

    use super::*;

    #[test]
    fn a_caller_is_known_while_a_stream_is_open() {
        let (callers, token) = (Callers::default(), HeaderValue::from_static("Bearer x"));
        let author = Author {
            id: UserId::new(),
            username: "ada".to_owned(),
            display_name: "Ada".to_owned(),
            avatar_url: None,
            kind: UserKind::Human,
        };
        let (first, second) = (
            callers.open(token.clone(), author.clone()),
            callers.open(token.clone(), author.clone()),
        );
        drop(first);
        assert_eq!(callers.find(&token), Some(author));
        drop(second);
        assert_eq!(callers.find(&token), None);
    }
}
