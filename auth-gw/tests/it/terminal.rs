//! Signing in a terminal.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use sha2::{Digest as _, Sha256};

use crate::harness::{Browser, Stack, location, problem};

const VERIFIER: &str = "a-verifier-of-the-terminal-that-is-long-enough";

fn start() -> String {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    format!("/auth/cli/start?port=4711&challenge={challenge}&state=abc&host=ola-thinkpad")
}

/// Answers the page's question; returns where the browser goes.
async fn answer(browser: &mut Browser, ok: &str) -> String {
    let page = browser.open(&start()).await.text().await.unwrap();
    assert!(page.contains("ola-thinkpad") && page.contains("OWNER"), "{page}");
    let field = |name: &str| {
        page.split(&format!("name=\"{name}\" value=\""))
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap()
            .to_owned()
    };
    let fields = [
        ("csrf", field("csrf")),
        ("port", field("port")),
        ("challenge", field("challenge")),
        ("state", field("state")),
    ];
    let mut fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    fields.push(("ok", ok));
    location(&browser.submit("/auth/cli/confirm", &fields).await)
}

async fn exchange(browser: &mut Browser, code: &str, verifier: &str) -> reqwest::Response {
    let request = browser
        .request(Method::POST, "/auth/cli/token")
        .json(&serde_json::json!({ "code": code, "verifier": verifier }));
    browser.send(request).await
}

fn code(callback: &str) -> String {
    url::Url::parse(callback)
        .unwrap()
        .query_pairs()
        .find(|(name, _)| name == "code")
        .unwrap()
        .1
        .into_owned()
}

#[tokio::test]
async fn a_terminal_gets_a_session_of_its_own() {
    let stack = Stack::start().await;
    let mut browser = stack.browser();
    let to_login = location(&browser.open(&start()).await);
    assert!(
        to_login.starts_with("/login?return_to=%2Fauth%2Fcli%2Fstart%3Fport%3D4711"),
        "{to_login}"
    );
    let mut owner = stack.owner().await;
    let callback = answer(&mut owner, "1").await;
    assert!(callback.starts_with("http://127.0.0.1:4711/callback?code="), "{callback}");
    assert!(callback.ends_with("&state=abc"), "{callback}");
    let mut terminal = stack.browser();
    let granted: serde_json::Value =
        exchange(&mut terminal, &code(&callback), VERIFIER).await.json().await.unwrap();
    let token = granted["token"].as_str().unwrap();
    assert!(granted["expires_at"].as_str().unwrap().ends_with('Z'));
    let request = terminal.request(Method::GET, "/api/me").bearer_auth(token);
    assert_eq!(terminal.send(request).await.status(), StatusCode::OK);
    assert_eq!(stack.count("SELECT count(*) FROM sessions WHERE kind = 'terminal'").await, 1);
    assert_eq!(
        problem(exchange(&mut terminal, &code(&callback), VERIFIER).await).await,
        (400, "invalid-grant".to_owned()),
        "once"
    );
}

#[tokio::test]
async fn a_code_needs_its_verifier_and_the_persons_yes() {
    let stack = Stack::start().await;
    let mut owner = stack.owner().await;
    assert!(answer(&mut owner, "0").await.contains("error=access_denied"));
    let callback = answer(&mut owner, "1").await;
    let mut thief = stack.browser();
    assert_eq!(
        exchange(&mut thief, &code(&callback), "another verifier").await.status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        exchange(&mut thief, &code(&callback), VERIFIER).await.status(),
        StatusCode::BAD_REQUEST,
        "the code is used up"
    );
    let forged =
        owner.submit("/auth/cli/confirm", &[("csrf", "x"), ("port", "1"), ("ok", "1")]).await;
    assert_eq!(forged.status(), StatusCode::FORBIDDEN);
    for bad in ["port=0&challenge=x&state=y", "port=4711&challenge=short&state=abc", "challenge=x"]
    {
        assert_eq!(
            owner.open(&format!("/auth/cli/start?{bad}")).await.status(),
            StatusCode::BAD_REQUEST,
            "{bad}"
        );
    }
}
