//! The web session manager: pages for browsers and the stream that keeps them up to date.
//!
//! It reads through the api with the reader's own token and hears what happens from the hub; it has no database and keeps no state
//! that a page could not bring back.
//!
//! - `load` reads what a page shows, `who` the people on it, `view` draws it, `routes` is what browsers ask for
//! - `renderer` draws events for all readers at once, `viewer` what of them is personal, `frames` writes both down

mod assets;
mod config;
mod error;
#[cfg(test)]
mod fixtures;
mod frames;
mod kept;
mod load;
mod renderer;
mod routes;
mod state;
mod urls;
mod view;
mod viewer;
mod who;

use std::sync::Arc;
use std::time::Duration;

use ajet_shared::bus::Bus;
use ajet_shared::client::ApiClient;
use ajet_shared::http::{
    Class, Edge, Health, Route, RouteTable, bind, edge_only, health_routes, serve, trace,
    unready_first,
};
use ajet_shared::hub::Hub;
use ajet_shared::limits::JSON_BODY_MAX_BYTES;
use anyhow::Context as _;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio_util::sync::CancellationToken;
use tower_http::compression::CompressionLayer;

pub use config::Config;

use renderer::WebRenderer;
use routes::{
    actions, activity, channel, commands, community, history, home, people, send, settings, stream,
};
use state::App;
use view::names::Directory;

/// How long a page waits for the api. Source: the issue, "a dependency that is down gives 503 within 3 s".
const API_PATIENCE: Duration = Duration::from_secs(3);

/// Serves until `shutdown`, then lets its streams end over a few seconds.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    config.check()?;
    let health = Health::default();
    let api = ApiClient::new(config.api_upstreams.clone(), Some(config.edge_secret.clone()))
        .context("AJET_API_UPSTREAMS")?
        .with_timeout(API_PATIENCE);
    let bus = Bus::connect(config.nats_url.expose(), "web-sm").await.context("AJET_NATS_URL")?;
    let directory = Arc::new(Directory::default());
    let shutdown = unready_first(&health, None, shutdown);
    let hub = Hub::start(
        bus.clone(),
        WebRenderer { directory: directory.clone() },
        config.hub,
        health.clone(),
        shutdown.clone(),
    );
    let app = App {
        api,
        hub,
        directory,
        acquainted: Arc::default(),
        callers: Arc::default(),
        kept: Arc::default(),
    };
    let listener = bind(config.listen).await?;
    tracing::info!(address = %config.listen, public_url = %config.public_url, "listening");
    let router = router(app, Edge::new(config.edge_secret), health.clone());
    serve(listener, router, health, shutdown).await;
    bus.drain().await;
    Ok(())
}

/// Every route of this service, for the nets.
#[must_use]
pub fn routes() -> Vec<Route> {
    table().into_routes()
}

/// What browsers may ask for, and who may ask.
fn table() -> RouteTable<App> {
    RouteTable::default()
        .get("/", Class::SignedIn, home::home)
        .get("/c/{slug}", Class::CommunityRead, channel::community)
        .get("/c/{slug}/browse", Class::CommunityRead, community::browse)
        .get("/c/{slug}/new-channel", Class::CommunityRead, community::new_channel)
        .get("/c/{slug}/invite", Class::CommunityAdmin, community::invite)
        .get("/c/{slug}/settings", Class::CommunityAdmin, settings::general)
        .get("/c/{slug}/settings/webhooks", Class::CommunityAdmin, settings::webhooks)
        .get("/c/{slug}/settings/webhooks/{id}", Class::IntegrationAdmin, settings::deliveries)
        .get("/c/{slug}/settings/tokens", Class::CommunityAdmin, settings::tokens)
        .get("/c/{slug}/channels/{name}", Class::ChannelRead, channel::named)
        .get("/c/{slug}/channels/{name}/m/{message}", Class::MessageRead, channel::named_around)
        .get("/c/{slug}/new-message", Class::CommunityRead, people::new_message)
        .get("/activity", Class::SignedIn, activity::activity)
        .post("/activity/read", Class::SignedIn, activity::read)
        .get("/people/{id}", Class::CommunityRead, people::person)
        .get("/people/{id}/card", Class::CommunityRead, people::card)
        .post("/dms", Class::CommunityWrite, people::open)
        .get("/dm/{id}", Class::Own, channel::direct)
        .get("/dm/{id}/m/{message}", Class::Own, channel::direct_around)
        .get("/m/{message}", Class::MessageRead, home::message)
        .get("/extras", Class::SignedIn, home::extras)
        .get("/sse", Class::SignedIn, stream::stream)
        .post("/typing", Class::ChannelWrite, actions::typing)
        .post("/channels/{id}/messages", Class::ChannelWrite, send::send)
        .get("/channels/{id}/complete", Class::ChannelRead, commands::complete)
        .post("/channels/{id}/commands", Class::ChannelSeen, commands::run)
        .get("/channels/{id}/pane", Class::ChannelRead, channel::pane)
        .get("/channels/{id}/older", Class::ChannelRead, history::older)
        .get("/channels/{id}/newer", Class::ChannelRead, history::newer)
        .post("/channels/{id}/read", Class::ChannelWrite, actions::read)
        .post("/channels/{id}/join", Class::ChannelSeen, actions::join)
        .post("/channels/{id}/leave", Class::ChannelSeen, actions::leave)
        .get("/messages/{id}/source", Class::MessageRead, actions::source)
        .get("/messages/{id}/replies", Class::MessageRead, history::earlier_replies)
        .post("/messages/{id}/seen", Class::MessageRead, activity::thread_seen)
        .post("/messages/{id}/edit", Class::MessageAuthor, actions::edit)
        .post("/messages/{id}/delete", Class::MessageAuthorOrAdmin, actions::delete)
        .post("/messages/{id}/reactions", Class::MessageWrite, actions::react)
        .post("/communities/{id}/channels", Class::CommunityWrite, community::create_channel)
        .post("/communities/{id}/invites", Class::CommunityAdmin, community::create_invite)
        .post("/communities/{id}/settings", Class::CommunityAdmin, settings::save_general)
        .post("/communities/{id}/webhooks", Class::IntegrationAdmin, settings::create_webhook)
        .post(
            "/communities/{id}/webhooks/{webhook}/rotate",
            Class::IntegrationAdmin,
            settings::rotate_webhook,
        )
        .post(
            "/communities/{id}/webhooks/{webhook}/revoke",
            Class::IntegrationAdmin,
            settings::revoke_webhook,
        )
        .post("/communities/{id}/tokens", Class::CommunityAdmin, settings::create_token)
        .post(
            "/communities/{id}/tokens/{token}/revoke",
            Class::CommunityAdmin,
            settings::revoke_token,
        )
        .get("/assets/{file}", Class::Public, assets::get)
        .get("/favicon.svg", Class::Public, assets::favicon)
}

/// All routes.
fn router(app: App, edge: Edge, health: Health) -> Router {
    table()
        .into_router()
        .fallback(home::nowhere)
        .with_state(app)
        .layer(DefaultBodyLimit::max(JSON_BODY_MAX_BYTES))
        // Leaves event streams alone.
        .layer(CompressionLayer::new())
        .layer(from_fn(trace))
        // Before anything else looks at a request that did not come through the gateway.
        .layer(from_fn_with_state(edge, edge_only))
        // Outside of all that: only for the machines around.
        .merge(health_routes(health))
}
