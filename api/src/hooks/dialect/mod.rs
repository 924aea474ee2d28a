//! What other systems send, read as what we post (reference of the team: webhooks, section 4). Pure: bytes in, a reading out.
//!
//! A body is decoded ([`body`]), its dialect found, and one module for each family makes text and cards of it. Whatever comes in, the
//! answer is a [`Reading`] or a [`Refusal`]; nothing here panics, and the work is bounded by the size of the body.
//!
//! Everything in a `Said` is Markdown of ours or plain text without control characters, and each address in it is `http` or `https`.
//! `@channel` and `@here` stand in it as the sender wrote them (`<!channel>` becomes `@channel`): whether they call anybody is decided by
//! the caller, who knows the webhook's `allow_broadcast`.

mod alerts;
mod attachments;
mod blocks;
mod body;
mod detect;
mod discord;
mod emoji;
mod escape;
mod forge;
mod gitea;
mod github;
mod gitlab;
mod json;
mod mrkdwn;
mod raw;
mod said;
mod signed;
mod slack;

use axum::http::HeaderMap;

pub(crate) use said::Said;

/// A delivery as it came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming<'a> {
    /// What the address said: a suffix (`/github`), or the shape of an alias (`/hooks/<one>` is Mattermost).
    pub(crate) hint: Option<Dialect>,
    /// Its headers.
    pub(crate) headers: &'a HeaderMap,
    /// What stood after the `?`; `dialect=gitea` there is as good as a suffix.
    pub(crate) query: Option<&'a str>,
    /// The raw body.
    pub(crate) body: &'a [u8],
}

/// How a delivery is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// Slack's fields, attachments, blocks and mrkdwn.
    Slack,
    /// Slack's fields, but text is `CommonMark` already.
    Mattermost,
    /// Slack's fields, with Markdown links besides mrkdwn.
    RocketChat,
    /// `content` and `embeds`.
    Discord,
    /// Events of GitHub.
    Github,
    /// Events of Gitea and Forgejo.
    Gitea,
    /// Events of GitLab.
    Gitlab,
    /// Alerts of Prometheus.
    Alertmanager,
    /// Alerts of Grafana.
    Grafana,
    /// A text, Markdown as people write it.
    Text,
    /// Anything else.
    Raw,
}

impl Dialect {
    /// As deliveries are logged, and as the address names it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Mattermost => "mattermost",
            Self::RocketChat => "rocketchat",
            Self::Discord => "discord",
            Self::Github => "github",
            Self::Gitea => "gitea",
            Self::Gitlab => "gitlab",
            Self::Alertmanager => "alertmanager",
            Self::Grafana => "grafana",
            Self::Text => "text",
            Self::Raw => "raw",
        }
    }

    /// What it says is written by whoever pushes, comments or opens an issue there: people with other names than here.
    pub(crate) const fn is_forge(self) -> bool {
        matches!(self, Self::Github | Self::Gitea | Self::Gitlab)
    }

    /// The dialect an address asks for by its last segment; none for a word that is no dialect.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "slack" => Self::Slack,
            "mattermost" => Self::Mattermost,
            "rocketchat" => Self::RocketChat,
            "discord" => Self::Discord,
            "github" => Self::Github,
            "gitea" | "forgejo" => Self::Gitea,
            "gitlab" => Self::Gitlab,
            "alertmanager" => Self::Alertmanager,
            "grafana" => Self::Grafana,
            "text" => Self::Text,
            "raw" => Self::Raw,
            _ => return None,
        })
    }
}

/// A delivery, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// How it was read.
    pub(crate) dialect: Dialect,
    /// The sender's word for what happened; empty without. Letters, digits and `_-.: `, at most 64.
    pub(crate) event: String,
    /// The sender's own id of the delivery, the same when it tries again; at most 200 visible ASCII characters.
    pub(crate) delivery_key: Option<String>,
    /// What it brought to prove who sent it.
    pub(crate) signed: Signed,
    /// What to do with it.
    pub(crate) outcome: Outcome,
}

/// What the sender presented. Nothing of it is checked here.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Signed {
    /// Nothing, or an empty signature (Gitea without a secret).
    Nothing,
    /// HMAC-SHA256 with the shared secret.
    Hmac {
        /// As the sender wrote it, without `sha256=`.
        hex: String,
        /// What it was made over.
        over: Vec<u8>,
    },
    /// The shared secret itself (GitLab).
    Secret(String),
}

impl std::fmt::Debug for Signed {
    /// Without the secret: readings are logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Hmac { .. } => "Hmac",
            Self::Secret(_) => "Secret",
        })
    }
}

/// What to do with a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Post this.
    Post(Box<Said>),
    /// Nothing worth a message, and why in one sentence.
    Ignore(String),
}

/// Why a delivery cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Not what its content type says, too deep, or a known field of a wrong type.
    #[error("The body cannot be read.")]
    InvalidPayload,
    /// Nothing to post in it.
    #[error("There is no text in it.")]
    NoText,
    /// More than a hundred attachments.
    #[error("It has more than 100 attachments.")]
    TooManyAttachments,
}

/// Reads a delivery.
pub(crate) fn read(incoming: &Incoming<'_>) -> Result<Reading, Refusal> {
    let body = body::decode(incoming.headers, incoming.body)?;
    let found = detect::detect(incoming, &body);
    let outcome = match found.dialect {
        Dialect::Slack | Dialect::Mattermost | Dialect::RocketChat => {
            slack::read(&body.value, found.dialect).map(post)
        }
        Dialect::Discord => discord::read(&body.value, &body.files).map(post),
        Dialect::Github => github::read(&found.event, &body.value),
        Dialect::Gitea => gitea::read(&found.event, &body.value),
        Dialect::Gitlab => gitlab::read(&found.event, &body.value),
        Dialect::Alertmanager | Dialect::Grafana => alerts::read(&body.value).map(post),
        Dialect::Text | Dialect::Raw => raw::read(&body).map(post),
    }?;
    Ok(Reading {
        dialect: found.dialect,
        event: found.event,
        delivery_key: detect::delivery_key(incoming.headers),
        signed: signed::signed(incoming, &body),
        outcome,
    })
}

fn post(said: Said) -> Outcome {
    Outcome::Post(Box::new(said))
}

#[cfg(test)]
mod tests;
