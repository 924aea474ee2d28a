//! What does not come in (delivery-and-security.md section 5, edge, sessions and CSRF).

use ajet_shared::token::{Token, TokenKind};
use reqwest::{Method, StatusCode};

use crate::harness::{Stack, problem};

#[tokio::test]
async fn malformed_requests_get_their_status() {
    let stack = Stack::start().await;
    let host = stack.host().to_owned();
    let head = |rest: &str| format!("GET /api/me HTTP/1.1\r\nHost: {host}\r\n{rest}\r\n");
    let many = (0..70).fold(String::new(), |text, n| format!("{text}X-{n}: 1\r\n"));
    let cases: Vec<(String, &str)> = vec![
        (head(&many), "431"),
        (head(&format!("X-Long: {}\r\n", "x".repeat(17 * 1024))), "431"),
        (format!("GET /{} HTTP/1.1\r\nHost: {host}\r\n\r\n", "x".repeat(9 * 1024)), "414"),
        (head("X_Forwarded_User: admin\r\n"), "400"),
        (head("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"), "400"),
        (head("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n"), "400"),
        (head("Content-Length: 3\r\nContent-Length: 4\r\n"), "400"),
        (head("Transfer-Encoding: xchunked\r\n"), "400"),
        (head("X-A: b\r\n folded\r\n"), "400"),
        (head("X-A : b\r\n"), "400"),
        (format!("GET /api/me HTTP/1.1\nHost: {host}\n\n"), "400"),
        (format!("TRACE / HTTP/1.1\r\nHost: {host}\r\n\r\n"), "405"),
        (format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n"), "405"),
        (
            format!(
                "OPTIONS /api/me HTTP/1.1\r\nHost: {host}\r\nOrigin: https://evil.example\r\n\r\n"
            ),
            "405",
        ),
        (format!("GET /api/../internal/events HTTP/1.1\r\nHost: {host}\r\n\r\n"), "400"),
        (format!("GET /api/%2e%2e/internal HTTP/1.1\r\nHost: {host}\r\n\r\n"), "400"),
        (format!("GET /api%2fme HTTP/1.1\r\nHost: {host}\r\n\r\n"), "400"),
        (format!("GET //evil.example/ HTTP/1.1\r\nHost: {host}\r\n\r\n"), "400"),
        (format!("GET /api/me;a=b HTTP/1.1\r\nHost: {host}\r\n\r\n"), "400"),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(), "421"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "400"),
    ];
    for (request, status) in cases {
        let answer = stack.raw(request.as_bytes()).await;
        let shown: String = request.chars().take(120).collect();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown:?}: {answer}");
        assert!(!answer.contains("evil"), "nothing is reflected: {answer}");
    }
    // Smuggled: the connection is closed, the second request never answered.
    let smuggled = format!(
        "POST /login HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /login HTTP/1.1\r\nHost: {host}\r\n\r\n"
    );
    let answer = stack.raw(smuggled.as_bytes()).await;
    assert!(answer.ends_with("<closed>") && answer.matches("HTTP/1.1 ").count() == 1, "{answer}");
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let stack = Stack::start().await;
    let mut anybody = stack.browser();
    for path in ["/login", "/api/me", "/assets/app.css", "/auth/nothing"] {
        let answer = anybody.open(path).await;
        let headers = answer.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(headers["cross-origin-opener-policy"], "same-origin", "{path}");
        assert_eq!(headers["cross-origin-resource-policy"], "same-origin", "{path}");
        assert!(
            headers["content-security-policy"].to_str().unwrap().contains("frame-ancestors 'none'"),
            "{path}"
        );
        assert!(
            headers.contains_key("permissions-policy") && headers.contains_key("x-trace-id"),
            "{path}"
        );
        assert!(!headers.contains_key("access-control-allow-origin"), "{path}");
    }
}

