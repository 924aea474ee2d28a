//! What outlives the program: texts that were begun, messages not sent yet, and where one was. One file each, so that two programs at
//! once do not write over each other, and a crash costs at most the last second.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ajet_shared::id::{ChannelId, ClientMessageId, MessageId, UserId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::outbox::{OUTBOX_MAX, OutboxEntry, OutboxState};
use super::places::Place;
use crate::error::CliResult;
use crate::settings::write_private;

/// A larger file is none of ours.
const FILE_MAX_BYTES: u64 = 1024 * 1024;

/// The folder of one profile.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
}

/// What was kept.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Oldest first.
    pub(crate) outbox: Vec<OutboxEntry>,
    /// Texts that were begun, by who wrote them: several may sign in on one machine.
    pub(crate) drafts: HashMap<UserId, HashMap<Place, String>>,
    pub(crate) last: Option<ChannelId>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    client_msg_id: ClientMessageId,
    user_id: UserId,
    channel_id: ChannelId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent_id: Option<MessageId>,
    body_md: String,
    #[serde(with = "time::serde::rfc3339")]
    written_at: OffsetDateTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failed: Option<String>,
}

impl Disk {
    /// Under the state folder, by the name of the profile, or of the host where there is none.
    pub(crate) fn new(state: &Path, profile: &str) -> Self {
        let name: String = profile
            .chars()
            .map(|c| if c.is_alphanumeric() || matches!(c, '.' | '_') { c } else { '-' })
            .collect();
        let name = if name.trim_matches('.').is_empty() { "default".to_owned() } else { name };
        Self { folder: state.join(name) }
    }

    /// Reads everything; what cannot be read is left where it is.
    pub(crate) fn load(&self) -> Kept {
        let mut outbox: Vec<OutboxEntry> = files(&self.folder.join("outbox"))
            .filter_map(|file| entry(&read(&file)?))
            .take(OUTBOX_MAX)
            .collect();
        outbox.sort_by_key(|entry| entry.client_msg_id);
        let drafts = folders(&self.folder.join("drafts"))
            .filter_map(|(name, folder)| Some((name.parse().ok()?, begun(&folder))))
            .collect();
        let last = read(&self.folder.join("last-channel")).and_then(|id| id.trim().parse().ok());
        Kept { outbox, drafts, last }
    }

    pub(crate) fn keep(&self, entry: &OutboxEntry) -> CliResult {
        let failed = match &entry.state {
            OutboxState::Failed(why) => Some(why.clone()),
            OutboxState::Waiting | OutboxState::Sending => None,
        };
        let stored = Stored {
            client_msg_id: entry.client_msg_id,
            user_id: entry.user,
            channel_id: entry.place.channel,
            parent_id: entry.place.parent,
            body_md: entry.body.clone(),
            written_at: entry.written_at,
            failed,
        };
        let text = serde_json::to_string(&stored).map_err(|error| {
            crate::error::CliError::failed(format!("Cannot keep a message: {error}."))
        })?;
        write_private(&self.outgoing(entry.client_msg_id), &text)
    }

    /// It is sent, or given up. That the file is gone already is fine.
    pub(crate) fn forget(&self, key: ClientMessageId) {
        let _ = std::fs::remove_file(self.outgoing(key));
    }

    /// An empty text is no draft.
    pub(crate) fn draft(&self, user: UserId, place: Place, text: &str) -> CliResult {
        let file = self.begun_in(user, place);
        if text.trim().is_empty() {
            let _ = std::fs::remove_file(file);
            return Ok(());
        }
        if read(&file).as_deref() == Some(text) {
            return Ok(());
        }
        write_private(&file, text)
    }

    pub(crate) fn opened(&self, channel: ChannelId) -> CliResult {
        write_private(&self.folder.join("last-channel"), &format!("{channel}\n"))
    }

    /// What is kept of a place; empty when there is nothing.
    pub(crate) fn recall(&self, user: UserId, place: Place) -> String {
        read(&self.begun_in(user, place)).unwrap_or_default()
    }

    fn begun_in(&self, user: UserId, place: Place) -> PathBuf {
        let file = match place.parent {
            Some(parent) => format!("{}.{parent}.md", place.channel),
            None => format!("{}.md", place.channel),
        };
        self.folder.join("drafts").join(user.to_string()).join(file)
    }

    fn outgoing(&self, key: ClientMessageId) -> PathBuf {
        self.folder.join("outbox").join(format!("{key}.json"))
    }
}

/// Folders in a folder, with their names.
fn folders(folder: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| {
        let entry = entry.ok()?;
        Some((entry.file_name().into_string().ok()?, entry.path()))
    })
}

