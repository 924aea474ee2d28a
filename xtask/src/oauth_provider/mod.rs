//! The development OAuth provider: a standards-following OAuth 2 server that lets anybody be anybody.
//!
//! Authorization code with PKCE (S256) as in RFC 6749 and RFC 7636; paths and the user's shape are those of Gitea,
//! which are close to GitHub's. It listens on `localhost` while the application is on `127.0.0.1`, so that the two are
//! different *sites* to a browser and the cookie rules are really at work.

mod page;

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Redirect, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::demo::PEOPLE;
use crate::secrets;

/// How long a code may wait to be exchanged.
const CODE_LIFE: Duration = Duration::from_mins(1);

/// What the application is registered as.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    /// Its id.
    pub(crate) id: String,
    /// Its secret.
    pub(crate) secret: String,
    /// Where it may be sent back to.
    pub(crate) redirect_uris: Vec<String>,
}

/// A running provider.
#[derive(Debug)]
pub(crate) struct OauthProvider {
    /// Its base URL.
    pub(crate) url: String,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl OauthProvider {
    /// Starts a provider that knows one client.
    pub(crate) async fn start(port: u16, client: Client) -> anyhow::Result<Self> {
        let router = router(client);
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let ipv4 = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .context("the sign-in provider's port")?;
        // `localhost` is this one too, where there is IPv6.
        let ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await.ok();
        for listener in [Some(ipv4), ipv6].into_iter().flatten() {
            let (router, stop) = (router.clone(), stop.clone());
            tasks.spawn(async move {
                let serving = axum::serve(listener, router).into_future();
                if let Some(Err(error)) = stop.run_until_cancelled(serving).await {
                    tracing::error!(%error, "the sign-in provider has stopped");
                }
            });
        }
        Ok(Self { url: format!("http://localhost:{port}"), stop, tasks })
    }

    /// Stops it.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// A code that has been given out.
struct Grant {
    login: String,
    redirect_uri: String,
    challenge: String,
    given: Instant,
}

struct Provider {
    client: Client,
    codes: Mutex<HashMap<String, Grant>>,
    tokens: Mutex<HashMap<String, String>>,
}

fn router(client: Client) -> axum::Router {
    let provider = Provider { client, codes: Mutex::default(), tokens: Mutex::default() };
    axum::Router::new()
        .route("/", get(async || page::home()))
        .fallback(async || (StatusCode::NOT_FOUND, page::home()))
        .route("/login/oauth/authorize", get(authorize).post(decide))
        .route("/login/oauth/access_token", post(exchange))
        .route("/api/v1/user", get(user))
        .with_state(Arc::new(provider))
}

/// An authorization request, as it comes in the query and goes through the page's form.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Request {
    client_id: String,
    redirect_uri: String,
    response_type: String,
    state: String,
    scope: String,
    code_challenge: String,
    code_challenge_method: String,
    /// Skips the page, in the query; the person chosen, in the form.
    login: Option<String>,
    /// The person typed, in the form.
    other: Option<String>,
    /// Set by the page's "cancel".
    cancel: Option<String>,
}

async fn authorize(
    State(provider): State<Arc<Provider>>,
    Query(request): Query<Request>,
) -> Response {
    let answer = match provider.check(&request) {
        Err(response) => *response,
        Ok(back) => match request.login.clone() {
            Some(login) => provider.sign_in(&request, back, &login),
            None => page::sign_in(&request, None).into_response(),
        },
    };
    uncached(answer)
}

async fn decide(State(provider): State<Arc<Provider>>, Form(request): Form<Request>) -> Response {
    let answer = match provider.check(&request) {
        Err(response) => *response,
        Ok(back) if request.cancel.is_some() => send_back(
            back,
            &request,
            &[("error", "access_denied"), ("error_description", "The person said no.")],
        ),
        Ok(back) => {
            let login = request.login.clone().or_else(|| request.other.clone()).unwrap_or_default();
            provider.sign_in(&request, back, &login)
        }
    };
    uncached(answer)
}

impl Provider {
    /// Checks everything but who signs in. Nothing is sent to an address that is not registered.
    fn check(&self, request: &Request) -> Result<Url, Box<Response>> {
        let refuse =
            |text: &str| Box::new((StatusCode::BAD_REQUEST, page::refusal(text)).into_response());
        if request.client_id != self.client.id {
            return Err(refuse("No application is registered here by this client_id."));
        }
        let registered = self.client.redirect_uris.contains(&request.redirect_uri);
        let Some(back) = Url::parse(&request.redirect_uri).ok().filter(|_| registered) else {
            return Err(refuse("This redirect_uri is not one of the application's."));
        };
        let problem = if request.response_type != "code" {
            ("unsupported_response_type", "Only response_type=code is supported.")
        } else if request.code_challenge_method != "S256" {
            ("invalid_request", "PKCE with code_challenge_method=S256 is required.")
        } else if request.code_challenge.len() != 43 {
            ("invalid_request", "The code_challenge is not a SHA-256.")
        } else {
            return Ok(back);
        };
        Err(Box::new(send_back(
            back,
            request,
            &[("error", problem.0), ("error_description", problem.1)],
        )))
    }

