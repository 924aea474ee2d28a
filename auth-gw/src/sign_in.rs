//! Signing in: the page, the way to a provider, and the way back.

use ajet_shared::db::audit::{self, Entry};
use ajet_shared::db::invites::{self, RedeemError};
use ajet_shared::db::oauth::{self, SignIn};
use ajet_shared::db::sessions::SessionKind;
use ajet_shared::db::{communities, constraint, setup, users};
use ajet_shared::id::{InviteId, SessionId, UserId};
use ajet_shared::names::{CommunityName, CommunitySlug};
use ajet_shared::problem::Problem;
use ajet_shared::token::{Token, TokenKind};
use ajet_shared::verify;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::header::SET_COOKIE;
use rand::Rng as _;
use sha2::{Digest as _, Sha256};

use crate::address::return_to;
use crate::answer::{Answer, Failure, Response, see_other};
use crate::gateway::Gateway;
use crate::oauth::{Profile, Provider};
use crate::pages::{self, Login, Trouble};
use crate::visit::{Caller, Visit};
use crate::{account, session};

/// Attempts to make an account, when others take the same handle at the same time.
const ATTEMPTS: usize = 4;

/// `GET /login`.
pub(crate) async fn page(gateway: &Gateway, visit: &Visit, caller: Option<&Caller>) -> Answer {
    let back = visit.parameter("return_to");
    let back = return_to(back.as_deref());
    if caller.is_some() {
        return see_other(back);
    }
    if let Some(token) = visit.parameter("token") {
        return see_other(&crate::address::with_parameter("/setup", "token", &token));
    }
    login_page(gateway, StatusCode::OK, back, None).await
}

async fn login_page(
    gateway: &Gateway,
    status: StatusCode,
    back: &str,
    trouble: Option<Trouble>,
) -> Answer {
    let mut conn = gateway.pool.acquire().await?;
    let mut names = setup::community_names(&mut conn).await?;
    drop(conn);
    let page = Login {
        fresh: names.is_empty(),
        community: if names.len() == 1 { names.pop() } else { None },
        trouble,
        buttons: pages::buttons(&gateway.providers, (back != "/").then_some(("return_to", back))),
        site: gateway.host.clone(),
    };
    pages::page(status, &page, &[])
}

/// `GET /auth/{provider}/start`.
pub(crate) async fn start(
    gateway: &Gateway,
    visit: &Visit,
    provider: &str,
    caller: Option<&Caller>,
) -> Answer {
    let provider = gateway.provider(provider).ok_or_else(Problem::not_found)?;
    gateway.limit_sign_in(visit).await?;
    let invite_id = match visit.parameter("invite") {
        Some(code) => Some(usable_invite(gateway, &code).await?.id),
        None => None,
    };
    let back = visit.parameter("return_to");
    let wish = Wish {
        return_to: return_to(back.as_deref()).to_owned(),
        invite_id,
        community: None,
        replaces: caller.and_then(Replaced::of),
    };
    begin(gateway, provider, wish).await
}

/// What somebody wants beside being signed in.
pub(crate) struct Wish {
    /// To come back here.
    pub(crate) return_to: String,
    /// To accept this invite.
    pub(crate) invite_id: Option<InviteId>,
    /// To make the first community.
    pub(crate) community: Option<(CommunityName, CommunitySlug)>,
    /// To be signed in by another session than this one.
    pub(crate) replaces: Option<Replaced>,
}

/// A session that was there before a sign-in and does not outlive it (A28).
///
/// The strict cookie does not come along on the way back from the provider. So the session's id travels in the cookie that binds the
/// sign-in to its browser; its hash is kept, so that nobody can put another one there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replaced {
    user_id: UserId,
    session_id: SessionId,
}

impl Replaced {
    fn of(caller: &Caller) -> Option<Self> {
        let session_id = caller.identity.session_id?;
        Some(Self { user_id: caller.user_id(), session_id })
    }

    fn write(self, cookie: &str) -> String {
        format!("{cookie}.{}.{}", self.user_id, self.session_id)
    }

