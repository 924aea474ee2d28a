//! Signing in at a provider: what waits for the way back, and who somebody is at which provider.

use std::time::Duration;

use sea_query::{Expr, ExprTrait, JoinType, Query};
use sqlx::PgConnection;
use uuid::Uuid;

use super::iden::{OauthAccounts, OauthTx, Users};
use super::sessions::from_now;
use crate::id::{InviteId, UserId};

/// How long the round trip to the provider may take. Source: delivery-and-security.md section 3.3.
pub const SIGN_IN_WITHIN: Duration = Duration::from_mins(10);
/// Violated when an identity already has an account.
pub const ACCOUNT_KEY: &str = "oauth_accounts_provider_user_id_key";

/// A sign-in under way: what must survive the round trip to the provider.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct SignIn {
    /// Name of the provider in the configuration.
    pub provider: String,
    /// Secret that proves to the provider who began.
    pub pkce_verifier: String,
    /// Hash of the cookie of the browser that began.
    pub browser_cookie_hash: Vec<u8>,
    /// Where to go afterwards.
    pub return_to: String,
    /// The invite that is redeemed on return.
    pub invite_id: Option<InviteId>,
    /// First-run set-up: the community to make on return.
    pub community_name: Option<String>,
    /// Its address.
    pub community_slug: Option<String>,
    /// The signed-in user who adds this identity to the account.
    pub link_user_id: Option<UserId>,
}

/// Keeps a sign-in under the hash of its state parameter.
pub async fn begin(
    conn: &mut PgConnection,
    state_hash: &[u8; 32],
    sign_in: &SignIn,
) -> Result<(), sqlx::Error> {
    let statement = Query::insert()
        .into_table(OauthTx::Table)
        .columns([
            OauthTx::StateHash,
            OauthTx::Provider,
            OauthTx::PkceVerifier,
            OauthTx::BrowserCookieHash,
            OauthTx::ReturnTo,
            OauthTx::InviteId,
            OauthTx::CommunityName,
            OauthTx::CommunitySlug,
            OauthTx::LinkUserId,
            OauthTx::ExpiresAt,
        ])
        .values_panic([
            state_hash.to_vec().into(),
            sign_in.provider.as_str().into(),
            sign_in.pkce_verifier.as_str().into(),
            sign_in.browser_cookie_hash.clone().into(),
            sign_in.return_to.as_str().into(),
            sign_in.invite_id.into(),
            sign_in.community_name.clone().into(),
            sign_in.community_slug.clone().into(),
            sign_in.link_user_id.into(),
            from_now(SIGN_IN_WITHIN),
        ])
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}

/// Takes a sign-in out: of several callbacks with one state, one gets it.
pub async fn take(
    conn: &mut PgConnection,
    state_hash: &[u8; 32],
) -> Result<Option<SignIn>, sqlx::Error> {
    let statement = Query::delete()
        .from_table(OauthTx::Table)
        .and_where(Expr::col(OauthTx::StateHash).eq(state_hash.to_vec()))
        .and_where(Expr::col(OauthTx::ExpiresAt).gt(Expr::current_timestamp()))
        .returning(Query::returning().columns([
            OauthTx::Provider,
            OauthTx::PkceVerifier,
            OauthTx::BrowserCookieHash,
            OauthTx::ReturnTo,
            OauthTx::InviteId,
            OauthTx::CommunityName,
            OauthTx::CommunitySlug,
            OauthTx::LinkUserId,
        ]))
        .to_owned();
    super::fetch_optional(conn, &statement).await
}

/// Removes sign-ins that were never finished. Returns how many.
pub async fn prune(conn: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let statement = Query::delete()
        .from_table(OauthTx::Table)
        .and_where(Expr::col(OauthTx::ExpiresAt).lte(Expr::current_timestamp()))
        .to_owned();
    super::execute(conn, &statement).await
}

/// The account behind an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Account {
    /// Whose.
    pub user_id: UserId,
    /// The user may not come in.
    pub suspended: bool,
}

/// The account of an identity. Identity is the provider with its immutable user id, never an e-mail address or a login name.
pub async fn find_account(
    conn: &mut PgConnection,
    provider: &str,
    provider_user_id: &str,
) -> Result<Option<Account>, sqlx::Error> {
    let statement = Query::select()
        .column((OauthAccounts::Table, OauthAccounts::UserId))
        .expr_as(Expr::col((Users::Table, Users::SuspendedAt)).is_not_null(), "suspended")
        .from(OauthAccounts::Table)
        .join(
            JoinType::InnerJoin,
            Users::Table,
            Expr::col((OauthAccounts::Table, OauthAccounts::UserId))
                .equals((Users::Table, Users::Id)),
        )
        .and_where(Expr::col((OauthAccounts::Table, OauthAccounts::Provider)).eq(provider))
        .and_where(
            Expr::col((OauthAccounts::Table, OauthAccounts::ProviderUserId)).eq(provider_user_id),
        )
        .to_owned();
    super::fetch_optional(conn, &statement).await
}

/// Gives an identity an account. Violates [`ACCOUNT_KEY`] when it has one.
pub async fn insert_account(
    conn: &mut PgConnection,
    user_id: UserId,
    provider: &str,
    provider_user_id: &str,
    login: &str,
) -> Result<(), sqlx::Error> {
    let statement = Query::insert()
        .into_table(OauthAccounts::Table)
        .columns([
            OauthAccounts::Id,
            OauthAccounts::UserId,
            OauthAccounts::Provider,
            OauthAccounts::ProviderUserId,
            OauthAccounts::ProviderLogin,
        ])
        .values_panic([
            Uuid::now_v7().into(),
            user_id.into(),
            provider.into(),
            provider_user_id.into(),
            login.into(),
        ])
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}

/// Notes that an identity signed in, and under which login name it is known at the provider now.
pub async fn touch_account(
    conn: &mut PgConnection,
    provider: &str,
    provider_user_id: &str,
    login: &str,
) -> Result<(), sqlx::Error> {
    let statement = Query::update()
        .table(OauthAccounts::Table)
        .value(OauthAccounts::LastLoginAt, Expr::current_timestamp())
        .value(OauthAccounts::ProviderLogin, login)
        .and_where(Expr::col(OauthAccounts::Provider).eq(provider))
        .and_where(Expr::col(OauthAccounts::ProviderUserId).eq(provider_user_id))
        .to_owned();
    super::execute(conn, &statement).await.map(drop)
}
