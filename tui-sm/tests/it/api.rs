//! A stand-in for the api: it answers what the test says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use ajet_shared::bus::Bus;
use ajet_shared::channel::{Channel, ChannelKind, ChannelView, NotifyLevel, Visibility};
use ajet_shared::clock;
use ajet_shared::community::{Community, Role};
use ajet_shared::id::{ChannelId, CommunityId, SessionId, UserId};
use ajet_shared::page::Page;
use ajet_shared::problem::Problem;
use ajet_shared::sync::{CommunityView, Sync};
use ajet_shared::user::{Me, User, UserKind};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};

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
}

pub(crate) fn routes(api: Api) -> Router {
    Router::new()
        .route("/api/sync", get(sync))
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

async fn sync(State(api): State<Api>, headers: HeaderMap) -> Result<Json<Sync>, Problem> {
    let cursor = api.bus.position().await.unwrap_or_default();
    let rights = api.caller(&headers)?;
    let user_id = rights.user_id.unwrap();
    Ok(Json(Sync {
        cursor,
        me: Me { user: user(user_id), email: None },
        session_id: rights.session_id,
        communities: rights
            .community
            .iter()
            .map(|id| CommunityView {
                community: Community {
                    id: *id,
                    name: "Lab".to_owned(),
                    slug: "lab".to_owned(),
                    members_may_invite: false,
                    created_at: clock::now(),
                },
                role: Role::Member,
                channels: rights
                    .joined
                    .iter()
                    .map(|channel| view(*channel, Some(*id), true))
                    .collect(),
            })
            .collect(),
        dms: rights.dms.iter().map(|id| view(*id, None, true)).collect(),
        unread_notifications: 0,
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
