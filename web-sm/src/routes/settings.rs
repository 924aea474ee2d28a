//! A community's settings: what members may do, its webhooks and the tokens of its bots. For owners and admins; the api decides.

use std::collections::BTreeMap;

use ajet_shared::actions::Scope;
use ajet_shared::api_token::CreateToken;
use ajet_shared::clock;
use ajet_shared::community::{Role, UpdateCommunity};
use ajet_shared::http::Path;
use ajet_shared::id::{ApiTokenId, ChannelId, CommunityId, WebhookId};
use ajet_shared::page::PageQuery;
use ajet_shared::problem::Problem;
use ajet_shared::webhook::{CreateWebhook, CreatedWebhook};
use axum::extract::{Form, State};
use axum::http::Uri;
use axum::response::Response;
use serde::Deserialize;

use super::community::{community_id, world};
use crate::error::{PageError, RefusedForm, fragment};
use crate::state::{App, Caller};
use crate::view::render;
use crate::view::settings::{
    Choice, Created, DeliveriesPage, DeliveryRow, GeneralPage, Saved, ScopeChoice, TokenRows,
    TokensPage, WebhookRows, WebhooksPage,
};
use crate::view::shell::{Shell, View, World};

/// The community's settings, for those who may change them.
async fn settings(app: &App, caller: &Caller, slug: &str) -> Result<(World, CommunityId), Problem> {
    let world = world(app, caller, slug).await?;
    if world.community().is_none_or(|view| view.role < Role::Admin) {
        return Err(Problem::new(403, "forbidden", "Owners and admins change the settings"));
    }
    let id = community_id(&world)?;
    Ok((world, id))
}

/// `GET /c/{slug}/settings`.
pub(crate) async fn general(
    State(app): State<App>,
    uri: Uri,
    caller: Result<Caller, Problem>,
    path: Result<Path<String>, Problem>,
) -> Result<Response, PageError> {
    let failed = PageError::at(&uri);
    let (caller, Path(slug)) = (caller.map_err(failed)?, path.map_err(failed)?);
    let (world, id) = settings(&app, &caller, &slug).await.map_err(failed)?;
    let nonce = super::nonce();
    let page = GeneralPage {
        shell: Shell::new(&world, View::Main, "Settings", &nonce, 0),
        community_id: id,
        members_may_invite: world.community().is_some_and(|view| view.community.members_may_invite),
    };
    Ok(super::page(render(&page), &nonce))
}

/// The form of the general settings.
#[derive(Debug, Deserialize)]
pub(crate) struct General {
    /// A box that is not ticked sends nothing.
    #[serde(default)]
    members_may_invite: Option<String>,
}

/// `POST /communities/{id}/settings`.
pub(crate) async fn save_general(
    caller: Caller,
    Path(id): Path<CommunityId>,
    Form(form): Form<General>,
) -> Result<Response, RefusedForm> {
    let change = UpdateCommunity {
        members_may_invite: Some(form.members_may_invite.is_some()),
        ..UpdateCommunity::default()
    };
    let community = caller.api.update_community(id, &change).await?;
    Ok(fragment(render(&Saved { members_may_invite: community.members_may_invite })))
}

/// `GET /c/{slug}/settings/webhooks`.
pub(crate) async fn webhooks(
    State(app): State<App>,
    uri: Uri,
    caller: Result<Caller, Problem>,
    path: Result<Path<String>, Problem>,
) -> Result<Response, PageError> {
    let failed = PageError::at(&uri);
    let (caller, Path(slug)) = (caller.map_err(failed)?, path.map_err(failed)?);
    let (world, id) = settings(&app, &caller, &slug).await.map_err(failed)?;
    let (webhooks, channels) = tokio::try_join!(caller.api.webhooks(id), caller.api.channels(id))
        .map_err(|error| failed(error.into()))?;
    let nonce = super::nonce();
    let page = WebhooksPage {
        shell: Shell::new(&world, View::Main, "Webhooks", &nonce, 0),
        community_id: id,
        channels: Choice::of(&channels.items),
        rows: WebhookRows::new(id, &slug, &webhooks.items, &channels.items),
    };
    Ok(super::page(render(&page), &nonce))
}

/// `GET /c/{slug}/settings/webhooks/{id}`: the last things that came in.
pub(crate) async fn deliveries(
    State(app): State<App>,
    uri: Uri,
    caller: Result<Caller, Problem>,
    path: Result<Path<(String, WebhookId)>, Problem>,
) -> Result<Response, PageError> {
    let failed = PageError::at(&uri);
    let (caller, Path((slug, webhook_id))) = (caller.map_err(failed)?, path.map_err(failed)?);
    let (world, id) = settings(&app, &caller, &slug).await.map_err(failed)?;
    let (webhooks, deliveries) = tokio::try_join!(
        caller.api.webhooks(id),
        caller.api.webhook_deliveries(id, webhook_id, PageQuery::default())
    )
    .map_err(|error| failed(error.into()))?;
    let webhook = webhooks.items.iter().find(|webhook| webhook.id == webhook_id);
    let nonce = super::nonce();
    let page = DeliveriesPage {
        shell: Shell::new(&world, View::Main, "Deliveries", &nonce, 0),
        name: webhook.map_or("this webhook", |webhook| &webhook.name),
        rows: deliveries.items.iter().map(DeliveryRow::new).collect(),
    };
    Ok(super::page(render(&page), &nonce))
}

