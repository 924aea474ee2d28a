//! The messages this machine has shown or sent, so that a few characters of an id, or `last`, name one without asking the server.

use std::io::Write;
use std::path::PathBuf;

use ajet_shared::id::MessageId;

use crate::naming::fits;
use crate::settings::{Paths, Server, write_private};

/// Entries kept; the file is cut back when it has twice as many.
const KEPT: usize = 2_000;

/// The file of one server: an id on each line, those I sent with a `*` before it.
#[derive(Debug)]
pub(crate) struct Recent {
    file: PathBuf,
}

impl Recent {
    pub(crate) fn new(paths: &Paths, server: &Server) -> Self {
        let host: String = server
            .host()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
            .collect();
        Self { file: paths.state.join(format!("recent-{host}")) }
    }

    /// Remembers messages that were shown. A home that cannot be written to is no reason to fail.
    pub(crate) fn shown(&self, ids: impl Iterator<Item = MessageId>) {
        let _ = self.append(&ids.map(|id| format!("{id}\n")).collect::<Vec<_>>().concat());
    }

    /// Remembers a message that was sent.
    pub(crate) fn sent(&self, id: MessageId) {
        let _ = self.append(&format!("*{id}\n"));
    }

    /// The message I sent last.
    pub(crate) fn my_last(&self) -> Option<MessageId> {
        self.read().lines().rev().find_map(|line| line.strip_prefix('*')?.parse().ok())
    }

    /// The messages an id fragment fits, each once.
    pub(crate) fn fitting(&self, fragment: &str) -> Vec<MessageId> {
        let mut ids: Vec<MessageId> = self
            .read()
            .lines()
            .filter_map(|line| line.trim_start_matches('*').parse().ok())
            .filter(|id| fits(fragment, *id))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    fn read(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap_or_default()
    }

    fn append(&self, lines: &str) -> Option<()> {
        if lines.is_empty() {
            return None;
        }
        let old = self.read();
        if old.lines().count() > 2 * KEPT || old.is_empty() {
            let skipped = old.lines().count().saturating_sub(KEPT);
            let kept: Vec<&str> = old.split_inclusive('\n').skip(skipped).collect();
            return write_private(&self.file, &(kept.concat() + lines)).ok();
        }
        let mut file = std::fs::OpenOptions::new().append(true).open(&self.file).ok()?;
        file.write_all(lines.as_bytes()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths {
            config: "c".into(),
            credentials: "d".into(),
            state: folder.path().join("state"),
        };
        let recent = Recent::new(&paths, &Server::parse("127.0.0.1:1").unwrap());
        assert_eq!(recent.my_last(), None);
        let ids: Vec<MessageId> = (0..3).map(|_| MessageId::new()).collect();
        recent.shown(ids.iter().copied());
        recent.sent(ids[1]);
        recent.shown(std::iter::once(ids[0]));
        assert_eq!(recent.my_last(), Some(ids[1]));
        assert_eq!(recent.fitting(&crate::naming::short(ids[2])), [ids[2]]);
        assert_eq!(recent.fitting(&ids[1].uuid().simple().to_string()), [ids[1]]);
        recent.shown((0..2 * KEPT).map(|_| MessageId::new()));
        recent.shown(std::iter::once(ids[2]));
        assert_eq!(recent.read().lines().count(), KEPT + 1);
    }
}
