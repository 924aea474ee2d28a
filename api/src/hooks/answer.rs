//! What the senders of deliveries are answered, to the byte (webhooks reference, section 4.2).

use ajet_shared::message::Message;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// How a sender wants to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// The two bytes `ok`: Alertmanager and Grafana compare them.
    Plain,
    /// JSON as Slack's API has it.
    Json,
    /// Nothing, 204: Discord without `wait`.
    Nothing,
    /// The message as Discord has it.
    Discord,
}

impl Style {
    /// Works out the style from the address and the headers. `discord` if the address is shaped like one of Discord's.
    pub(crate) fn of(discord: bool, query: Option<&str>, headers: &HeaderMap) -> Self {
        match (discord, waits(query)) {
            (true, Some(false) | None) => Self::Nothing,
            (true, Some(true)) => Self::Discord,
            (false, Some(true)) => Self::Json,
            (false, _) if wants_json(headers) => Self::Json,
            (false, _) => Self::Plain,
        }
    }

    /// For a body that turned out to be Discord's: who waits for JSON expects Discord's.
    pub(crate) const fn of_discord(self) -> Self {
        match self {
            Self::Json => Self::Discord,
            other => other,
        }
    }
}

/// `wait=true`, in any case: one client sends `True`.
fn waits(query: Option<&str>) -> Option<bool> {
    let value = query?.split('&').find_map(|pair| pair.strip_prefix("wait="))?;
    Some(value.eq_ignore_ascii_case("true") || value == "1")
}

/// JSON is asked for and nothing else would do as well: many clients name it by habit, before `*/*`.
fn wants_json(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = accepted
        .flat_map(|value| value.split(','))
        .map(|kind| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let (mut json, mut other) = (false, false);
    types.by_ref().for_each(|kind| match kind.as_str() {
        "application/json" => json = true,
        "*/*" | "text/*" | "text/plain" => other = true,
        _ => {}
    });
    json && !other
}

/// It is a message now.
pub(crate) fn posted(style: Style, message: &Message) -> Response {
    match style {
        Style::Plain => ok(),
        Style::Nothing => StatusCode::NO_CONTENT.into_response(),
        Style::Json => axum::Json(json!({
            "ok": true,
            "ts": ts(message),
            "channel": message.channel_id,
            "message": { "id": message.id, "text": message.body_md, "username": message.author.display_name },
        }))
        .into_response(),
        Style::Discord => axum::Json(discord(message)).into_response(),
    }
}

/// It was understood, and is nothing to post.
pub(crate) fn ignored(style: Style) -> Response {
    match style {
        Style::Plain => ok(),
        Style::Nothing => StatusCode::NO_CONTENT.into_response(),
        Style::Json | Style::Discord => axum::Json(json!({ "ok": true })).into_response(),
    }
}

fn ok() -> Response {
    text(StatusCode::OK, "ok")
}

/// A plain text, as every refusal is.
fn text(status: StatusCode, body: &'static str) -> Response {
    // Without a charset: what is compared begins with these bytes and ends with them.
    let kind = HeaderValue::from_static("text/plain");
    (status, [(header::CONTENT_TYPE, kind)], body).into_response()
}

/// A message's time as Slack names it, `<seconds>.<6 digits>`: sortable, and one's own.
fn ts(message: &Message) -> String {
    let nanos = message.created_at.unix_timestamp_nanos();
    format!("{}.{:06}", nanos / 1_000_000_000, nanos / 1_000 % 1_000_000)
}

fn discord(message: &Message) -> Value {
    json!({
        "id": message.id,
        "type": 0,
        "content": message.body_md,
        "channel_id": message.channel_id,
        "webhook_id": message.metadata["webhook_id"],
        "author": {
            "id": message.author.id,
            "username": message.author.display_name,
            "discriminator": "0000",
            "avatar": null,
            "bot": true,
        },
        "timestamp": time_of(message),
        "edited_timestamp": null,
        "attachments": [],
        "embeds": [],
        "components": [],
        "mentions": [],
        "mention_roles": [],
        "mention_everyone": false,
        "pinned": false,
        "tts": false,
        "flags": 0,
    })
}

fn time_of(message: &Message) -> Option<String> {
    message.created_at.format(&time::format_description::well_known::Rfc3339).ok()
}

/// Why a delivery is not taken. The texts are those that senders know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No such webhook, a wrong token, or revoked: all the same to the byte.
    NoService,
    /// The body cannot be read.
    InvalidPayload,
    /// Nothing to post.
    NoText,
    /// Too many attachments.
    TooManyAttachments,
    /// More than a mebibyte.
    TooLarge,
    /// The channel only reads.
    Archived,
    /// Not signed, though it must be.
    Unsigned,
    /// Signed by somebody who does not know the secret.
    BadSignature,
    /// Comes under a word of authority.
    Imitation,
    /// It cannot be taken right now.
    Unavailable,
    /// Our fault.
    Internal,
}

