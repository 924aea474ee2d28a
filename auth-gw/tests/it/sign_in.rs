//! Signing in and out.

use std::sync::atomic::Ordering;

use reqwest::{Method, StatusCode};

use crate::harness::{Stack, eventually, location, problem};

#[tokio::test]
async fn the_callback_answers_with_a_page_and_a_session() {
    let stack = Stack::start().await;
    let mut owner = stack.owner().await;
    let first = owner.session().unwrap().to_owned();
    let answer = owner.open("/auth/dev/start?return_to=%2Fc%2Fsaltmarsh%3Fthread%3D1").await;
    assert!(location(&answer).starts_with("http://localhost:"));
    let callback = owner.through_provider(answer, "owner").await;
    // The way back begins on another site: the browser keeps the strict cookie back.
    owner.cookies.remove("ajet_session");
    let answer = owner.open(&callback).await;
    assert_eq!(answer.status(), StatusCode::OK, "no redirect: it would lose the strict cookie");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert_eq!(answer.headers()["referrer-policy"], "no-referrer");
    let cookie = answer
        .headers()
        .get_all("set-cookie")
        .iter()
        .map(|value| value.to_str().unwrap().to_owned())
        .collect::<Vec<_>>();
    assert!(
        cookie
            .iter()
            .any(|cookie| cookie.starts_with("ajet_session=ajs_")
                && cookie.contains("SameSite=Strict")),
        "{cookie:?}"
    );
    assert!(answer.text().await.unwrap().contains("url=/c/saltmarsh?thread=1"));
    assert_ne!(owner.session().unwrap(), first, "a new token at every sign-in");
    assert!(!owner.cookies.contains_key("ajet_oauth"));
    // The session that was there before is over, within the second that its state may be remembered.
    let mut old = stack.browser();
    old.cookies.insert("ajet_session".to_owned(), first);
    eventually("the old session is over", async || old.status().await == StatusCode::UNAUTHORIZED)
        .await;
    assert_eq!(
        location(&owner.open("/login?return_to=/x").await),
        "/x",
        "who is signed in needs no sign-in page"
    );
}

#[tokio::test]
async fn a_callback_counts_once() {
    let stack = Stack::start().await;
    let mut owner = stack.owner().await;
    let before = stack.count("SELECT count(*) FROM sessions").await;
    owner.cookies.remove("ajet_session");
    let answer = owner.open("/auth/dev/start").await;
    let callback = owner.through_provider(answer, "owner").await;
    let replays = (0..20).map(|_| {
        let mut browser = owner.clone();
        let callback = callback.clone();
        async move { browser.open(&callback).await.status().as_u16() }
    });
    let statuses = futures::future::join_all(replays).await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 19, "{statuses:?}");
    assert_eq!(stack.count("SELECT count(*) FROM sessions").await, before + 1);
}

