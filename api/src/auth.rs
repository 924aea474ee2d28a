//! Who calls, and what the path names: identity and permission are arguments of a handler (style.md section 3.6).
//!
//! A handler gets its channel from [`Reader`] or [`Member`], so a forgotten check does not compile into a hole; posting alone checks inside
//! its transaction (`ajet_shared::db::posting`).

use ajet_shared::actions::{Action, Actor, DenyReason, Resource, Scope, authorize};
use ajet_shared::clock;
use ajet_shared::db::Cause;
use ajet_shared::db::authz::{self, Access};
use ajet_shared::http::{CLIENT_IP_HEADER, TraceId};
use ajet_shared::id::{ChannelId, CommunityId, SessionId, UserId};
use axum::RequestPartsExt as _;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use sqlx::{PgConnection, Postgres, Transaction};

use crate::error::{ApiError, ApiResult, permit};
use crate::state::AppState;

/// A transaction of a handler.
pub(crate) type Tx = Transaction<'static, Postgres>;

/// Whoever sent a valid bearer token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Who acts, with the scopes of a token.
    pub(crate) actor: Actor,
    /// The session, unless an API token was used.
    pub(crate) session_id: Option<SessionId>,
    ip: Option<String>,
}

impl Caller {
    /// The account that acts.
    pub(crate) const fn user_id(&self) -> UserId {
        self.actor.user_id()
    }

    /// What events and audit rows of this request carry.
    pub(crate) fn cause(&self) -> Cause {
        Cause {
            actor_id: Some(self.user_id()),
            at: clock::now(),
            trace_id: TraceId::current(),
            ip: self.ip.clone(),
        }
    }

    /// Asks `authorize`: 403 for what may be seen and not done, 404 for what may not be known.
    pub(crate) fn permit(&self, action: Action, resource: &Resource) -> ApiResult<()> {
        permit(authorize(&self.actor, action, resource))
    }

    /// Asks whether the person behind the caller may: about seeing a thing, where what a token is for is decided by what is done to it.
    pub(crate) fn permit_person(&self, action: Action, resource: &Resource) -> ApiResult<()> {
        permit(authorize(&Actor::User(self.user_id()), action, resource))
    }

    /// For routes that belong to no channel or community: an API token needs this scope.
    pub(crate) fn scope(&self, scope: Scope) -> ApiResult<()> {
        match &self.actor {
            Actor::Token(_, scopes) if !scopes.contains(&scope) => {
                Err(ApiError::Denied(DenyReason::Scope(scope)))
            }
            _ => Ok(()),
        }
    }

    /// For what only a signed-in person may do, never an API token: their profile, their sessions, a new community.
    pub(crate) fn session(&self) -> ApiResult<SessionId> {
        self.session_id.ok_or_else(|| {
            ApiError::Refused(
                ajet_shared::problem::Problem::new(403, "session-required", "You may not do this")
                    .with_detail("Only a signed-in session may do this, not an API token."),
            )
        })
    }

    /// Decides about a channel, inside the transaction that acts: the facts are held until it ends, also those about `others`.
    pub(crate) async fn channel(
        &self,
        conn: &mut PgConnection,
        channel_id: ChannelId,
        action: Action,
        others: &[UserId],
    ) -> ApiResult<Access> {
        let access = authz::channel_access_held(conn, self.user_id(), channel_id, others)
            .await?
            .ok_or(ApiError::NotFound)?;
        self.permit(action, &access.resource())?;
        Ok(access)
    }

    /// Decides about reading a channel.
    pub(crate) async fn reads(
        &self,
        conn: &mut PgConnection,
        channel_id: ChannelId,
    ) -> ApiResult<Access> {
        let access = authz::channel_access(conn, self.user_id(), channel_id)
            .await?
            .ok_or(ApiError::NotFound)?;
        self.permit(Action::ReadChannel, &access.resource())?;
        Ok(access)
    }

    /// Decides about changing a community, inside the transaction that acts: the caller's role is held until it ends.
    pub(crate) async fn community(
        &self,
        conn: &mut PgConnection,
        id: CommunityId,
        action: Action,
    ) -> ApiResult<()> {
        let user_id = self.user_id();
        let resource = match action {
            Action::CreateInvite(_) => authz::inviter_resource_held(conn, user_id, id).await?,
            _ => authz::community_resource_held(conn, user_id, id).await?,
        };
        self.permit(action, &resource)
    }