#[tokio::test]
async fn only_our_own_page_makes_the_browser_write() {
    let stack = Stack::start().await;
    let mut owner = stack.owner().await;
    let origin = stack.base.clone();
    let refused: [&[(&str, &str)]; 8] = [
        &[],
        &[("x-ajet-csrf", "1")],
        &[("sec-fetch-site", "same-origin")],
        &[("sec-fetch-site", "cross-site"), ("x-ajet-csrf", "1")],
        &[("sec-fetch-site", "same-site"), ("x-ajet-csrf", "1")],
        &[("sec-fetch-site", "none"), ("x-ajet-csrf", "1")],
        &[("origin", "null"), ("x-ajet-csrf", "1")],
        &[("origin", "https://evil.example"), ("datastar-request", "true")],
    ];
    for headers in refused {
        let request =
            headers.iter().fold(owner.request(Method::POST, "/api/x"), |request, (name, value)| {
                request.header(*name, *value)
            });
        assert_eq!(
            problem(owner.send(request).await).await,
            (403, "csrf".to_owned()),
            "{headers:?}"
        );
    }
    let accepted: [&[(&str, &str)]; 3] = [
        &[("sec-fetch-site", "same-origin"), ("x-ajet-csrf", "1")],
        &[("sec-fetch-site", "same-origin"), ("datastar-request", "true")],
        &[("origin", &origin), ("x-ajet-csrf", "1")],
    ];
    for headers in accepted {
        let request = headers
            .iter()
            .fold(owner.request(Method::DELETE, "/api/x"), |request, (name, value)| {
                request.header(*name, *value)
            });
        assert_eq!(owner.send(request).await.status(), StatusCode::OK, "{headers:?}");
    }
    let mut bot = stack.browser();
    let request = bot.request(Method::POST, "/api/x").bearer_auth(owner.session().unwrap());
    assert_eq!(
        bot.send(request).await.status(),
        StatusCode::OK,
        "a bearer token is never sent by the browser itself"
    );
    assert!(stack.audit().await.contains(&"csrf.refused denied".to_owned()));
}

#[tokio::test]
async fn a_page_of_somebody_else_is_not_answered_by_my_cookie() {
    let stack = Stack::start().await;
    let mut owner = stack.owner().await;
    let id: uuid::Uuid = sqlx::query_scalar("SELECT user_id FROM community_members")
        .fetch_one(&stack.db)
        .await
        .unwrap();
    let other = uuid::Uuid::now_v7().to_string();
    for (whose, status) in
        [(id.to_string(), StatusCode::OK), (other.clone(), StatusCode::UNAUTHORIZED)]
    {
        for method in [Method::POST, Method::GET] {
            let request = owner
                .request(method, "/api/x")
                .header("sec-fetch-site", "same-origin")
                .header("x-ajet-csrf", "1")
                .header("x-ajet-user", &whose);
            assert_eq!(owner.send(request).await.status(), status, "{whose}");
        }
    }
    assert!(owner.session().is_some(), "the session goes on in pages of its own");
    let request = stack
        .browser()
        .request(Method::GET, "/api/x")
        .bearer_auth(owner.session().unwrap())
        .header("x-ajet-user", other);
    let answer = stack.browser().send(request).await;
    assert_eq!(answer.status(), StatusCode::OK, "a bearer token is sent on purpose");
}