    fn read(cookie: &str) -> Option<Self> {
        let mut parts = cookie.split('.').skip(1);
        let (user_id, session_id) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { user_id, session_id })
    }
}

/// Sends the browser to a provider. State and cookie together bind the way back to this sign-in and this browser.
pub(crate) async fn begin(gateway: &Gateway, provider: &Provider, wish: Wish) -> Answer {
    let begun = provider.begin();
    let cookie = wish.replaces.map_or_else(random, |old| old.write(&random()));
    let (community_name, community_slug) =
        wish.community.map(|(name, slug)| (name.into(), slug.into())).unzip();
    let sign_in = SignIn {
        provider: provider.name.clone(),
        pkce_verifier: begun.pkce_verifier,
        browser_cookie_hash: digest(&cookie).to_vec(),
        return_to: wish.return_to,
        invite_id: wish.invite_id,
        community_name,
        community_slug,
        link_user_id: None,
    };
    let mut conn = gateway.pool.acquire().await?;
    oauth::begin(&mut conn, &digest(&begun.state), &sign_in).await?;
    let mut response = see_other(begun.authorize_url.as_str())?;
    response.headers_mut().append(SET_COOKIE, gateway.cookies.set_oauth(&cookie));
    Ok(response)
}

/// `GET /auth/callback/{provider}`: answers with a page that leads on, because a redirect would lose the strict cookie (E10).
pub(crate) async fn callback(gateway: &Gateway, visit: &Visit, provider: &str) -> Answer {
    gateway.limit_sign_in(visit).await?;
    let finished = match returned(gateway, visit, provider).await {
        Ok((provider, sign_in, replaced)) => {
            finish(gateway, visit, provider, sign_in, replaced).await
        }
        Err(refusal) => Err(refusal),
    };
    match finished {
        Ok(response) => Ok(response),
        Err(refusal) => {
            let reason = refusal.reason;
            let (provider_name, login) = (provider.to_owned(), refusal.login.clone());
            let entry = Entry::denied("login.failed");
            gateway.audit(visit, None, &entry.with(serde_json::json!({ "reason": reason, "provider": provider_name, "login": login }))).await;
            refused(gateway, visit, *refusal.problem).await
        }
    }
}

/// Somebody is not let in.
struct Refusal {
    reason: &'static str,
    login: Option<String>,
    problem: Box<Problem>,
}

impl Refusal {
    fn new(reason: &'static str, problem: Problem) -> Self {
        Self { reason, login: None, problem: Box::new(problem) }
    }

    /// A callback that does not belong to a sign-in of this browser.
    fn stray(reason: &'static str) -> Self {
        let problem = Problem::new(400, "invalid-request", "This sign-in cannot be finished")
            .with_detail("It is too old, was finished before, or was begun in another browser. Sign in again.");
        Self::new(reason, problem)
    }

    fn at(self, profile: &Profile) -> Self {
        Self { login: Some(profile.login.clone()), ..self }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { reason: "error", login: None, problem: failure.problem }
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Failure::from(error).into()
    }
}

/// The sign-in that this callback finishes: known, unused, of this provider and of this browser; and the session it replaces.
async fn returned<'a>(
    gateway: &'a Gateway,
    visit: &Visit,
    provider: &str,
) -> Result<(&'a Provider, SignIn, Option<Replaced>), Refusal> {
    let state = visit.parameter("state").ok_or_else(|| Refusal::stray("no state"))?;
    let cookie = crate::cookies::find(&visit.headers, gateway.cookies.oauth);
    let mut conn = gateway.pool.acquire().await?;
    let sign_in = oauth::take(&mut conn, &digest(&state))
        .await?
        .ok_or_else(|| Refusal::stray("unknown state"))?;
    drop(conn);
    if sign_in.provider != provider {
        return Err(Refusal::stray("other provider"));
    }
    let cookie = cookie
        .filter(|cookie| digest(cookie).as_slice() == sign_in.browser_cookie_hash)
        .ok_or_else(|| Refusal::stray("other browser"))?;
    let provider = gateway.provider(provider).ok_or_else(|| Refusal::stray("no such provider"))?;
    Ok((provider, sign_in, Replaced::read(&cookie)))
}