impl Refused {
    /// The status.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::NoService => StatusCode::NOT_FOUND,
            Self::InvalidPayload | Self::NoText | Self::TooManyAttachments => {
                StatusCode::BAD_REQUEST
            }
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Archived => StatusCode::GONE,
            Self::Unsigned => StatusCode::UNAUTHORIZED,
            Self::BadSignature => StatusCode::FORBIDDEN,
            Self::Imitation => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The text of the answer.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::NoService => "no_service",
            Self::InvalidPayload => "invalid_payload",
            Self::NoText => "no_text",
            Self::TooManyAttachments => "too_many_attachments",
            Self::TooLarge => "too_large",
            Self::Archived => "channel_is_archived",
            Self::Unsigned => "signature_missing",
            Self::BadSignature => "signature_invalid",
            Self::Imitation => "invalid_username",
            Self::Unavailable => "service_unavailable",
            Self::Internal => "internal_error",
        }
    }

    /// The same for those who look after the webhook.
    pub(crate) const fn detail(self) -> &'static str {
        match self {
            Self::NoService => "There is no such webhook.",
            Self::InvalidPayload => "The body cannot be read.",
            Self::NoText => "There is no text in it.",
            Self::TooManyAttachments => "It has more than 100 attachments.",
            Self::TooLarge => "It is larger than 1 MiB.",
            Self::Archived => "The channel is archived.",
            Self::Unsigned => "It is not signed; give the sender the webhook's secret.",
            Self::BadSignature => {
                "Its signature does not fit; the sender has another secret than the webhook."
            }
            Self::Imitation => {
                "It comes under a name that is too much like a word of authority: admin, system, …"
            }
            Self::Unavailable => "The server could not take it just then.",
            Self::Internal => "The server failed.",
        }
    }

    /// We could not, rather than the sender did wrong.
    pub(crate) const fn is_ours(self) -> bool {
        matches!(self, Self::Unavailable | Self::Internal)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = text(self.status(), self.code());
        if self == Self::Unavailable {
            response.headers_mut().insert(
                header::RETRY_AFTER,
                HeaderValue::from(ajet_shared::limits::RETRY_AFTER_SECONDS),
            );
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(discord: bool, query: Option<&str>, accept: &'static str) -> Style {
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))]);
        Style::of(discord, query, &headers)
    }

    #[test]
    fn each_sender_gets_the_answer_it_understands() {
        assert_eq!(style(false, None, "*/*"), Style::Plain, "curl, Alertmanager");
        assert_eq!(style(false, None, "application/json, text/plain, */*"), Style::Plain, "axios");
        assert_eq!(style(false, None, "application/json"), Style::Json);
        assert_eq!(style(false, Some("wait=True"), "*/*"), Style::Json, "discord-webhook");
        assert_eq!(style(true, None, "*/*"), Style::Nothing);
        assert_eq!(style(true, Some("thread_id=1&wait=true"), "*/*"), Style::Discord);
        assert_eq!(style(true, Some("wait=false"), "application/json"), Style::Nothing);
    }
}
