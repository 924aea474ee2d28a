//! Signing a terminal in through the browser (RFC 8252 loopback redirect with PKCE, delivery-and-security.md section 3.1).

use ajet_shared::db::audit::{self, Entry};
use ajet_shared::db::sessions::SessionKind;
use ajet_shared::db::{login_codes, users};
use ajet_shared::names::is_invisible;
use ajet_shared::problem::Problem;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::address::with_parameter;
use crate::answer::{Answer, Failure, json, see_other};
use crate::csrf;
use crate::forms::Form;
use crate::gateway::Gateway;
use crate::pages::{self, Terminal};
use crate::session;
use crate::sign_in::{digest, random};
use crate::visit::{Caller, Visit};

/// Characters of a SHA-256 in base64url: a PKCE challenge.
const CHALLENGE_CHARS: usize = 43;
/// Characters of a state or of the computer's name.
const TEXT_CHARS_MAX: usize = 128;

/// What a terminal asks for.
struct Request {
    port: u16,
    challenge: String,
    state: String,
}

impl Request {
    fn parse(port: &str, challenge: &str, state: &str) -> Result<Self, Failure> {
        let port = port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| Failure::bad_request("The parameter port is not a port."))?;
        let base64url =
            |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if challenge.len() != CHALLENGE_CHARS || !base64url(challenge) {
            return Err(Failure::bad_request(
                "The parameter challenge is not a SHA-256 in base64url.",
            ));
        }
        if state.is_empty() || state.len() > TEXT_CHARS_MAX || !base64url(state) {
            return Err(Failure::bad_request(
                "The parameter state is missing, or is not base64url.",
            ));
        }
        Ok(Self { port, challenge: challenge.to_owned(), state: state.to_owned() })
    }

    /// Back to the terminal, which listens on this very computer.
    fn back(&self, name: &str, value: &str) -> String {
        let to = with_parameter(&format!("http://127.0.0.1:{}/callback", self.port), name, value);
        with_parameter(&to, "state", &self.state)
    }

    fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// `GET /auth/cli/start?port=&challenge=&state=[&host=]`: asks the person at the browser.
pub(crate) async fn ask(gateway: &Gateway, visit: &Visit, caller: Option<&Caller>) -> Answer {
    let request = Request::parse(
        &visit.require("port")?,
        &visit.require("challenge")?,
        &visit.require("state")?,
    )?;
    let Some(caller) = caller else {
        return see_other(&with_parameter("/login", "return_to", &visit.target()));
    };
    let mut conn = gateway.pool.acquire().await?;
    let me = users::me(&mut conn, caller.user_id()).await?.ok_or_else(Problem::unauthenticated)?;
    drop(conn);
    let host = visit
        .parameter("host")
        .map(|host| host.chars().filter(|c| !is_invisible(*c)).take(64).collect::<String>());
    let origin = request.origin();
    let page = Terminal {
        csrf: csrf::token(caller.token()),
        port: request.port,
        challenge: request.challenge,
        state: request.state,
        host: host.filter(|host| !host.trim().is_empty()),
        person: me.user.display_name,
    };
    pages::page(StatusCode::OK, &page, &[&origin])
}

/// `POST /auth/cli/confirm`: the person said yes or no.
pub(crate) async fn confirm(
    gateway: &Gateway,
    visit: &Visit,
    caller: &Caller,
    form: &Form,
) -> Answer {
    gateway.require_own_form(visit, caller, form.get("csrf")).await?;
    let request = Request::parse(form.get("port"), form.get("challenge"), form.get("state"))?;
    if form.get("ok") != "1" {
        return see_other(&request.back("error", "access_denied"));
    }
    // A token must not beget sessions, which may do more than it.
    if caller.identity.session_id.is_none() {
        return Err(Problem::new(403, "session-required", "You may not do this").into());
    }
    let code = random();
    let mut conn = gateway.pool.acquire().await?;
    login_codes::insert_loopback(&mut conn, &digest(&code), caller.user_id(), &request.challenge)
        .await?;
    drop(conn);
    see_other(&request.back("code", &code))
}

/// The body of `POST /auth/cli/token`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exchange {
    code: String,
    verifier: String,
}

/// The answer: the session's token, shown once.
#[derive(Serialize)]
struct Exchanged<'a> {
    token: &'a str,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// `POST /auth/cli/token`: the terminal exchanges its code for a session.
pub(crate) async fn exchange(gateway: &Gateway, visit: &Visit, exchange: Exchange) -> Answer {
    gateway.limit_sign_in(visit).await?;
    let prepared = session::prepare().await?;
    let (_turn, mut tx) = gateway.begin().await?;
    let code = login_codes::take_loopback(&mut tx, &digest(&exchange.code)).await?;
    let fits = |code: &login_codes::LoginCode| {
        URL_SAFE_NO_PAD.encode(digest(&exchange.verifier)) == code.challenge
    };
    let Some(code) = code.filter(fits) else {
        // The code is used up also when the verifier is wrong: whoever guesses has one try.
        tx.commit().await?;
        gateway.note_wrong_credentials(visit).await;
        gateway
            .audit(
                visit,
                None,
                &Entry::denied("login.failed")
                    .with(serde_json::json!({ "reason": "terminal code" })),
            )
            .await;
        return Err(Problem::new(400, "invalid-grant", "This code is not valid")
            .with_detail("It is unknown, used, older than a minute, or the verifier does not fit. Start `ajet-chat login` again.")
            .into());
    };
    let expires_at =
        session::begin(&mut tx, visit, code.user_id, SessionKind::Terminal, &prepared).await?;
    let cause = visit.cause(Some(code.user_id));
    let entry = Entry::done("login.succeeded").on("user", code.user_id);
    audit::insert(&mut tx, &cause, &entry.with(serde_json::json!({ "provider": "terminal" })))
        .await?;
    tx.commit().await?;
    Ok(json(&Exchanged { token: prepared.token.expose(), expires_at }))
}
