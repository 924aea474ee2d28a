//! Invites survive the way to the provider and back.

use reqwest::StatusCode;

use crate::harness::{Stack, location};

fn hidden(page: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let begin =
        page.find(&mark).unwrap_or_else(|| panic!("no field {name} in {page}")) + mark.len();
    page[begin..].split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn an_invite_lets_somebody_in_once() {
    let stack = Stack::start().await;
    stack.owner().await;
    let code = stack.invite(Some(1)).await;
    let mut guest = stack.browser();
    for _ in 0..2 {
        let page = guest.open(&format!("/invite/{code}")).await.text().await.unwrap();
        assert!(page.contains("Join Saltmarsh Labs") && page.contains("OWNER"), "{page}");
        assert!(page.contains(&format!("/auth/dev/start?invite={code}")), "{page}");
    }
    let answer = guest.sign_in("guest", &format!("?invite={code}")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.text().await.unwrap().contains("url=/c/saltmarsh"));
    assert_eq!(guest.status().await, StatusCode::OK);
    assert_eq!(stack.count("SELECT count(*) FROM community_members").await, 2);
    let mut late = stack.browser();
    assert_eq!(late.open(&format!("/invite/{code}")).await.status(), StatusCode::GONE);
    assert_eq!(
        late.open(&format!("/auth/dev/start?invite={code}")).await.status(),
        StatusCode::GONE
    );
}

#[tokio::test]
async fn of_many_who_use_the_last_invite_one_comes_in() {
    let stack = Stack::start().await;
    stack.owner().await;
    let code = stack.invite(Some(1)).await;
    let mut callbacks = Vec::new();
    for n in 0..8 {
        let mut browser = stack.browser();
        let answer = browser.open(&format!("/auth/dev/start?invite={code}")).await;
        let callback = browser.through_provider(answer, &format!("guest{n}")).await;
        callbacks.push((browser, callback));
    }
    let statuses = futures::future::join_all(callbacks.into_iter().map(
        |(mut browser, callback)| async move { browser.open(&callback).await.status().as_u16() },
    ))
    .await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 410).count(), 7, "{statuses:?}");
    assert_eq!(
        stack.count("SELECT count(*) FROM users WHERE kind = 'human'").await,
        2,
        "no account for the late ones"
    );
}

#[tokio::test]
async fn somebody_signed_in_joins_by_a_form_of_their_own() {
    let stack = Stack::start().await;
    stack.owner().await;
    let first = stack.invite(Some(1)).await;
    let mut guest = stack.browser();
    guest.sign_in("guest", &format!("?invite={first}")).await;
    let code = stack.invite(None).await;
    let path = format!("/invite/{code}");
    let page = guest.open(&path).await.text().await.unwrap();
    let csrf = hidden(&page, "csrf");
    assert_eq!(guest.submit(&path, &[("csrf", "forged")]).await.status(), StatusCode::FORBIDDEN);
    let answer = guest.submit(&path, &[("csrf", &csrf)]).await;
    assert_eq!(location(&answer), "/c/saltmarsh");
    assert!(stack.audit().await.contains(&"csrf.refused denied".to_owned()));
}

#[tokio::test]
async fn wrong_codes_all_look_the_same() {
    let stack = Stack::start().await;
    stack.owner().await;
    let code = stack.invite(None).await;
    let mut other_verifier = code.clone();
    let last = other_verifier.pop().unwrap();
    other_verifier.push(if last == 'A' { 'B' } else { 'A' });
    let mut browser = stack.browser();
    for wrong in [other_verifier.as_str(), "aji_junk", &code.to_lowercase(), &code[..60]] {
        assert_eq!(
            browser.open(&format!("/invite/{wrong}")).await.status(),
            StatusCode::NOT_FOUND,
            "{wrong}"
        );
    }
    sqlx::query("UPDATE invites SET revoked_at = now()").execute(&stack.db).await.unwrap();
    assert_eq!(browser.open(&format!("/invite/{code}")).await.status(), StatusCode::GONE);
}