/// The texts begun by one person.
fn begun(folder: &Path) -> HashMap<Place, String> {
    files(folder).filter_map(|file| Some((place(&file)?, read(&file)?))).collect()
}

/// The files of a folder that may be ours, by name; none when there is no such folder.
fn files(folder: &Path) -> std::vec::IntoIter<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.retain(|file| {
        file.extension().is_some_and(|extension| extension == "json" || extension == "md")
    });
    files.sort();
    files.into_iter()
}

fn read(file: &Path) -> Option<String> {
    let size = std::fs::metadata(file).ok()?.len();
    (size <= FILE_MAX_BYTES).then(|| std::fs::read_to_string(file).ok())?
}

fn entry(text: &str) -> Option<OutboxEntry> {
    let stored: Stored = serde_json::from_str(text).ok()?;
    Some(OutboxEntry {
        client_msg_id: stored.client_msg_id,
        user: stored.user_id,
        place: Place { channel: stored.channel_id, parent: stored.parent_id },
        body: stored.body_md,
        written_at: stored.written_at,
        state: stored.failed.map_or(OutboxState::Waiting, OutboxState::Failed),
    })
}

/// The place a draft's file is named after.
fn place(file: &Path) -> Option<Place> {
    let name = file.file_stem()?.to_str()?;
    let (channel, parent) = match name.split_once('.') {
        Some((channel, parent)) => (channel, Some(parent.parse().ok()?)),
        None => (name, None),
    };
    Some(Place { channel: channel.parse().ok()?, parent })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: &str, state: OutboxState) -> OutboxEntry {
        OutboxEntry {
            client_msg_id: ClientMessageId::new(),
            user: UserId::new(),
            place: Place::thread(ChannelId::new(), MessageId::new()),
            body: body.to_owned(),
            written_at: OffsetDateTime::UNIX_EPOCH,
            state,
        }
    }

    #[test]
    fn unsent_messages_come_back_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path(), "work");
        let entries =
            ["one", "two\n\"three\"", "four"].map(|body| message(body, OutboxState::Waiting));
        for entry in entries.iter().rev() {
            disk.keep(entry).unwrap();
        }
        assert_eq!(disk.load().outbox, entries);
        disk.forget(entries[1].client_msg_id);
        disk.forget(entries[1].client_msg_id);
        let failed =
            OutboxEntry { state: OutboxState::Failed("Not allowed.".into()), ..entries[2].clone() };
        disk.keep(&failed).unwrap();
        assert_eq!(disk.load().outbox, [entries[0].clone(), failed]);
    }

    #[test]
    fn what_was_on_its_way_waits_again_after_a_crash() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path(), "work");
        disk.keep(&message("x", OutboxState::Sending)).unwrap();
        assert_eq!(disk.load().outbox[0].state, OutboxState::Waiting);
    }

    #[test]
    fn drafts_are_kept_by_place_and_only_while_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path(), "work");
        let channel = Place::channel(ChannelId::new());
        let thread = Place::thread(channel.channel, MessageId::new());
        let (me, other) = (UserId::new(), UserId::new());
        disk.draft(me, channel, "begun\n").unwrap();
        disk.draft(me, thread, "answer").unwrap();
        disk.draft(other, channel, "not mine").unwrap();
        disk.opened(channel.channel).unwrap();
        let kept = disk.load();
        assert_eq!(
            kept.drafts[&me],
            HashMap::from([(channel, "begun\n".to_owned()), (thread, "answer".to_owned())])
        );
        assert_eq!(kept.last, Some(channel.channel));
        disk.draft(me, channel, "  ").unwrap();
        assert_eq!((disk.load().drafts[&me].len(), disk.load().drafts[&other].len()), (1, 1));
        assert_eq!(
            (disk.recall(me, thread), disk.recall(me, channel)),
            ("answer".into(), String::new())
        );
    }

    #[test]
    fn profiles_are_apart_and_names_stay_inside() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path(), "work");
        disk.keep(&message("x", OutboxState::Waiting)).unwrap();
        assert!(Disk::new(folder.path(), "home").load().outbox.is_empty());
        for name in ["../../etc", "..", "", "a/b", "127.0.0.1:8080"] {
            let inside = Disk::new(folder.path(), name);
            assert_eq!(inside.folder.parent(), Some(folder.path()), "{name}");
        }
    }

    #[test]
    fn rubbish_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path(), "work");
        for file in ["outbox/x.json", "drafts/nonsense.md", "drafts/a.b.md", "last-channel"] {
            write_private(&folder.path().join("work").join(file), "rubbish").unwrap();
        }
        let kept = disk.load();
        assert!(kept.outbox.is_empty() && kept.drafts.is_empty() && kept.last.is_none());
    }
}
