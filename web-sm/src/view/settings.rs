//! The settings of a community: what members may do, its webhooks and the tokens of its bots, the same as `/webhook` and `/token`.

use std::collections::HashMap;

use ajet_shared::actions::Scope;
use ajet_shared::api_token::{ApiToken, LIFE_MAX_DAYS};
use ajet_shared::channel::{ChannelKind, ChannelView};
use ajet_shared::hue::hue;
use ajet_shared::id::{ApiTokenId, ChannelId, CommunityId, WebhookId};
use ajet_shared::webhook::{DeliveryStatus, Webhook, WebhookDelivery};
use askama::Template;
use time::OffsetDateTime;

use super::message::Time;
use super::names::{initials, plural};
use super::shell::Shell;
use super::{filters, fragments, times};

/// `GET /c/{slug}/settings`.
#[derive(Template)]
#[template(path = "pages/general.html")]
pub(crate) struct GeneralPage<'a> {
    pub(crate) shell: Shell<'a>,
    pub(crate) community_id: CommunityId,
    pub(crate) members_may_invite: bool,
}

/// `#saved`: what holds now.
#[derive(Template)]
#[template(path = "fragments/saved.html")]
pub(crate) struct Saved {
    pub(crate) members_may_invite: bool,
}

/// `GET /c/{slug}/settings/webhooks`.
#[derive(Template)]
#[template(path = "pages/webhooks.html")]
pub(crate) struct WebhooksPage<'a> {
    pub(crate) shell: Shell<'a>,
    pub(crate) community_id: CommunityId,
    /// Where a webhook may post.
    pub(crate) channels: Vec<Choice>,
    pub(crate) rows: WebhookRows,
}

/// A channel to choose.
pub(crate) struct Choice {
    id: ChannelId,
    name: String,
}

/// `#webhook-table`.
#[derive(Template)]
#[template(path = "fragments/webhook-rows.html")]
pub(crate) struct WebhookRows {
    community_id: CommunityId,
    rows: Vec<WebhookRow>,
}

/// One webhook.
struct WebhookRow {
    id: WebhookId,
    hue: u8,
    initials: String,
    name: String,
    channel: String,
    last: Option<Moment>,
    signed: bool,
    /// Where its deliveries are listed.
    href: String,
}

/// `GET /c/{slug}/settings/webhooks/{id}`: what came in.
#[derive(Template)]
#[template(path = "pages/deliveries.html")]
pub(crate) struct DeliveriesPage<'a> {
    pub(crate) shell: Shell<'a>,
    pub(crate) name: &'a str,
    pub(crate) rows: Vec<DeliveryRow>,
}

/// One delivery.
pub(crate) struct DeliveryRow {
    at: Moment,
    dialect: String,
    event: String,
    class: &'static str,
    status: &'static str,
    http_status: i16,
    detail: String,
    message: Option<String>,
}

/// `GET /c/{slug}/settings/tokens`.
#[derive(Template)]
#[template(path = "pages/tokens.html")]
pub(crate) struct TokensPage<'a> {
    pub(crate) shell: Shell<'a>,
    pub(crate) community_id: CommunityId,
    pub(crate) scopes: Vec<ScopeChoice>,
    pub(crate) days_max: i64,
    pub(crate) rows: TokenRows,
}

/// A scope to choose.
pub(crate) struct ScopeChoice {
    name: &'static str,
    chosen: bool,
}

/// `#token-table`.
#[derive(Template)]
#[template(path = "fragments/token-rows.html")]
pub(crate) struct TokenRows {
    community_id: CommunityId,
    rows: Vec<TokenRow>,
}

/// One token.
struct TokenRow {
    id: ApiTokenId,
    name: String,
    prefix: String,
    scopes: Vec<&'static str>,
    last: Option<Moment>,
    expires: String,
    class: &'static str,
}

/// What was made, shown once, with its secret.
#[derive(Template)]
#[template(path = "fragments/created.html")]
pub(crate) struct Created<'a> {
    pub(crate) title: String,
    pub(crate) secret: &'a str,
    /// How to try it, as a command.
    pub(crate) example: String,
}