#[tokio::test]
async fn credentials_are_one_valid_token_in_its_place() {
    let stack = Stack::start().await;
    let mut owner = stack.owner().await;
    let token = owner.session().unwrap().to_owned();
    let request = owner.request(Method::GET, "/api/me").bearer_auth(&token);
    assert_eq!(problem(owner.send(request).await).await, (400, "ambiguous-credentials".to_owned()));
    let mut anybody = stack.browser();
    let mut last = token.clone();
    last.replace_range(
        last.len() - 2..last.len() - 1,
        if &last[last.len() - 2..last.len() - 1] == "x" { "y" } else { "x" },
    );
    let mut checksum = token.clone();
    checksum.replace_range(5..6, if &token[5..6] == "x" { "y" } else { "x" });
    let unknown = Token::generate(TokenKind::Session).expose().to_owned();
    for wrong in [
        last.as_str(),
        &checksum,
        &unknown,
        &token.to_lowercase(),
        &format!("{token}x"),
        "",
        "junk",
    ] {
        let request = anybody.request(Method::GET, "/api/me").bearer_auth(wrong);
        assert_eq!(
            problem(anybody.send(request).await).await,
            (401, "unauthenticated".to_owned()),
            "{wrong}"
        );
    }
    let request = anybody.request(Method::GET, &format!("/api/me?access_token={token}"));
    assert_eq!(
        anybody.send(request).await.status(),
        StatusCode::UNAUTHORIZED,
        "not in the address"
    );
    let request =
        anybody.request(Method::GET, "/api/me").header("authorization", format!("Basic {token}"));
    assert_eq!(anybody.send(request).await.status(), StatusCode::UNAUTHORIZED);
    let request = anybody.request(Method::GET, "/api/me").bearer_auth(&token);
    assert_eq!(anybody.send(request).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn an_api_token_is_a_bearer_and_never_a_cookie() {
    let stack = Stack::start().await;
    stack.owner().await;
    let token = Token::generate(TokenKind::Api);
    let hash = ajet_shared::verify::hash(&token).await.unwrap();
    sqlx::query(
        "INSERT INTO api_tokens (id, user_id, name, selector, token_hash, scopes, expires_at) \
         SELECT gen_random_uuid(), id, 'ci', $1, $2, '{messages:read}', now() + interval '1 day' FROM users WHERE kind = 'human'",
    )
    .bind(token.selector())
    .bind(&hash)
    .execute(&stack.db)
    .await
    .unwrap();
    let mut bot = stack.browser();
    let request = bot.request(Method::GET, "/api/me").bearer_auth(token.expose());
    assert_eq!(bot.send(request).await.status(), StatusCode::OK);
    let request = bot
        .request(Method::GET, "/api/me")
        .header("cookie", format!("ajet_session={}", token.expose()));
    assert_eq!(bot.send(request).await.status(), StatusCode::UNAUTHORIZED);
    sqlx::query("UPDATE api_tokens SET revoked_at = now()").execute(&stack.db).await.unwrap();
    tokio::time::sleep(ajet_shared::verify::STATE_AGE_MAX).await;
    let request = bot.request(Method::GET, "/api/me").bearer_auth(token.expose());
    assert_eq!(
        bot.send(request).await.status(),
        StatusCode::UNAUTHORIZED,
        "revoked within a second"
    );
    // That somebody goes on using it is written down, once in a while; who knows no more than its first half writes nothing.
    let mut wrong = token.expose().to_owned();
    let last = wrong.pop().unwrap();
    wrong.push(if last == 'A' { 'B' } else { 'A' });
    for text in [token.expose(), &wrong] {
        let request = bot.request(Method::GET, "/api/me").bearer_auth(text);
        assert_eq!(bot.send(request).await.status(), StatusCode::UNAUTHORIZED);
    }
    let noted = "SELECT count(*) FROM audit_log WHERE action = 'token.refused' AND outcome = 'denied' \
        AND target_id = (SELECT id FROM api_tokens)";
    assert_eq!(stack.count(noted).await, 1);
}

#[tokio::test]
async fn whoever_is_silent_is_let_go() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let stack = Stack::start().await;
    let host = stack.host();
    let until_closed = async |sent: String| {
        let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let began = std::time::Instant::now();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        (answer, began.elapsed().as_secs())
    };
    let (nothing, little, head, body) = tokio::join!(
        until_closed(String::new()),
        until_closed("P".to_owned()),
        until_closed(format!("GET / HTTP/1.1\r\nHost: {host}\r\n")),
        until_closed(format!(
            "POST /auth/cli/token HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{{"
        )),
    );
    for (what, (_, seconds)) in [("nothing", &nothing), ("little", &little), ("head", &head)] {
        assert!((8..=12).contains(seconds), "{what}: {seconds} s");
    }
    assert!(body.0.starts_with("HTTP/1.1 408 "), "{}", body.0);
    assert!((14..=28).contains(&body.1), "{} s", body.1);
}
