//! Doing what `update` asks for: calls, files, the clipboard, the browser. The editor and suspending are `run`'s, which has the screen.

use ajet_shared::client::{ApiClient, Call, ClientError, Method};
use ajet_shared::command::RunCommand;
use ajet_shared::events::TypingState;
use ajet_shared::id::{ChannelId, MessageId};
use ajet_shared::message::{EditMessage, Message, PostMessage};
use ajet_shared::names::MessageBody;
use ajet_shared::page::{Page, PageQuery};
use ajet_shared::search::SearchRequest;
use serde::Serialize;
use tokio::sync::mpsc::UnboundedSender;

use super::disk::Disk;
use super::event::{Ask, Effect, Event, NOTIFICATIONS, Part, Reply};
use super::live::Live;
use super::places::Place;
use super::terminal_guard;
use super::writer::Writer;

/// Messages of a page.
const PAGE: u16 = 60;
/// People of a page.
const PEOPLE: u16 = 100;
/// Messages a search shows.
const HITS: u16 = 20;

/// Has the means.
#[derive(Debug)]
pub(crate) struct Doer {
    client: ApiClient,
    writer: Writer,
    sender: UnboundedSender<Event>,
    live: Option<Live>,
}

impl Doer {
    pub(crate) fn new(
        client: ApiClient,
        disk: Disk,
        sender: UnboundedSender<Event>,
    ) -> std::io::Result<Self> {
        let writer = Writer::start(disk, sender.clone())?;
        Ok(Self { client, writer, sender, live: None })
    }

    /// Does it, or gives back what only the loop can do.
    pub(crate) fn perform(&mut self, effect: Effect) -> Option<Effect> {
        match effect {
            Effect::Ask(ask) => self.ask(ask),
            Effect::Follow { cursor, guest } => match (&self.live, cursor) {
                (Some(live), _) => live.again(guest),
                (None, Some(cursor)) => {
                    self.live =
                        Some(Live::start(self.client.clone(), cursor, guest, self.sender.clone()));
                }
                (None, None) => {}
            },
            Effect::Reconnect => self.live.iter().for_each(Live::now),
            effect @ (Effect::Keep(_)
            | Effect::Forget(_)
            | Effect::Draft { .. }
            | Effect::Recall { .. }
            | Effect::Opened(_)) => self.writer.write(effect),
            Effect::Copy(text) => terminal_guard::copy(&text),
            Effect::Browse(address) => self.browse(&address),
            Effect::Bell => terminal_guard::bell(),
            effect @ (Effect::Editor(_)
            | Effect::Suspend
            | Effect::Redraw
            | Effect::Quit
            | Effect::NotSignedIn) => {
                return Some(effect);
            }
        }
        None
    }

    fn ask(&self, ask: Ask) {
        let (client, sender) = (self.client.clone(), self.sender.clone());
        // A message is on the disk before it goes out: should nobody be left to take the answer, it goes out again, under its key.
        let kept = matches!(ask, Ask::Post(_)).then(|| self.writer.reached());
        tokio::spawn(async move {
            if let Some(kept) = kept {
                let _ = kept.await;
            }
            let outcome = call(&client, &ask).await;
            let _ = sender.send(Event::Answer(ask, outcome));
        });
    }

    fn browse(&self, address: &str) {
        let opened =
            url::Url::parse(address).is_ok_and(|address| crate::commands::open_browser(&address));
        if !opened {
            let _ = self
                .sender
                .send(Event::Unkept("There is no browser here; y copies the link.".to_owned()));
        }
    }
}