#[tokio::test]
async fn a_callback_belongs_to_its_browser_and_its_provider() {
    let stack = Stack::start().await;
    let mut owner = stack.owner().await;
    owner.cookies.clear();
    for query in ["", "?state=unknown&code=x", "?code=x"] {
        let answer = owner.open(&format!("/auth/callback/dev{query}")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
    }
    // The attacker's callback in the victim's browser.
    let answer = owner.open("/auth/dev/start").await;
    let callback = owner.through_provider(answer, "owner").await;
    assert_eq!(stack.browser().open(&callback).await.status(), StatusCode::BAD_REQUEST);
    // The code of one provider at the other's callback.
    let answer = owner.open("/auth/dev/start").await;
    let callback = owner.through_provider(answer, "owner").await;
    let answer = owner.open(&callback.replace("/callback/dev", "/callback/other")).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    assert!(owner.session().is_none());
    assert!(stack.audit().await.contains(&"login.failed denied".to_owned()));
}

#[tokio::test]
async fn strangers_need_an_invite_and_e_mail_addresses_mean_nothing() {
    let stack = Stack::start().await;
    stack.owner().await;
    stack.provider.person("stranger", 4_242, "owner@example.org");
    let mut stranger = stack.browser();
    let answer = stranger.sign_in("stranger", "").await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let page = answer.text().await.unwrap();
    assert!(page.contains("You need an invite") && page.contains("Trace "), "{page}");
    assert!(stranger.session().is_none());
    assert_eq!(
        stack.count("SELECT count(*) FROM users WHERE kind = 'human'").await,
        1,
        "no account was made"
    );
    // A recycled login name with another id is somebody else.
    stack.provider.person("owner", 4_243, "owner@example.org");
    assert_eq!(stranger.sign_in("owner", "").await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_broken_provider_gives_a_clear_page() {
    let stack = Stack::start().await;
    stack.owner().await;
    stack.provider.broken.store(true, Ordering::Relaxed);
    let mut browser = stack.browser();
    let answer = browser.sign_in("owner", "").await;
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert!(answer.text().await.unwrap().contains("did not confirm who you are"));
}

#[tokio::test]
async fn who_says_no_at_the_provider_comes_back_to_the_sign_in_page() {
    let stack = Stack::start().await;
    stack.owner().await;
    let mut browser = stack.browser();
    let answer = browser.open("/auth/dev/start").await;
    let state = url::Url::parse(&location(&answer))
        .unwrap()
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap()
        .1
        .into_owned();
    let answer =
        browser.open(&format!("/auth/callback/dev?error=access_denied&state={state}")).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(answer.text().await.unwrap().contains("You did not sign in"));
}

#[tokio::test]
async fn a_suspended_user_is_out_within_a_second() {
    let stack = Stack::start().await;
    let mut owner = stack.owner().await;
    assert_eq!(owner.status().await, StatusCode::OK);
    sqlx::query("UPDATE users SET suspended_at = now() WHERE kind = 'human'")
        .execute(&stack.db)
        .await
        .unwrap();
    tokio::time::sleep(ajet_shared::verify::STATE_AGE_MAX).await;
    assert_eq!(owner.status().await, StatusCode::UNAUTHORIZED);
    assert_eq!(owner.sign_in("owner", "").await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn signing_out_ends_the_session_everywhere() {
    let stack = Stack::start().await;
    let mut owner = stack.owner().await;
    let token = owner.session().unwrap().to_owned();
    assert_eq!(
        owner.open("/auth/logout").await.status(),
        StatusCode::METHOD_NOT_ALLOWED,
        "an image must not sign anybody out"
    );
    let request =
        owner.request(Method::POST, "/auth/logout").header("sec-fetch-site", "same-origin");
    assert_eq!(
        problem(owner.send(request).await).await,
        (403, "csrf".to_owned()),
        "without the header"
    );
    assert_eq!(owner.status().await, StatusCode::OK);
    let request = owner
        .request(Method::POST, "/auth/logout")
        .header("sec-fetch-site", "same-origin")
        .header("x-ajet-csrf", "1");
    let answer = owner.send(request).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(answer.headers()["clear-site-data"], "\"cache\", \"storage\"");
    assert!(owner.session().is_none(), "the cookie is taken away");
    let mut thief = stack.browser();
    thief.cookies.insert("ajet_session".to_owned(), token);
    assert_eq!(thief.status().await, StatusCode::UNAUTHORIZED, "at once in this gateway");
    assert_eq!(stack.count("SELECT count(*) FROM sessions").await, 0);
    assert_eq!(stack.count("SELECT count(*) FROM outbox WHERE type = 'session.revoked' AND subject LIKE 'chat.notifications.%'").await, 1);
    assert!(stack.audit().await.contains(&"session.ended ok".to_owned()));
}

#[tokio::test]
async fn of_too_many_sessions_the_oldest_ends() {
    let stack = Stack::start().await;
    let first = stack.owner().await;
    // The clock of the gateway that made it was ahead, and its id says so.
    let ahead = "UPDATE sessions SET id = 'ffffffff-ffff-7fff-bfff-ffffffffffff'";
    sqlx::query(ahead).execute(&stack.db).await.unwrap();
    for _ in 0..20 {
        let mut browser = stack.browser();
        assert_eq!(browser.sign_in("owner", "").await.status(), StatusCode::OK);
    }
    assert_eq!(stack.count("SELECT count(*) FROM sessions").await, 20);
    assert_eq!(stack.count("SELECT count(*) FROM outbox WHERE type = 'session.revoked'").await, 1);
    let mut first = first;
    eventually("the oldest is over", async || first.status().await == StatusCode::UNAUTHORIZED)
        .await;
}

#[tokio::test]
async fn ways_back_stay_on_the_site() {
    let stack = Stack::start().await;
    let mut owner = stack.owner().await;
    for evil in [
        "//evil",
        "/%5Cevil",
        "https%3A%2F%2Fevil",
        "javascript%3Aalert(1)",
        "%2F%250d%250aSet-Cookie%3Ax",
    ] {
        let page =
            owner.sign_in("owner", &format!("?return_to={evil}")).await.text().await.unwrap();
        assert!(page.contains("content=\"0;url=/\""), "{evil}: {page}");
    }
}