    /// Decides about reading what a community has.
    pub(crate) async fn reads_community(
        &self,
        conn: &mut PgConnection,
        id: CommunityId,
        action: Action,
    ) -> ApiResult<()> {
        self.permit(action, &authz::community_resource(conn, self.user_id(), id).await?)
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        let token = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or(ApiError::Unauthenticated)?;
        let identity = state.verifier.verify(token).await?.ok_or(ApiError::Unauthenticated)?;
        let ip = parts.headers.get(CLIENT_IP_HEADER).and_then(|value| value.to_str().ok());
        Ok(Self {
            actor: identity.actor,
            session_id: identity.session_id,
            ip: ip.map(str::to_owned),
        })
    }
}

/// A caller who may read the channel that the path names as `{id}`: a public one of their communities or one they are in.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    /// Who reads.
    pub(crate) caller: Caller,
    /// The channel and how the reader stands to it.
    pub(crate) access: Access,
}

impl FromRequestParts<AppState> for Reader {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let channel_id = channel_in_path(parts).await?;
        let mut conn = state.db.acquire().await?;
        let access = caller.reads(&mut conn, channel_id).await?;
        Ok(Self { caller, access })
    }
}

/// A caller who wants to act on the channel that the path names as `{id}`. The channel comes out of [`Member::begin`] only, which
/// decides in the transaction that acts.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Who acts.
    pub(crate) caller: Caller,
    channel_id: ChannelId,
}

impl Member {
    /// Somebody who wants to act on a channel that was named otherwise: by a slash command.
    pub(crate) const fn of(caller: Caller, channel_id: ChannelId) -> Self {
        Self { caller, channel_id }
    }

    /// Begins the transaction in which the caller does `action`, if they may.
    pub(crate) async fn begin(&self, state: &AppState, action: Action) -> ApiResult<(Tx, Access)> {
        self.begin_about(state, action, &[]).await
    }

    /// The same for what is done to `others`: their membership of the community is held, too.
    pub(crate) async fn begin_about(
        &self,
        state: &AppState,
        action: Action,
        others: &[UserId],
    ) -> ApiResult<(Tx, Access)> {
        let mut tx = state.db.begin().await?;
        let access = self.caller.channel(&mut tx, self.channel_id, action, others).await?;
        Ok((tx, access))
    }

    /// Decides whether the caller does `action`, in a transaction that has begun.
    pub(crate) async fn access(&self, tx: &mut Tx, action: Action) -> ApiResult<Access> {
        self.caller.channel(tx, self.channel_id, action, &[]).await
    }

    /// Begins the transaction in which the caller does what depends on the request; that they see the channel is decided, the rest is
    /// for whoever calls this.
    pub(crate) async fn begin_seeing(&self, state: &AppState) -> ApiResult<(Tx, Access)> {
        let mut tx = state.db.begin().await?;
        let own = self.caller.user_id();
        let access = authz::channel_access_held(&mut tx, own, self.channel_id, &[])
            .await?
            .ok_or(ApiError::NotFound)?;
        self.caller.permit_person(Action::ReadChannel, &access.resource())?;
        Ok((tx, access))
    }

    /// The same to end somebody's membership of the channel. Memberships of the channel are not held: two who hold the same one could
    /// not both go on to end it.
    pub(crate) async fn begin_ending(
        &self,
        state: &AppState,
        user_id: UserId,
    ) -> ApiResult<(Tx, Access)> {
        let mut tx = state.db.begin().await?;
        let own = self.caller.user_id();
        authz::hold_seats(&mut tx, self.channel_id, &[own, user_id]).await?;
        let access = authz::channel_access(&mut tx, own, self.channel_id)
            .await?
            .ok_or(ApiError::NotFound)?;
        self.caller.permit_person(Action::ReadChannel, &access.resource())?;
        Ok((tx, access))
    }
}

impl FromRequestParts<AppState> for Member {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &AppState,
    ) -> Result<Self, Self::Rejection> {
        let caller = Caller::from_request_parts(parts, state).await?;
        Ok(Self { caller, channel_id: channel_in_path(parts).await? })
    }
}

async fn channel_in_path(parts: &mut Parts) -> ApiResult<ChannelId> {
    let params = parts.extract::<RawPathParams>().await.map_err(|_| ApiError::NotFound)?;
    params
        .iter()
        .find(|(name, _)| *name == "id")
        .and_then(|(_, id)| id.parse().ok())
        .ok_or(ApiError::NotFound)
}
