//! Incoming webhooks and what they post (requirements F2, `reference` of the team: webhooks).

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::id::{ChannelId, MessageId, UserId, WebhookId};

/// An address at which another system posts into one channel, as those who manage it see it. Its token is shown once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "db", derive(sqlx::FromRow))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Webhook {
    /// Its id, the first part of its address.
    pub id: WebhookId,
    /// Where it posts.
    pub channel_id: ChannelId,
    /// The name its messages carry unless they bring their own.
    pub name: String,
    /// A path on this server, or nothing.
    pub avatar_url: Option<String>,
    /// Its messages may call `@channel` and `@here`.
    pub allow_broadcast: bool,
    /// Deliveries must carry a signature made with the shared secret (GitHub, Gitea) or the secret itself (GitLab).
    pub signed: bool,
    /// Who made it.
    pub created_by: UserId,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: OffsetDateTime,
    /// When something came in last.
    #[serde(with = "time::serde::rfc3339::option", default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub last_used_at: Option<OffsetDateTime>,
}

/// A new webhook.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreateWebhook {
    /// Where it posts; the caller must be in it.
    pub channel_id: ChannelId,
    /// The name its messages carry; 1 to 64 graphemes.
    pub name: String,
    /// A secret shared with the sender; deliveries without a good signature are refused then. 8 to 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_secret: Option<String>,
    /// Its messages may call `@channel` and `@here`.
    #[serde(default)]
    pub allow_broadcast: bool,
}

/// The answer to a new webhook or a new token for one. The address holds the secret and is not shown again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedWebhook {
    /// What was made.
    #[serde(flatten)]
    pub webhook: Webhook,
    /// `<public url>/hook/<id>/<token>`.
    pub url: String,
}

/// One thing that came in by a webhook, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "db", derive(sqlx::FromRow))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WebhookDelivery {
    /// The sender's own id of it, or ours.
    pub delivery_key: String,
    /// How it was read: `slack`, `github`, `raw`, ….
    pub dialect: String,
    /// The sender's word for what happened: `push`, `pull_request`; empty without.
    pub event: String,
    /// What became of it.
    pub status: DeliveryStatus,
    /// What the sender was answered.
    pub http_status: i16,
    /// The message it became.
    pub message_id: Option<MessageId>,
    /// Why it was not posted, in one sentence.
    pub detail: String,
    /// When it came.
    #[serde(with = "time::serde::rfc3339")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub received_at: OffsetDateTime,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "db", derive(sqlx::Type), sqlx(type_name = "text", rename_all = "snake_case"))]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum DeliveryStatus {
    /// It is a message now.
    Posted,
    /// Nothing worth a message (a ping, an event nobody asked for).
    Ignored,
    /// The sender did something wrong.
    Refused,
    /// We did.
    Failed,
}

/// What `metadata` of a message of kind webhook holds. `body_md` of the message says the same as plain Markdown, for search,
/// notifications and clients that know no cards; a client that draws cards shows `text_md` and `cards` instead of `body_md`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct WebhookMetadata {
    /// Which webhook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_id: Option<WebhookId>,
    /// The name this one message carries, if it brought its own. The author of the message on the wire has it already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// One emoji in place of the avatar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon_emoji: Option<String>,
    /// Markdown above the cards.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text_md: String,
    /// The cards, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cards: Vec<Card>,
}

/// A card: what Slack calls an attachment, and how we draw a push or a pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// How it went, drawn as the colour of the edge and said in words by `footer` or `text_md`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tone: Option<Tone>,
    /// Markdown before the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretext_md: Option<String>,
    /// A small line above the title: who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Link>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Link>,
    /// Markdown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text_md: String,
    /// Names and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// Links drawn as buttons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<Link>,
    /// A picture elsewhere, shown as a link only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Link>,
    /// A small line at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub footer: Option<String>,
    /// When it happened.
    #[serde(
        default,
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub at: Option<OffsetDateTime>,
}

/// A text, and where it leads: `http` or `https` only, checked when the message is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Plain text.
    pub text: String,
    /// Where it leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A name and a value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Plain text.
    pub name: String,
    /// Markdown.
    pub value_md: String,
    /// Two of these fit side by side.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub short: bool,
}

/// How something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// Well: merged, passed, resolved.
    Ok,
    /// Take care.
    Warn,
    /// Badly: failed, firing.
    Bad,
    /// News.
    Info,
}
