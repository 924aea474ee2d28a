//! The limits that only the api can count (decisions.md 17): mentions that notify, people whom somebody writes to for the first time,
//! and what commands do that the gateway limits by its route elsewhere. Counted in Postgres, in the transaction that acts: over all instances, and not at all if it does not commit.

use ajet_shared::db::rate_counters;
use ajet_shared::id::UserId;
use ajet_shared::problem::Problem;
use ajet_shared::rate::Rate;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use sqlx::PgConnection;

use crate::config::Config;
use crate::error::{ApiError, ApiResult};

/// The name of the limit on new conversations.
const DM_NEW: &str = "dm-new";
/// The name of the limit on invites, as the gateway has it.
const INVITE_CREATE: &str = "invite-create";
/// The name of the limit on searches, as the gateway has it.
const SEARCH: &str = "search";

/// The limits of this installation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Mentions of one user that notify somebody.
    pub(crate) mention: Rate,
    dm_new: Rate,
    invite_create: Rate,
    search: Rate,
}

impl Limits {
    /// As configured.
    pub(crate) const fn new(config: &Config) -> Self {
        Self {
            mention: config.limit_mention.at(config.limits),
            dm_new: config.limit_dm_new.at(config.limits),
            invite_create: config.limit_invite_create.at(config.limits),
            search: config.limit_search.at(config.limits),
        }
    }

    /// Counts those of `others`, in ascending order, with whom `user_id` has begun no other conversation in this time.
    pub(crate) async fn begin_conversation(
        &self,
        conn: &mut PgConnection,
        user_id: UserId,
        others: &[UserId],
    ) -> ApiResult<()> {
        let (rate, mut new) = (self.dm_new, 0);
        for other in others {
            let pair = format!("{DM_NEW}:{user_id}:{other}");
            if rate_counters::hit(conn, &pair, rate.window).await?.0 == 1 {
                new += 1;
            }
        }
        count(conn, DM_NEW, rate, user_id, new).await
    }

    /// Counts an invite that somebody makes.
    pub(crate) async fn make_invite(
        &self,
        conn: &mut PgConnection,
        user_id: UserId,
    ) -> ApiResult<()> {
        count(conn, INVITE_CREATE, self.invite_create, user_id, 1).await
    }

    /// Counts a search that the gateway did not see as one.
    pub(crate) async fn search(&self, conn: &mut PgConnection, user_id: UserId) -> ApiResult<()> {
        count(conn, SEARCH, self.search, user_id, 1).await
    }
}

async fn count(
    conn: &mut PgConnection,
    policy: &'static str,
    rate: Rate,
    user_id: UserId,
    more: i32,
) -> ApiResult<()> {
    let key = format!("{policy}:{user_id}");
    let (count, wait) = rate_counters::add(conn, &key, rate.window, more).await?;
    if u32::try_from(count).is_ok_and(|count| count > rate.count.get()) {
        return Err(ApiError::Limited(UsedUp { policy, rate, wait: whole(wait) }));
    }
    Ok(())
}

/// Seconds rounded up, at least one.
fn whole(seconds: f64) -> u32 {
    let wait = std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default();
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
}

/// A limit that allows no more for a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UsedUp {
    policy: &'static str,
    rate: Rate,
    wait: u32,
}

impl UsedUp {
    /// What the caller is told.
    pub(crate) fn problem(&self) -> Problem {
        Problem::rate_limited(self.policy, self.wait)
    }

    /// The `RateLimit` fields, as the gateway writes its own.
    pub(crate) fn put_headers(&self, headers: &mut HeaderMap) {
        let Self { policy, rate, wait } = self;
        for (name, value) in [
            (
                "ratelimit-policy",
                format!("\"{policy}\";q={};w={}", rate.count, rate.window.as_secs()),
            ),
            ("ratelimit", format!("\"{policy}\";r=0;t={wait}")),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
    }
}

impl std::fmt::Display for UsedUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the limit {} is used up", self.policy)
    }
}
