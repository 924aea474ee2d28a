//! Messages as a client knows them by events alone, to be compared with what it would read anew.

use std::collections::{BTreeMap, HashMap};

use ajet_shared::client::ApiClient;
use ajet_shared::events::Event;
use ajet_shared::id::{ChannelId, MessageId};
use ajet_shared::limits::PAGE_SIZE_MAX;
use ajet_shared::message::{Message, MessageKind};
use ajet_shared::page::{Page, PageQuery};
use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::rows::{DELETED, Row, Rows};

/// The newest messages, as many as may be asked for.
const PAGE: PageQuery =
    PageQuery { before: None, after: None, around: None, limit: Some(PAGE_SIZE_MAX) };
/// So many threads are read at a time.
const AT_ONCE: usize = 8;

/// Everything somebody said in some channels, by its id. What the system tells is left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model(BTreeMap<MessageId, Message>);

impl Model {
    /// Takes in what happened.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::MessageCreated(message) => self.insert(message.clone()),
            Event::MessageEdited(message) => {
                if let Some(known) = self.0.get_mut(&message.id) {
                    *known = as_all_see_it(message.clone());
                }
            }
            Event::MessageDeleted(deleted) => {
                if let Some(known) = self.0.get_mut(&deleted.message_id) {
                    known.deleted_at = Some(deleted.deleted_at);
                    known.body_md.clear();
                    known.reactions.clear();
                    known.mentions.clear();
                    known.attachments.clear();
                }
            }
            Event::ReactionAdded(change) | Event::ReactionRemoved(change) => {
                if let Some(known) = self.0.get_mut(&change.message_id) {
                    known.reactions.clone_from(&change.reactions);
                }
            }
            Event::ThreadUpdated(thread) => {
                if let Some(known) = self.0.get_mut(&thread.parent_id) {
                    known.reply_count = thread.reply_count;
                    known.last_reply_at = thread.last_reply_at;
                    known.participants.clone_from(&thread.participants);
                }
            }
            _ => {}
        }
    }

    /// The same as the api tells it now: all messages of these channels, and all replies to them.
    pub async fn read(client: &ApiClient, channels: &[ChannelId]) -> anyhow::Result<Self> {
        let mut model = Self::default();
        for channel in channels {
            let mut query = Some(PAGE);
            while let Some(page) = query {
                query = model.take(client.messages(*channel, page).await?);
            }
        }
        let answered = model.messages().filter(|message| message.reply_count > 0);
        let roots: Vec<MessageId> = answered.map(|root| root.id).collect();
        let mut threads = stream::iter(roots).map(|root| thread(client, root)).buffered(AT_ONCE);
        while let Some(replies) = threads.try_next().await? {
            for reply in replies {
                model.insert(reply);
            }
        }
        Ok(model)
    }

    /// Takes in a page; gives what asks for the one before.
    fn take(&mut self, page: Page<Message>) -> Option<PageQuery> {
        let older = before(&page);
        for message in page.items {
            self.insert(message);
        }
        older
    }

    fn insert(&mut self, message: Message) {
        if message.kind != MessageKind::System {
            self.0.insert(message.id, as_all_see_it(message));
        }
    }

    /// Every message.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.0.values()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: MessageId) -> Option<&Message> {
        self.0.get(&id)
    }

    /// What `name`, who knows this, has otherwise than `truth`.
    #[must_use]
    pub fn differences(&self, name: &str, truth: &Self) -> Vec<String> {
        let wrong = truth.0.iter().filter(|(id, message)| self.0.get(id) != Some(message));
        let wrong = wrong
            .map(|(id, message)| format!("{name} has {:?}, which is {message:?}", self.0.get(id)));
        let strange = self.0.keys().filter(|id| !truth.0.contains_key(id));
        wrong.chain(strange.map(|id| format!("{name} has {id}, which is not"))).collect()
    }
}

impl Model {
    /// What came since, by where each channel stood then; of those channels only.
    #[must_use]
    pub fn after(mut self, since: &HashMap<ChannelId, i64>) -> Self {
        self.0.retain(|_, message| {
            since.get(&message.channel_id).is_some_and(|newest| message.seq > *newest)
        });
        self
    }

    /// What the rows of the page of `name` say otherwise than this. Whom a message calls is drawn in words of its own, so the text of
    /// such a one is left out.
    #[must_use]
    pub fn differences_of_page(&self, name: &str, rows: &Rows) -> Vec<String> {
        let wrong = |(id, row): (MessageId, &Row)| {
            let message = self.0.get(&id)?;
            let mut wanted = row_of(message);
            if message.body_md.contains('@') {
                wanted.text.clone_from(&row.text);
            }
            (wanted != *row).then(|| format!("{name} shows {row:?}, which is {wanted:?}"))
        };
        rows.iter().filter_map(wrong).collect()
    }
}