async fn finish(
    gateway: &Gateway,
    visit: &Visit,
    provider: &Provider,
    sign_in: SignIn,
    replaced: Option<Replaced>,
) -> Result<Response, Refusal> {
    let Some(code) = visit.parameter("code") else {
        let problem =
            Problem::new(403, "sign-in-cancelled", "You did not sign in").with_detail(format!(
                "{} did not let you through, or you cancelled there. You can try again.",
                provider.title
            ));
        return Err(Refusal::new("provider refused", problem));
    };
    let profile = provider.finish(code, sign_in.pkce_verifier.clone()).await.map_err(|error| {
        tracing::warn!(provider = provider.name, %error, "sign-in failed at the provider");
        let problem = Problem::new(502, "provider-failed", "Signing in did not work").with_detail(
            format!("{} did not confirm who you are. Try again in a moment.", provider.title),
        );
        Refusal::new("provider failed", problem)
    })?;
    let prepared = session::prepare().await.map_err(Failure::from)?;
    let mut attempt = 1;
    let to = loop {
        match settle(gateway, visit, provider, &sign_in, &profile, replaced, &prepared).await {
            Err(Settling::Database(error)) if attempt < ATTEMPTS && is_race(&error) => attempt += 1,
            Err(Settling::Database(error)) => return Err(Refusal::from(error).at(&profile)),
            Err(Settling::Refused(refusal)) => return Err(refusal.at(&profile)),
            Ok(to) => break to,
        }
    };
    let mut response = pages::onward(&to)?;
    let headers = response.headers_mut();
    headers.append(SET_COOKIE, gateway.cookies.set_session(prepared.token.expose()));
    headers.append(SET_COOKIE, gateway.cookies.clear_oauth());
    Ok(response)
}

/// Somebody else took the handle, or signed in as the same identity, at the same moment.
fn is_race(error: &sqlx::Error) -> bool {
    matches!(constraint(error), Some(users::USERNAME_KEY | oauth::ACCOUNT_KEY))
}

