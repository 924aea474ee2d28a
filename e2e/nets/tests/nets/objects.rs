//! What paths name, and what takes its place when somebody asks for a thing that does not exist.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

/// One thing of each kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects {
    pub(crate) community: String,
    pub(crate) slug: String,
    pub(crate) channel: String,
    pub(crate) channel_name: String,
    pub(crate) message: String,
    /// A member of the community and of the channel.
    pub(crate) user: String,
    pub(crate) invite: String,
    pub(crate) session: String,
    pub(crate) attachment: String,
    pub(crate) webhook: String,
    /// Of a bot.
    pub(crate) token: String,
    /// Of a person.
    pub(crate) own_token: String,
    pub(crate) dm: String,
    pub(crate) dm_message: String,
}

/// Which of them are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// Everything.
    All,
    /// What is inside of a community that one belongs to.
    Inside,
}

impl Objects {
    /// The same with ids and names that nothing has.
    pub(crate) fn unknown(&self, which: Unknown) -> Self {
        let id = || Uuid::now_v7().to_string();
        let inside = Self {
            channel: id(),
            channel_name: unique("nothing"),
            message: id(),
            user: id(),
            invite: id(),
            session: id(),
            attachment: id(),
            webhook: id(),
            token: id(),
            own_token: id(),
            dm: id(),
            dm_message: id(),
            ..self.clone()
        };
        match which {
            Unknown::Inside => inside,
            Unknown::All => Self { community: id(), slug: unique("nowhere"), ..inside },
        }
    }

    /// A path with its parameters filled in; a parameter that nobody has heard of fails the test that meets it.
    pub(crate) fn fill(&self, path: &str) -> String {
        let mut before = "";
        let mut filled = Vec::new();
        for segment in path.split('/') {
            filled.push(match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => self.parameter(path, before, name),
                None => segment,
            });
            before = segment;
        }
        filled.join("/")
    }

    fn parameter(&self, path: &str, before: &str, name: &str) -> &str {
        match (before, name) {
            ("m", "message") if path.starts_with("/dm/") => &self.dm_message,
            ("communities", "id") => &self.community,
            ("c", "slug") => &self.slug,
            ("channels", "id" | "channel_id") => &self.channel,
            ("channels", "name") => &self.channel_name,
            ("messages" | "m", "id" | "message" | "message_id") => &self.message,
            ("users" | "members" | "people" | "bans", "id" | "user_id" | "person") => &self.user,
            ("invites", "invite_id") => &self.invite,
            ("sessions", "id" | "session_id") => &self.session,
            ("files", "id") => &self.attachment,
            ("webhooks" | "hook", "id" | "webhook" | "webhook_id") => &self.webhook,
            ("tokens", "id" | "token" | "token_id") => {
                if path.starts_with("/api/me/") {
                    &self.own_token
                } else {
                    &self.token
                }
            }
            ("dm" | "dms", "id") => &self.dm,
            ("reactions", "emoji") => "%F0%9F%8E%89",
            ("{id}", "name") => "note.txt",
            ("assets", "file") => "nothing.css",
            ("auth" | "callback", "provider") => "dev",
            ("invite", "code") => "aji_nothing",
            ("{id}", "token") => "ajw_nothing",
            ("{token}", "dialect") => "slack",
            _ => panic!("{path}: what is {name}? Say so in e2e/nets/tests/nets/objects.rs"),
        }
    }
}

/// A name that nothing has yet, short enough for a channel.
pub(crate) fn unique(what: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let run = Uuid::now_v7().simple().to_string();
    format!("{what}-{}-{number}", &run[26..])
}