/// `GET /c/{slug}/settings/tokens`.
pub(crate) async fn tokens(
    State(app): State<App>,
    uri: Uri,
    caller: Result<Caller, Problem>,
    path: Result<Path<String>, Problem>,
) -> Result<Response, PageError> {
    let failed = PageError::at(&uri);
    let (caller, Path(slug)) = (caller.map_err(failed)?, path.map_err(failed)?);
    let (world, id) = settings(&app, &caller, &slug).await.map_err(failed)?;
    let tokens = caller.api.tokens(id).await.map_err(|error| failed(error.into()))?;
    let nonce = super::nonce();
    let page = TokensPage {
        shell: Shell::new(&world, View::Main, "Tokens", &nonce, 0),
        community_id: id,
        scopes: ScopeChoice::all(),
        days_max: TokensPage::DAYS_MAX,
        rows: TokenRows::new(id, &tokens.items, clock::now()),
    };
    Ok(super::page(render(&page), &nonce))
}

/// The form for a new webhook.
#[derive(Debug, Deserialize)]
pub(crate) struct NewWebhook {
    name: String,
    channel_id: ChannelId,
    #[serde(default)]
    signing_secret: String,
    #[serde(default)]
    allow_broadcast: Option<String>,
}

/// `POST /communities/{id}/webhooks`: shows the address, once.
pub(crate) async fn create_webhook(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<CommunityId>,
    Form(form): Form<NewWebhook>,
) -> Result<Response, RefusedForm> {
    let secret = form.signing_secret.trim();
    let new = CreateWebhook {
        channel_id: form.channel_id,
        name: form.name,
        signing_secret: (!secret.is_empty()).then(|| secret.to_owned()),
        allow_broadcast: form.allow_broadcast.is_some(),
    };
    let created = caller.api.create_webhook(id, &new).await?;
    reveal_webhook(&app, &caller, id, &created).await
}

/// `POST /communities/{id}/webhooks/{webhook}/rotate`: a new address, shown once.
pub(crate) async fn rotate_webhook(
    State(app): State<App>,
    caller: Caller,
    Path((id, webhook)): Path<(CommunityId, WebhookId)>,
) -> Result<Response, RefusedForm> {
    let created = caller.api.rotate_webhook(id, webhook).await?;
    reveal_webhook(&app, &caller, id, &created).await
}

/// `POST /communities/{id}/webhooks/{webhook}/revoke`.
pub(crate) async fn revoke_webhook(
    State(app): State<App>,
    caller: Caller,
    Path((id, webhook)): Path<(CommunityId, WebhookId)>,
) -> Result<Response, RefusedForm> {
    caller.api.revoke_webhook(id, webhook).await?;
    Ok(fragment(webhook_rows(&app, &caller, id).await?))
}

async fn reveal_webhook(
    app: &App,
    caller: &Caller,
    id: CommunityId,
    created: &CreatedWebhook,
) -> Result<Response, RefusedForm> {
    let reveal = Created {
        title: format!("{} is ready", created.webhook.name),
        secret: &created.url,
        example: format!(
            "curl -H 'Content-Type: application/json' -d '{{\"text\":\"hello\"}}' {}",
            created.url
        ),
    };
    Ok(fragment(render(&reveal) + &webhook_rows(app, caller, id).await?))
}

async fn webhook_rows(app: &App, caller: &Caller, id: CommunityId) -> Result<String, Problem> {
    let (webhooks, channels, sync) =
        tokio::try_join!(caller.api.webhooks(id), caller.api.channels(id), caller.api.sync())?;
    app.directory.learn_names([(sync.me.user.id, sync.me.user.username.as_str())]);
    let community = sync.communities.iter().find(|view| view.community.id == id);
    let slug = community.map_or("", |view| view.community.slug.as_str());
    Ok(render(&WebhookRows::new(id, slug, &webhooks.items, &channels.items)))
}

/// `POST /communities/{id}/tokens`: shows the secret, once.
pub(crate) async fn create_token(
    caller: Caller,
    Path(id): Path<CommunityId>,
    Form(mut fields): Form<BTreeMap<String, String>>,
) -> Result<Response, RefusedForm> {
    // Each scope that was ticked is a field of its own, called after it.
    let scopes: Vec<Scope> = fields.keys().filter_map(|name| name.parse().ok()).collect();
    if scopes.is_empty() {
        return Err(Problem::new(422, "validation", "Choose at least one scope").into());
    }
    let days = fields.get("days").map(|days| days.trim().parse::<i64>()).transpose();
    let expires_in_days = days
        .map_err(|_| Problem::new(422, "validation", "How many days it lasts is a whole number"))?;
    let name = fields.remove("name").unwrap_or_default();
    let new = CreateToken { name, scopes, expires_in_days };
    let created = caller.api.create_token(id, &new).await?;
    let reveal = Created {
        title: format!("The token of {} is ready", created.token.name),
        secret: &created.secret,
        example: format!(
            "curl -N -H 'Authorization: Bearer {}' {}/ws/tui/events",
            created.secret, "$AJET_SERVER"
        ),
    };
    Ok(fragment(render(&reveal) + &token_rows(&caller, id).await?))
}

/// `POST /communities/{id}/tokens/{token}/revoke`.
pub(crate) async fn revoke_token(
    caller: Caller,
    Path((id, token)): Path<(CommunityId, ApiTokenId)>,
) -> Result<Response, RefusedForm> {
    caller.api.revoke_token(id, token).await?;
    Ok(fragment(token_rows(&caller, id).await?))
}

async fn token_rows(caller: &Caller, id: CommunityId) -> Result<String, Problem> {
    Ok(render(&TokenRows::new(id, &caller.api.tokens(id).await?.items, clock::now())))
}