/// A point in time: for machines, and in full.
struct Moment {
    iso: String,
    full: String,
}

fragments!(WebhookRows, TokenRows, Created<'_>, Saved);

impl Choice {
    /// The channels of a community that a webhook may post to: those the reader is in, which take messages.
    pub(crate) fn of(channels: &[ChannelView]) -> Vec<Self> {
        let open = channels.iter().filter(|view| {
            view.joined
                && view.channel.archived_at.is_none()
                && view.channel.kind == ChannelKind::Text
        });
        open.map(|view| Self { id: view.channel.id, name: name_of(view) }).collect()
    }
}

impl WebhookRows {
    /// The webhooks of the community with this slug.
    pub(crate) fn new(
        community_id: CommunityId,
        slug: &str,
        webhooks: &[Webhook],
        channels: &[ChannelView],
    ) -> Self {
        let names: HashMap<_, _> =
            channels.iter().map(|view| (view.channel.id, name_of(view))).collect();
        let row = |webhook: &Webhook| WebhookRow {
            id: webhook.id,
            hue: hue(webhook.id),
            initials: initials(&webhook.name),
            name: webhook.name.clone(),
            channel: names.get(&webhook.channel_id).cloned().unwrap_or_default(),
            last: webhook.last_used_at.map(Moment::of),
            signed: webhook.signed,
            href: crate::urls::deliveries(slug, webhook.id),
        };
        Self { community_id, rows: webhooks.iter().map(row).collect() }
    }
}

impl DeliveryRow {
    /// One thing that came in.
    pub(crate) fn new(delivery: &WebhookDelivery) -> Self {
        let (class, status) = match delivery.status {
            DeliveryStatus::Posted => (" ok", "posted"),
            DeliveryStatus::Ignored => ("", "ignored"),
            DeliveryStatus::Refused => (" warn", "refused"),
            DeliveryStatus::Failed => (" bad", "failed"),
        };
        Self {
            at: Moment::of(delivery.received_at),
            dialect: delivery.dialect.clone(),
            event: delivery.event.clone(),
            class,
            status,
            http_status: delivery.http_status,
            detail: delivery.detail.clone(),
            message: delivery.message_id.map(|id| format!("/m/{id}")),
        }
    }
}

impl ScopeChoice {
    /// Every scope; reading and writing messages are chosen.
    pub(crate) fn all() -> Vec<Self> {
        let choice = |scope: Scope| Self {
            name: scope.as_str(),
            chosen: matches!(scope, Scope::MessagesRead | Scope::MessagesWrite),
        };
        Scope::ALL.into_iter().map(choice).collect()
    }
}

impl TokenRows {
    /// The tokens of a community's bots.
    pub(crate) fn new(community_id: CommunityId, tokens: &[ApiToken], now: OffsetDateTime) -> Self {
        let row = |token: &ApiToken| {
            let left = token.expires_at - now;
            let (class, expires) = if left.is_negative() {
                (" bad", "expired".to_owned())
            } else if left.whole_days() < 7 {
                (" warn", format!("in {}", plural(left.whole_days() + 1, "day", "days")))
            } else {
                ("", format!("in {}", plural(left.whole_days(), "day", "days")))
            };
            TokenRow {
                id: token.id,
                name: token.name.clone(),
                prefix: token.prefix.clone(),
                scopes: token.scopes.iter().map(|scope| scope.as_str()).collect(),
                last: token.last_used_at.map(Moment::of),
                expires,
                class,
            }
        };
        Self { community_id, rows: tokens.iter().map(row).collect() }
    }
}

impl TokensPage<'_> {
    /// Longest life of a token, in days.
    pub(crate) const DAYS_MAX: i64 = LIFE_MAX_DAYS;
}

impl Moment {
    fn of(at: OffsetDateTime) -> Self {
        Self { iso: Time::of(at).iso, full: times::full(at) }
    }
}

fn name_of(view: &ChannelView) -> String {
    view.channel.name.clone().unwrap_or_default()
}