/// A message of plain words as a page shows it.
fn row_of(message: &Message) -> Row {
    let is_there = message.deleted_at.is_none();
    let reactions = message.reactions.iter();
    Row {
        text: if is_there { message.body_md.clone() } else { DELETED.to_owned() },
        edited: is_there && message.edited_at.is_some(),
        reactions: reactions.map(|one| format!("{} {}", one.emoji, one.count)).collect(),
        thread: match message.reply_count {
            0 => String::new(),
            1 => "1 reply".to_owned(),
            many => format!("{many} replies"),
        },
    }
}

/// All replies to a message.
async fn thread(client: &ApiClient, root: MessageId) -> anyhow::Result<Vec<Message>> {
    let (mut replies, mut query) = (Vec::new(), Some(PAGE));
    while let Some(page) = query {
        let page = client.replies(root, page).await?;
        query = before(&page);
        replies.extend(page.items);
    }
    Ok(replies)
}

/// What asks for the page before this one.
fn before(page: &Page<Message>) -> Option<PageQuery> {
    page.prev.map(|older| PageQuery { before: Some(older), ..PAGE })
}

/// Without what depends on who asks.
fn as_all_see_it(mut message: Message) -> Message {
    message.client_msg_id = None;
    for reaction in &mut message.reactions {
        reaction.reacted_by_me = None;
    }
    message
}

#[cfg(test)]
mod tests {
    use ajet_shared::clock;
    use ajet_shared::events::{MessageDeleted, ReactionChanged};
    use ajet_shared::message::ReactionCount;
    use ajet_shared::user::{Author, UserKind};

    use super::*;

    fn message(body: &str) -> Message {
        let author = Author {
            id: ajet_shared::id::UserId::new(),
            username: "lena".into(),
            display_name: "Lena".into(),
            avatar_url: None,
            kind: UserKind::Human,
        };
        Message {
            id: MessageId::new(),
            channel_id: ChannelId::new(),
            seq: 7,
            parent_id: None,
            author,
            kind: MessageKind::Text,
            body_md: body.into(),
            created_at: clock::now(),
            edited_at: None,
            deleted_at: None,
            reply_count: 0,
            last_reply_at: None,
            participants: Vec::new(),
            reactions: Vec::new(),
            attachments: Vec::new(),
            mentions: Vec::new(),
            metadata: serde_json::Value::Null,
            client_msg_id: None,
        }
    }

    fn reacted(message: &Message, count: i64) -> Event {
        let reactions = vec![ReactionCount { emoji: "🚢".into(), count, reacted_by_me: None }];
        Event::ReactionAdded(ReactionChanged {
            message_id: message.id,
            user_id: message.author.id,
            emoji: "🚢".into(),
            count,
            reactions,
        })
    }

    #[test]
    fn a_model_that_missed_a_change_differs() {
        let (mut model, mut truth) = (Model::default(), Model::default());
        let one = message("one");
        let edited =
            Message { body_md: "two".into(), edited_at: Some(clock::now()), ..one.clone() };
        let deleted = Event::MessageDeleted(MessageDeleted {
            message_id: one.id,
            parent_id: None,
            message_seq: 7,
            author_id: one.author.id,
            deleted_at: clock::now(),
        });
        for event in [
            Event::MessageCreated(one.clone()),
            reacted(&one, 2),
            Event::MessageEdited(edited),
            deleted,
        ] {
            truth.apply(&event);
            assert_eq!(model.differences("she", &truth).len(), 1, "{event:?}");
            model.apply(&event);
            assert_eq!(model.differences("she", &truth), Vec::<String>::new());
        }
        assert_eq!(truth.differences("he", &Model::default()).len(), 1, "what is not there");
        let since = HashMap::from([(one.channel_id, 7)]);
        assert_eq!(truth.after(&since), Model::default());
    }

    #[test]
    fn a_row_that_missed_a_change_differs() {
        let (mut model, one) = (Model::default(), message("one"));
        model.apply(&Event::MessageCreated(one.clone()));
        let rows = |row: Row| Rows::from_iter([(one.id, row)]);
        let plain = Row { text: "one".into(), ..Row::default() };
        assert!(model.differences_of_page("she", &rows(plain.clone())).is_empty());
        model.apply(&reacted(&one, 2));
        assert_eq!(model.differences_of_page("she", &rows(plain.clone())).len(), 1);
        let right = Row { reactions: vec!["🚢 2".into()], ..plain };
        assert!(model.differences_of_page("she", &rows(right)).is_empty());
    }
}