    fn sign_in(&self, request: &Request, back: Url, login: &str) -> Response {
        let login = login.trim().to_lowercase();
        if !is_login(&login) {
            let problem = "A name has 2 to 32 letters, digits, dots, dashes or underscores, and begins with a letter or digit.";
            return (StatusCode::UNPROCESSABLE_ENTITY, page::sign_in(request, Some(problem)))
                .into_response();
        }
        let code = secrets::random();
        let grant = Grant {
            login,
            redirect_uri: request.redirect_uri.clone(),
            challenge: request.code_challenge.clone(),
            given: Instant::now(),
        };
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        codes.retain(|_, grant| grant.given.elapsed() < CODE_LIFE);
        codes.insert(code.clone(), grant);
        drop(codes);
        send_back(back, request, &[("code", &code)])
    }

    /// Whether the request comes from the application, which names itself in the form or by HTTP Basic.
    fn knows(&self, headers: &HeaderMap, form: &Exchange) -> bool {
        let basic = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
            .and_then(|encoded| String::from_utf8(STANDARD.decode(encoded).ok()?).ok());
        match basic {
            Some(pair) => pair == format!("{}:{}", self.client.id, self.client.secret),
            None => form.client_id == self.client.id && form.client_secret == self.client.secret,
        }
    }
}

/// A token request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Exchange {
    grant_type: String,
    code: String,
    redirect_uri: String,
    code_verifier: String,
    client_id: String,
    client_secret: String,
}

async fn exchange(
    State(provider): State<Arc<Provider>>,
    headers: HeaderMap,
    Form(form): Form<Exchange>,
) -> Response {
    let refuse = |status: StatusCode, error: &str, description: &str| {
        uncached(
            (status, Json(json!({ "error": error, "error_description": description })))
                .into_response(),
        )
    };
    if !provider.knows(&headers, &form) {
        let mut refusal =
            refuse(StatusCode::UNAUTHORIZED, "invalid_client", "Wrong client_id or client_secret.");
        refusal
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Basic"));
        return refusal;
    }
    if form.grant_type != "authorization_code" {
        return refuse(
            StatusCode::BAD_REQUEST,
            "unsupported_grant_type",
            "Only authorization_code is supported.",
        );
    }
    // Removed first: a code works once, also for a request that fails.
    let grant = provider.codes.lock().unwrap_or_else(PoisonError::into_inner).remove(&form.code);
    let invalid = |description: &str| refuse(StatusCode::BAD_REQUEST, "invalid_grant", description);
    let Some(grant) = grant.filter(|grant| grant.given.elapsed() < CODE_LIFE) else {
        return invalid("The code is unknown, used or too old.");
    };
    if grant.redirect_uri != form.redirect_uri {
        return invalid("The redirect_uri differs from the one the code was made for.");
    }
    if URL_SAFE_NO_PAD.encode(Sha256::digest(&form.code_verifier)) != grant.challenge {
        return invalid("The code_verifier does not fit the code_challenge.");
    }
    let token = secrets::random();
    provider
        .tokens
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(token.clone(), grant.login);
    uncached(
        Json(json!({ "access_token": token, "token_type": "bearer", "scope": "read:user" }))
            .into_response(),
    )
}

async fn user(State(provider): State<Arc<Provider>>, headers: HeaderMap) -> Response {
    let authorization = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let (scheme, token) = authorization.split_once(' ').unwrap_or_default();
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    let login = provider.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned();
    let Some(login) = login.filter(|_| known) else {
        let challenge = [(header::WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#)];
        return (
            StatusCode::UNAUTHORIZED,
            challenge,
            Json(json!({ "message": "Bad credentials" })),
        )
            .into_response();
    };
    let (id, name) = identity(&login);
    uncached(
        Json(json!({
            "id": id,
            "login": login,
            "name": name,
            "full_name": name,
            "email": format!("{login}@example.org"),
            "avatar_url": "",
        }))
        .into_response(),
    )
}

/// Id and name of a login: fixed for the demo's people, derived from the login for everybody else.
fn identity(login: &str) -> (u64, String) {
    if let Some(person) = PEOPLE.iter().find(|person| person.login == login) {
        return (person.id, person.name.to_owned());
    }
    let digest = Sha256::digest(login);
    // 48 bits: exact in every JSON reader, and far from the small ids of the demo.
    let id = digest.iter().take(6).fold(0, |id, byte| id << 8 | u64::from(*byte)) | 1 << 47;
    let mut letters = login.chars();
    let name = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    (id, name)
}

fn is_login(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (2..=32).contains(&text.len())
        && text.bytes().all(inner)
        && text.as_bytes()[0].is_ascii_alphanumeric()
}

/// Sends the browser back to the application with an answer.
fn send_back(mut back: Url, request: &Request, answer: &[(&str, &str)]) -> Response {
    back.query_pairs_mut().extend_pairs(answer);
    if !request.state.is_empty() {
        back.query_pairs_mut().append_pair("state", &request.state);
    }
    Redirect::to(back.as_str()).into_response()
}

fn uncached(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::{identity, is_login};

    #[test]
    fn an_identity_is_stable_and_its_own() {
        assert_eq!(identity("mara"), (2, "Mara Voss".to_owned()));
        assert_eq!(identity("zoe"), identity("zoe"));
        assert_ne!(identity("zoe").0, identity("zoé").0);
        assert_eq!(identity("zoe").1, "Zoe");
        assert!(identity("zoe").0 > 1_000);
    }

    #[test]
    fn login_names_are_plain() {
        assert!(is_login("zoe") && is_login("z.o-e_9"));
        assert!(
            !is_login("z")
                && !is_login("")
                && !is_login(".zoe")
                && !is_login("zoé")
                && !is_login("a b")
        );
    }
}
