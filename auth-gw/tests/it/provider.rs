//! A small sign-in provider, with the faults that a test asks for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Redirect, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

type Fields = HashMap<String, String>;

/// A person at the provider: id, login, e-mail.
type Person = (u64, String, String);

/// What the provider remembers.
#[derive(Default)]
pub(crate) struct Provider {
    people: Mutex<HashMap<String, Person>>,
    codes: Mutex<HashMap<String, (String, Fields)>>,
    /// Answers every exchange with an error.
    pub(crate) broken: std::sync::atomic::AtomicBool,
}

impl Provider {
    /// Starts one and returns its address.
    pub(crate) async fn start() -> (Arc<Self>, String) {
        let provider = Arc::<Self>::default();
        let router = axum::Router::new()
            .route("/login/oauth/authorize", get(authorize))
            .route("/login/oauth/access_token", post(exchange))
            .route("/api/v1/user", get(user))
            .with_state(provider.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        // Another site than the gateway's.
        (provider, format!("http://localhost:{}", address.port()))
    }

    /// Makes somebody known.
    pub(crate) fn person(&self, login: &str, id: u64, email: &str) {
        self.people
            .lock()
            .unwrap()
            .insert(login.to_owned(), (id, login.to_owned(), email.to_owned()));
    }
}

async fn authorize(
    State(provider): State<Arc<Provider>>,
    Query(request): Query<Fields>,
) -> Response {
    assert_eq!(request["code_challenge_method"], "S256");
    let back = &request["redirect_uri"];
    let state = &request["state"];
    let Some(login) = request.get("login") else {
        return Redirect::to(&format!("{back}?error=access_denied&state={state}")).into_response();
    };
    let code = format!("code-{}", provider.codes.lock().unwrap().len());
    provider.codes.lock().unwrap().insert(code.clone(), (login.clone(), request.clone()));
    Redirect::to(&format!("{back}?code={code}&state={state}")).into_response()
}

async fn exchange(State(provider): State<Arc<Provider>>, Form(form): Form<Fields>) -> Response {
    if provider.broken.load(std::sync::atomic::Ordering::Relaxed) {
        return (StatusCode::INTERNAL_SERVER_ERROR, "<html>garbage").into_response();
    }
    let Some((login, request)) = provider.codes.lock().unwrap().remove(&form["code"]) else {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" })))
            .into_response();
    };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    let fits = challenge == request["code_challenge"]
        && form["redirect_uri"] == request["redirect_uri"]
        && form["client_secret"] == "secret";
    if !fits {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" })))
            .into_response();
    }
    Json(json!({ "access_token": format!("token-{login}"), "token_type": "bearer" }))
        .into_response()
}

async fn user(State(provider): State<Arc<Provider>>, headers: HeaderMap) -> Response {
    let bearer = headers["authorization"].to_str().unwrap();
    let login = bearer.strip_prefix("Bearer token-").unwrap();
    assert!(headers["user-agent"].to_str().unwrap().starts_with("ajet-chat/"));
    let people = provider.people.lock().unwrap();
    let (id, login, email) = people.get(login).cloned().unwrap_or_else(|| {
        let id =
            login.bytes().fold(7_u64, |id, byte| id.wrapping_mul(31).wrapping_add(byte.into()))
                & (u64::MAX >> 1);
        (id, login.to_owned(), format!("{login}@example.org"))
    });
    Json(json!({ "id": id, "login": login, "full_name": login.to_uppercase(), "email": email }))
        .into_response()
}
