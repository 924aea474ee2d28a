//! Limits, and what they tell.

use reqwest::{Method, StatusCode};

use crate::harness::Stack;

#[tokio::test]
async fn a_limit_tells_how_much_is_left_and_when_to_come_back() {
    let stack = Stack::start_with(&["--limit-msg=2/60"]).await;
    let owner = stack.owner().await;
    let token = owner.session().unwrap().to_owned();
    let mut bot = stack.browser();
    let mut post = async || {
        let request = bot
            .request(Method::POST, "/api/channels/1/messages")
            .bearer_auth(&token)
            .json(&serde_json::json!({}));
        bot.send(request).await
    };
    let first = post().await;
    assert_eq!(first.headers()["ratelimit-policy"], "\"msg\";q=2;w=60");
    assert_eq!(first.headers()["ratelimit"], "\"msg\";r=1;t=30");
    assert_eq!(post().await.status(), StatusCode::OK);
    let refused = post().await;
    let wait: u32 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{wait}");
    assert!(refused.headers()["ratelimit"].to_str().unwrap().starts_with("\"msg\";r=0;t="));
    let told: serde_json::Value = refused.json().await.unwrap();
    assert_eq!((&told["type"], &told["policy"]), (&"/problems/rate-limited".into(), &"msg".into()));
    // Reading is another matter.
    let request = bot.request(Method::GET, "/api/channels/1/messages").bearer_auth(&token);
    assert_eq!(bot.send(request).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn sign_ins_are_counted_over_all_gateways() {
    let stack = Stack::start_with(&["--limit-auth-hour=3/3600"]).await;
    let mut browser = stack.browser();
    for _ in 0..3 {
        assert_eq!(browser.open("/auth/dev/start").await.status(), StatusCode::SEE_OTHER);
    }
    let refused = browser.open("/auth/dev/start").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn wrong_tokens_lock_an_address_out() {
    let stack = Stack::start_with(&["--limit-badtoken=3/60"]).await;
    let owner = stack.owner().await;
    let mut guesser = stack.browser();
    let mut statuses = Vec::new();
    for n in 0..6 {
        let request = guesser.request(Method::GET, "/api/me").bearer_auth(format!("ajs_guess{n}"));
        statuses.push(guesser.send(request).await.status().as_u16());
    }
    assert_eq!(statuses, [401, 401, 401, 401, 429, 429]);
    assert!(stack.audit().await.contains(&"address.locked_out denied".to_owned()));
    let mut owner = owner;
    assert_eq!(owner.status().await, StatusCode::OK, "who has the right token is not hit");
}

#[tokio::test]
async fn too_many_streams_are_refused() {
    let stack = Stack::start_with(&["--streams-per-session=2"]).await;
    let owner = stack.owner().await;
    let token = owner.session().unwrap().to_owned();
    let mut bot = stack.browser();
    let mut open = async || {
        let request = bot.request(Method::GET, "/ws/tui/events").bearer_auth(&token);
        bot.send(request).await
    };
    let (one, two) = (open().await, open().await);
    assert_eq!((one.status(), two.status()), (StatusCode::OK, StatusCode::OK));
    assert_eq!(open().await.status(), StatusCode::TOO_MANY_REQUESTS);
    // A page is told in band, because it would try again at once.
    let page =
        owner.request(Method::GET, "/sse").header("datastar-request", "true").send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/event-stream");
    let text = page.text().await.unwrap();
    assert!(text.starts_with("retry: 30000\nevent: datastar-patch-elements\n"), "{text}");
    assert!(text.contains(r#"data: elements <div id="banner" "#), "{text}");
    drop(one);
    crate::harness::eventually("a place is free", async || open().await.status() == StatusCode::OK)
        .await;
}

#[tokio::test]
async fn one_ipv6_household_counts_as_one() {
    let stack =
        Stack::start_with(&["--limit-auth-hour=1/3600", "--trusted-proxies=127.0.0.0/8"]).await;
    let mut browser = stack.browser();
    let mut start = async |ip: &str| {
        let request = browser.request(Method::GET, "/auth/dev/start").header("x-forwarded-for", ip);
        browser.send(request).await.status()
    };
    assert_eq!(start("2001:db8::1").await, StatusCode::SEE_OTHER);
    assert_eq!(start("2001:db8::2").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(start("2001:db8:0:1::1").await, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn invites_are_tried_only_so_often_over_the_api_too() {
    let stack = Stack::start_with(&["--limit-invite-redeem=1/60"]).await;
    let mut owner = stack.owner().await;
    let token = owner.session().unwrap().to_owned();
    owner.cookies.clear();
    let mut accept = async || {
        let request = owner
            .request(Method::POST, "/api/invites/accept")
            .bearer_auth(&token)
            .json(&serde_json::json!({ "code": "guess" }));
        owner.send(request).await
    };
    assert_eq!(accept().await.headers()["ratelimit-policy"], "\"invite-redeem\";q=1;w=60");
    assert_eq!(accept().await.status(), StatusCode::TOO_MANY_REQUESTS);
}