async fn call(client: &ApiClient, ask: &Ask) -> Result<Reply, ClientError> {
    Ok(match ask {
        Ask::Sync => Reply::Sync(Box::new(client.sync().await?)),
        Ask::Channels(community) => Reply::Channels(client.channels(*community).await?.items),
        Ask::Members(community, after) => {
            let page = PageQuery { after: *after, limit: Some(PEOPLE), ..PageQuery::default() };
            Reply::Members(client.members(*community, page).await?)
        }
        Ask::Channel(id) => Reply::Channel(Box::new(client.channel(*id).await?)),
        Ask::Page(place, part) => Reply::Page(page(client, *place, *part).await?),
        Ask::Message(id) => Reply::Message(Box::new(client.message(*id).await?)),
        Ask::Commands(channel) => Reply::Commands(client.commands(*channel).await?.items),
        Ask::Notifications => {
            let page = PageQuery { limit: Some(NOTIFICATIONS), ..PageQuery::default() };
            Reply::Notifications(client.notifications(false, page).await?.items)
        }
        Ask::ReadNotifications(ids) => {
            client.read_notifications(ids.as_deref()).await?;
            Reply::Done
        }
        Ask::Post(entry) => {
            let message = PostMessage {
                body_md: body(&entry.body)?,
                client_msg_id: entry.client_msg_id,
                parent_id: entry.place.parent,
                attachment_ids: Vec::new(),
            };
            Reply::Message(Box::new(client.post_message(entry.place.channel, &message).await?))
        }
        Ask::Edit(id, text) => Reply::Message(Box::new(
            client.edit_message(*id, &EditMessage { body_md: body(text)? }).await?,
        )),
        Ask::React { message, emoji, add: true } => {
            Reply::Reactions(client.add_reaction(*message, emoji).await?)
        }
        Ask::React { message, emoji, add: false } => {
            Reply::Reactions(client.remove_reaction(*message, emoji).await?)
        }
        Ask::Read(channel, up_to) => Reply::Read(client.mark_read(*channel, *up_to).await?),
        Ask::Run { place, text, key } => {
            let command = RunCommand {
                channel_id: place.channel,
                text: text.clone(),
                client_msg_id: Some(*key),
                parent_id: place.parent,
            };
            Reply::Ran(Box::new(client.run_command(&command).await?))
        }
        Ask::Conversation(user) => {
            Reply::Channel(Box::new(client.open_direct_message(&[*user]).await?))
        }
        Ask::Join(channel) => Reply::Channel(Box::new(client.join_channel(*channel).await?)),
        Ask::Search { community, query } => {
            let request = SearchRequest {
                q: query.clone(),
                community_id: *community,
                limit: Some(HITS),
                ..SearchRequest::default()
            };
            Reply::Found(client.search(&request).await?.items)
        }
        Ask::Delete(id) => done(client.delete_message(*id).await)?,
        Ask::Leave(channel) => done(client.leave_channel(*channel).await)?,
        Ask::Typing { place, started } => done(typing(client, *place, *started).await)?,
        Ask::Heartbeat => done(client.heartbeat().await)?,
    })
}

fn done(outcome: Result<(), ClientError>) -> Result<Reply, ClientError> {
    outcome.map(|()| Reply::Done)
}

/// Checked before it was written; a limit that changed between two versions is told as the server would.
fn body(text: &str) -> Result<MessageBody, ClientError> {
    MessageBody::try_from(text.to_owned()).map_err(|error| ClientError::Setup(error.to_string()))
}

async fn page(client: &ApiClient, place: Place, part: Part) -> Result<Page<Message>, ClientError> {
    let mut query = PageQuery { limit: Some(PAGE), ..PageQuery::default() };
    match part {
        Part::Newest => {}
        Part::Before(id) => query.before = Some(id.uuid()),
        Part::After(id) => query.after = Some(id.uuid()),
        Part::Around(id) => query.around = Some(id.uuid()),
    }
    match place.parent {
        Some(parent) => client.replies(parent, query).await,
        None => client.messages(place.channel, query).await,
    }
}

async fn typing(client: &ApiClient, place: Place, started: bool) -> Result<(), ClientError> {
    #[derive(Serialize)]
    struct Typing {
        channel_id: ChannelId,
        state: TypingState,
        #[serde(skip_serializing_if = "Option::is_none")]
        parent_id: Option<MessageId>,
    }
    let state = if started { TypingState::Started } else { TypingState::Stopped };
    let typing = Typing { channel_id: place.channel, state, parent_id: place.parent };
    client.send(&Call::new(Method::POST, "/ws/tui/typing").json(&typing)).await?.ok().map(drop)
}
