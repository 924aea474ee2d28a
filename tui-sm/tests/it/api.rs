//! A stand-in for the api: it answers what the test says.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ajet_shared::bus::Bus;
use ajet_shared::channel::{Channel, ChannelKind, ChannelView, NotifyLevel, Visibility};
use ajet_shared::clock;
use ajet_shared::id::{ChannelId, CommunityId, SessionId, UserId};
use ajet_shared::page::Page;
use ajet_shared::problem::Problem;
use ajet_shared::sync::{CommunityReach, DirectReach, Reach};
use ajet_shared::user::{User, UserKind};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};

use crate::harness::author;

/// What the stand-in api knows of somebody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rights {
    pub(crate) user_id: Option<UserId>,
    pub(crate) session_id: Option<SessionId>,
    pub(crate) community: Option<CommunityId>,
    pub(crate) joined: Vec<ChannelId>,
    /// Public channels the person may read without having joined.
    pub(crate) readable: Vec<ChannelId>,
    pub(crate) dms: Vec<ChannelId>,
}

#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) people: Arc<Mutex<HashMap<String, Rights>>>,
    pub(crate) bus: Bus,
    /// How often somebody's rights were asked for.
    pub(crate) asked: Arc<AtomicUsize>,
}

pub(crate) fn routes(api: Api) -> Router {
    Router::new()
        .route("/api/me/access", get(reach))
        .route("/api/channels/{id}", get(channel))
        .route("/api/channels/{id}/members", get(members))
        .with_state(api)
}

impl Api {
    fn caller(&self, headers: &HeaderMap) -> Result<Rights, Problem> {
        let header =
            headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let token = header.strip_prefix("Bearer ").unwrap_or_default();
        self.people.lock().unwrap().get(token).cloned().ok_or_else(Problem::unauthenticated)
    }
}

async fn reach(State(api): State<Api>, headers: HeaderMap) -> Result<Json<Reach>, Problem> {
    api.asked.fetch_add(1, Ordering::Relaxed);
    let cursor = api.bus.position().await.unwrap_or_default();
    let rights = api.caller(&headers)?;
    let direct = |id: &ChannelId| DirectReach { id: *id, members: Vec::new() };
    Ok(Json(Reach {
        cursor,
        me: author(rights.user_id.unwrap()),
        session_id: rights.session_id,
        communities: rights
            .community
            .iter()
            .map(|id| CommunityReach { id: *id, channels: rights.joined.clone() })
            .collect(),
        dms: rights.dms.iter().map(direct).collect(),
    }))
}

async fn channel(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(id): Path<ChannelId>,
) -> Result<Json<ChannelView>, Problem> {
    let rights = api.caller(&headers)?;
    match (rights.joined.contains(&id), rights.readable.contains(&id)) {
        (true, _) => Ok(Json(view(id, rights.community, true))),
        (_, true) => Ok(Json(view(id, rights.community, false))),
        _ => Err(Problem::not_found()),
    }
}

async fn members(State(api): State<Api>, Path(id): Path<ChannelId>) -> Json<Page<User>> {
    let people = api.people.lock().unwrap();
    Json(Page::whole(
        people
            .values()
            .filter(|rights| rights.joined.contains(&id))
            .filter_map(|rights| rights.user_id)
            .map(user)
            .collect(),
    ))
}

fn user(id: UserId) -> User {
    User {
        id,
        username: "ada".to_owned(),
        display_name: "Ada".to_owned(),
        avatar_url: None,
        kind: UserKind::Human,
        status_text: None,
        status_emoji: None,
        online: true,
        created_at: clock::now(),
    }
}

fn view(id: ChannelId, community_id: Option<CommunityId>, joined: bool) -> ChannelView {
    ChannelView {
        channel: Channel {
            id,
            community_id,
            name: community_id.map(|_| "room".to_owned()),
            kind: if community_id.is_some() { ChannelKind::Text } else { ChannelKind::Dm },
            visibility: Visibility::Public,
            topic: None,
            last_seq: 0,
            created_at: clock::now(),
            archived_at: None,
        },
        joined,
        member_count: 1,
        last_read_seq: 0,
        unread: 0,
        mentions: 0,
        notify_level: NotifyLevel::All,
        members: Vec::new(),
    }
}