enum Settling {
    Refused(Refusal),
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Settling {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// One transaction: who it is, what they join or make, and the session. Returns where to go.
async fn settle(
    gateway: &Gateway,
    visit: &Visit,
    provider: &Provider,
    sign_in: &SignIn,
    profile: &Profile,
    replaced: Option<Replaced>,
    prepared: &session::Prepared,
) -> Result<String, Settling> {
    let (_turn, mut tx) = gateway.begin().await?;
    let community = wanted_community(sign_in)?;
    if community.is_some() {
        setup::lock(&mut tx).await?;
        if communities::any(&mut tx).await? {
            return Err(Settling::Refused(Refusal::new(
                "set up before",
                crate::setup::done_before(),
            )));
        }
    }
    let known = oauth::find_account(&mut tx, &provider.name, &profile.id).await?;
    if known.is_some_and(|account| account.suspended) {
        let problem = Problem::new(403, "suspended", "This account is suspended")
            .with_detail("Ask an owner of the community why.");
        return Err(Settling::Refused(Refusal::new("suspended", problem)));
    }
    let wants_in = community.is_some() || sign_in.invite_id.is_some();
    let user_id = match known {
        Some(account) => {
            oauth::touch_account(&mut tx, &provider.name, &profile.id, &profile.login).await?;
            account.user_id
        }
        None if wants_in => account::create(&mut tx, &provider.name, profile).await?,
        None => return Err(Settling::Refused(uninvited(provider, profile))),
    };
    let mut to = sign_in.return_to.clone();
    let cause = visit.cause(Some(user_id));
    if let Some((name, slug)) = community {
        communities::create(&mut tx, &cause, user_id, &name, Some(&slug)).await?;
        setup::set_token_hash(&mut tx, None).await?;
        to = home(slug.as_str());
    }
    if let Some(invite_id) = sign_in.invite_id {
        let joined = invites::redeem(&mut tx, &cause, invite_id, user_id).await.map_err(
            |error| match error {
                RedeemError::Database(error) => Settling::Database(error),
                other => Settling::Refused(Refusal::new("invite", crate::invite::problem(&other))),
            },
        )?;
        to = home(&joined.slug);
    }
    if !belongs_somewhere(&mut tx, user_id).await? {
        return Err(Settling::Refused(uninvited(provider, profile)));
    }
    if let Some(old) = replaced {
        session::end(&mut tx, &cause, old.user_id, old.session_id).await?;
    }
    session::begin(&mut tx, visit, user_id, SessionKind::Browser, prepared).await?;
    let entry = Entry::done("login.succeeded").on("user", user_id);
    audit::insert(
        &mut tx,
        &cause,
        &entry.with(serde_json::json!({ "provider": provider.name, "login": profile.login })),
    )
    .await?;
    tx.commit().await?;
    Ok(to)
}

fn wanted_community(sign_in: &SignIn) -> Result<Option<(CommunityName, CommunitySlug)>, Settling> {
    let (Some(name), Some(slug)) = (&sign_in.community_name, &sign_in.community_slug) else {
        return Ok(None);
    };
    match (name.parse(), slug.parse()) {
        (Ok(name), Ok(slug)) => Ok(Some((name, slug))),
        // They were parsed before they were written.
        _ => Err(Settling::Refused(Refusal::new("damaged", Problem::internal()))),
    }
}

/// The first page of a community.
pub(crate) fn home(slug: &str) -> String {
    format!("/c/{slug}")
}

async fn belongs_somewhere(
    conn: &mut sqlx::PgConnection,
    user_id: UserId,
) -> Result<bool, sqlx::Error> {
    Ok(!users::communities(conn, &[user_id]).await?.is_empty())
}

fn uninvited(provider: &Provider, profile: &Profile) -> Refusal {
    let problem = Problem::new(403, "invite-needed", "You need an invite").with_detail(format!(
        "The account {} of {} is not a member yet. Ask an owner for an invite link, open it, and sign in there.",
        profile.login, provider.title
    ));
    Refusal::new("not invited", problem)
}

/// The sign-in page with what went wrong, or a problem for a program.
async fn refused(gateway: &Gateway, visit: &Visit, mut problem: Problem) -> Answer {
    if !visit.wants_page || problem.status >= 500 {
        return Err(problem.into());
    }
    problem.trace_id = Some(visit.trace.as_str().to_owned());
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::FORBIDDEN);
    let trouble = Trouble {
        title: problem.title,
        detail: problem.detail.unwrap_or_default(),
        trace: problem.trace_id,
    };
    let mut response = login_page(gateway, status, "/", Some(trouble)).await?;
    response.headers_mut().append(SET_COOKIE, gateway.cookies.clear_oauth());
    Ok(response)
}

/// The offer behind an invite code that can still be used.
pub(crate) async fn usable_invite(
    gateway: &Gateway,
    code: &str,
) -> Result<invites::Offer, Failure> {
    let offer = find_invite(gateway, code).await?;
    if offer.usable {
        return Ok(offer);
    }
    let error = if offer.used_up { RedeemError::Used } else { RedeemError::Expired };
    Err(crate::invite::problem(&error).into())
}

/// The offer behind an invite code, usable or not. Everything wrong with a code looks the same from outside.
pub(crate) async fn find_invite(gateway: &Gateway, code: &str) -> Result<invites::Offer, Failure> {
    let unknown = || {
        Failure::from(
            Problem::new(404, "not-found", "This invite does not exist")
                .with_detail("Check that the whole link was copied, or ask for a new one."),
        )
    };
    let token = Token::parse(TokenKind::Invite, code).map_err(|_| unknown())?;
    let mut conn = gateway.pool.acquire().await?;
    let offer = invites::find_offer(&mut conn, token.selector()).await?.ok_or_else(unknown)?;
    drop(conn);
    if verify::matches(&token, &offer.token_hash).await? { Ok(offer) } else { Err(unknown()) }
}

/// 256 random bits as text.
pub(crate) fn random() -> String {
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What the database keeps of a random secret: with 256 random bits one SHA-256 is enough.
pub(crate) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}
