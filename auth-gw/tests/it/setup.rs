//! The first-run set-up.

use reqwest::{Method, StatusCode};

use crate::harness::{SETUP_TOKEN, Stack, location, problem};

#[tokio::test]
async fn the_schema_constant_names_the_newest_migration() {
    assert_eq!(ajet_shared::db::schema::NEEDED, ajet_migrations::latest());
}

#[tokio::test]
async fn the_token_opens_the_form_and_the_callback_makes_the_community() {
    let stack = Stack::start().await;
    let mut browser = stack.browser();
    let page = browser.open("/login").await.text().await.unwrap();
    assert!(page.contains("Nobody has set this server up yet"), "{page}");
    assert_eq!(browser.open("/setup?token=wrong").await.status(), StatusCode::FORBIDDEN);
    let page = browser.open(&format!("/setup?token={SETUP_TOKEN}")).await;
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(
        policy.contains("form-action 'self' http://localhost:"),
        "the form is sent on to the provider: {policy}"
    );
    let answer = browser
        .submit(
            "/setup",
            &[
                ("token", SETUP_TOKEN),
                ("name", "Saltmarsh"),
                ("slug", "Not a slug"),
                ("provider", "dev"),
            ],
        )
        .await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text().await.unwrap().contains("lower-case letters"));

    let answer = browser.set_up("ola", "Saltmarsh Labs", "saltmarsh").await;
    assert_eq!(answer.status(), StatusCode::OK);
    let page = answer.text().await.unwrap();
    assert!(page.contains(r#"http-equiv="refresh" content="0;url=/c/saltmarsh""#), "{page}");
    assert_eq!(browser.status().await, StatusCode::OK);
    assert_eq!(stack.count("SELECT count(*) FROM community_members WHERE role = 'owner'").await, 1);
    assert_eq!(stack.count("SELECT count(*) FROM channels WHERE name = 'general'").await, 1);

    let mut late = stack.browser();
    assert_eq!(location(&late.open(&format!("/setup?token={SETUP_TOKEN}")).await), "/login");
    let request = late.request(Method::POST, "/setup").form(&[
        ("token", SETUP_TOKEN),
        ("name", "Mine"),
        ("slug", "mine"),
    ]);
    assert_eq!(problem(late.send(request).await).await, (409, "already-set-up".to_owned()));
    assert!(late.open("/login").await.text().await.unwrap().contains("Sign in to Saltmarsh Labs"));
}

#[tokio::test]
async fn of_two_who_set_up_at_once_one_is_late() {
    let stack = Stack::start().await;
    let (mut ola, mut mara) = (stack.browser(), stack.browser());
    let (ola, mara) =
        tokio::join!(ola.set_up("ola", "One", "one"), mara.set_up("mara", "Two", "two"));
    let mut statuses = [ola.status().as_u16(), mara.status().as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    assert_eq!(stack.count("SELECT count(*) FROM communities").await, 1);
    assert_eq!(
        stack.count("SELECT count(*) FROM users WHERE kind = 'human'").await,
        1,
        "the late one has no account"
    );
}

#[tokio::test]
async fn without_the_token_nothing_begins() {
    let stack = Stack::start().await;
    let mut browser = stack.browser();
    let request = browser.request(Method::POST, "/setup").form(&[
        ("token", "guessed"),
        ("name", "Mine"),
        ("provider", "dev"),
    ]);
    assert_eq!(problem(browser.send(request).await).await, (403, "setup-token".to_owned()));
    let request = browser
        .request(Method::POST, "/setup")
        .header("sec-fetch-site", "cross-site")
        .form(&[("token", SETUP_TOKEN), ("name", "Mine"), ("provider", "dev")]);
    assert_eq!(problem(browser.send(request).await).await, (403, "csrf".to_owned()));
    assert_eq!(stack.count("SELECT count(*) FROM oauth_tx").await, 0);
}

#[tokio::test]
async fn who_guesses_the_token_is_locked_out() {
    let stack = Stack::start_with(&["--limit-badtoken=2/60"]).await;
    let mut guesser = stack.browser();
    for _ in 0..3 {
        assert_eq!(guesser.open("/setup?token=guess").await.status(), StatusCode::FORBIDDEN);
    }
    let answer = guesser.open(&format!("/setup?token={SETUP_TOKEN}")).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn looking_at_the_set_up_counts_as_signing_in() {
    let stack = Stack::start_with(&["--limit-auth=2/60"]).await;
    let mut browser = stack.browser();
    for status in [StatusCode::OK, StatusCode::OK, StatusCode::TOO_MANY_REQUESTS] {
        let answer = browser.open(&format!("/setup?token={SETUP_TOKEN}")).await;
        assert_eq!(answer.status(), status);
    }
}
