//! A command at work: what it was given, looked up, and where it acts.

use ajet_shared::actions::DenyReason;
use ajet_shared::channel::Channel;
use ajet_shared::command::{CommandAnswer, RunCommand};
use ajet_shared::community::Member as CommunityMember;
use ajet_shared::db::authz::Access;
use ajet_shared::db::{channels, community_members};
use ajet_shared::id::{ChannelId, ClientMessageId, CommunityId};
use ajet_shared::names::{ChannelName, Username};
use ajet_shared::problem::Problem;
use axum::http::StatusCode;
use uuid::Uuid;

use super::parse::{Value, Values};
use super::registry::Command;
use crate::auth::{Caller, Member, Tx};
use crate::error::{ApiError, ApiResult};
use crate::idempotency::IdempotencyKey;
use crate::state::AppState;

/// What the keys of lines are for.
const ROUTE: &str = "POST /api/commands";
/// Characters of a name that an answer repeats.
const SHOWN_NAME_MAX: usize = 40;

/// One line at work.
pub(super) struct Run<'a> {
    pub(super) state: &'a AppState,
    pub(super) caller: &'a Caller,
    /// Where it was typed.
    pub(super) place: &'a Access,
    /// What was typed, and where.
    pub(super) request: &'a RunCommand,
    /// Makes what it posts safe to repeat.
    pub(super) client_msg_id: ClientMessageId,
    pub(super) command: &'static Command,
    pub(super) values: Values,
}

impl Run<'_> {
    /// The community it was typed in.
    pub(super) fn community(&self) -> ApiResult<CommunityId> {
        self.place.channel.community_id.ok_or(ApiError::Denied(DenyReason::DirectMessage))
    }

    /// What this very line was answered before, if its client says that it is the same. What makes something asks this first, in the
    /// transaction in which it then [keeps](Self::keep) its answer.
    pub(super) async fn answered(&self, tx: &mut Tx) -> ApiResult<Option<CommandAnswer>> {
        let known = self.once().known(tx, self.caller, self.request).await?;
        let answer = known.map(|(_, answer)| serde_json::from_value(answer)).transpose();
        answer.map_err(|error| ApiError::Internal(error.into()))
    }

    /// Keeps an answer for repetitions; one that holds a secret is not shown again.
    pub(super) async fn keep(&self, tx: &mut Tx, answer: &CommandAnswer) -> ApiResult<()> {
        let kept = (!answer.secret).then(|| serde_json::to_value(answer)).transpose();
        let kept = kept.map_err(|error| ApiError::Internal(error.into()))?;
        self.once().keep(tx, self.caller, StatusCode::OK, kept).await
    }

    fn once(&self) -> IdempotencyKey {
        IdempotencyKey::of(self.request.client_msg_id.map(ClientMessageId::uuid), ROUTE)
    }

    /// The caller, about to act on the channel it was typed in.
    pub(super) fn here(&self) -> Member {
        self.on(self.place.channel.id)
    }

    /// The caller, about to act on a channel.
    pub(super) fn on(&self, channel_id: ChannelId) -> Member {
        Member::of(self.caller.clone(), channel_id)
    }

    fn value(&self, name: &str) -> Option<&Value> {
        let place = self.command.arguments.iter().position(|argument| argument.name == name)?;
        self.values.get(place)?.as_ref()
    }

    /// A text or word, if it was given.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.value(name)? {
            Value::Text(text) | Value::Word(text) => Some(text),
            _ => None,
        }
    }

    /// A text or word that the command cannot do without.
    pub(super) fn the_text(&self, name: &str) -> ApiResult<&str> {
        self.text(name).ok_or_else(|| self.missing(name))
    }

    /// A number, if it was given.
    pub(super) fn number(&self, name: &str) -> Option<u32> {
        match self.value(name)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Seconds, if they were given.
    pub(super) fn seconds(&self, name: &str) -> Option<i64> {
        match self.value(name)? {
            Value::Span(seconds) => Some(*seconds),
            _ => None,
        }
    }

    /// An id that the command cannot do without.
    pub(super) fn the_id(&self, name: &str) -> ApiResult<Uuid> {
        match self.value(name) {
            Some(Value::Id(id)) => Ok(*id),
            _ => Err(self.missing(name)),
        }
    }

    /// The handle that was given, if it can be one at all.
    pub(super) fn handle(&self, name: &str) -> ApiResult<Option<Username>> {
        match self.value(name) {
            Some(Value::Person(handle)) => handle.parse().map(Some).map_err(|_| nobody(handle)),
            _ => Ok(None),
        }
    }

    /// Somebody of this community, if they were named. Who is not in it does not exist here (A96).
    pub(super) async fn person(&self, name: &str) -> ApiResult<Option<CommunityMember>> {
        let Some(handle) = self.handle(name)? else { return Ok(None) };
        let community_id = self.community()?;
        let mut conn = self.state.db.acquire().await?;
        community_members::find_by_username(&mut conn, community_id, handle.as_str())
            .await?
            .map(Some)
            .ok_or_else(|| nobody(handle.as_str()))
    }

    /// Somebody that the command cannot do without.
    pub(super) async fn the_person(&self, name: &str) -> ApiResult<CommunityMember> {
        self.person(name).await?.ok_or_else(|| self.missing(name))
    }

    /// A channel of this community, if it was named. One the caller may not know of does not exist (A48).
    pub(super) async fn channel(&self, name: &str) -> ApiResult<Option<Channel>> {
        let Some(Value::Channel(typed)) = self.value(name) else { return Ok(None) };
        let channel_name: ChannelName = typed.parse().map_err(|_| no_channel(typed))?;
        let community_id = self.community()?;
        let mut conn = self.state.db.acquire().await?;
        channels::find_by_name(&mut conn, self.caller.user_id(), community_id, &channel_name)
            .await?
            .map(Some)
            .ok_or_else(|| no_channel(channel_name.as_str()))
    }

    /// A channel that the command cannot do without.
    pub(super) async fn the_channel(&self, name: &str) -> ApiResult<Channel> {
        self.channel(name).await?.ok_or_else(|| self.missing(name))
    }

    /// The channel that was named, or the one it was typed in.
    pub(super) async fn channel_or_here(&self, name: &str) -> ApiResult<Channel> {
        Ok(self.channel(name).await?.unwrap_or_else(|| self.place.channel.clone()))
    }

    /// What was given makes no sense together.
    pub(super) fn refuse(&self, detail: &str) -> ApiError {
        super::usage(self.command, detail).into()
    }

    fn missing(&self, name: &str) -> ApiError {
        self.refuse(&crate::error::sentence(&format!("{name} is missing")))
    }
}

/// The same for a name nobody has and for somebody the caller shares nothing with.
pub(super) fn nobody(handle: &str) -> ApiError {
    not_found(format!("There is nobody called @{} here.", shown(handle)))
}

fn no_channel(name: &str) -> ApiError {
    not_found(format!("There is no channel #{} here.", shown(name)))
}

fn not_found(detail: String) -> ApiError {
    Problem::not_found().with_detail(detail).into()
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(SHOWN_NAME_MAX).collect()
}
