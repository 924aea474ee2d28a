//! The verifier of tokens that the gateway and the api share.

use std::time::Duration;

use ajet_shared::db;
use ajet_shared::token::{Token, TokenKind};
use ajet_shared::verify::{STATE_AGE_MAX, Verifier, VerifyError};

use crate::harness::{Stack, eventually};

#[tokio::test]
async fn bcrypt_runs_once_per_token_and_never_for_junk() {
    let stack = Stack::start().await;
    let owner = stack.owner().await;
    let token = owner.session().unwrap().to_owned();
    let verifier = Verifier::new(stack.db.clone());
    for junk in [
        "",
        "ajs_junk",
        &token.to_lowercase(),
        &format!("{token}x"),
        Token::generate(TokenKind::Session).expose(),
    ] {
        assert_eq!(verifier.verify(junk).await.unwrap(), None, "{junk}");
    }
    assert_eq!(verifier.hashes_checked(), 0);
    let first_uses = futures::future::join_all((0..50).map(|_| verifier.verify(&token))).await;
    assert!(first_uses.into_iter().all(|identity| identity.unwrap().is_some()));
    assert_eq!(verifier.hashes_checked(), 1);
    let mut wrong = token.clone();
    let last = wrong.pop().unwrap();
    wrong.push(if last == 'A' { 'B' } else { 'A' });
    for _ in 0..3 {
        assert_eq!(verifier.verify(&wrong).await.unwrap(), None);
    }
    assert_eq!(verifier.hashes_checked(), 2);
}

#[tokio::test]
async fn a_session_ends_within_a_second_and_lives_on_by_use() {
    let stack = Stack::start().await;
    let owner = stack.owner().await;
    let token = owner.session().unwrap();
    let verifier = Verifier::new(stack.db.clone());
    let identity = verifier.verify(token).await.unwrap().unwrap();
    assert_eq!(Some(identity.user_id), identity.session_id.map(|_| identity.actor.user_id()));
    // Used again after a while: written down, and the end moves.
    sqlx::query("UPDATE sessions SET last_seen_at = now() - interval '11 minutes', expires_at = now() + interval '1 hour'")
        .execute(&stack.db)
        .await
        .unwrap();
    eventually("the use is written down", async || {
        verifier.verify(token).await.unwrap().unwrap();
        stack.count("SELECT count(*) FROM sessions WHERE expires_at > now() + interval '13 days' AND last_seen_at > now() - interval '1 minute'").await
            == 1
    })
    .await;
    // Never past its absolute end.
    sqlx::query("UPDATE sessions SET last_seen_at = now() - interval '11 minutes', absolute_expires_at = now() + interval '1 day', expires_at = now() + interval '1 hour'")
        .execute(&stack.db)
        .await
        .unwrap();
    tokio::time::sleep(STATE_AGE_MAX).await;
    verifier.verify(token).await.unwrap().unwrap();
    assert_eq!(
        stack.count("SELECT count(*) FROM sessions WHERE expires_at = absolute_expires_at").await,
        1
    );
    let mut conn = stack.db.acquire().await.unwrap();
    let user_id = identity.user_id;
    assert_eq!(db::sessions::list(&mut conn, user_id, identity.session_id).await.unwrap().len(), 1);
    let session_id = identity.session_id.unwrap();
    assert!(db::sessions::delete(&mut conn, user_id, session_id).await.unwrap());
    tokio::time::sleep(STATE_AGE_MAX).await;
    assert_eq!(verifier.verify(token).await.unwrap(), None);
}

#[tokio::test]
async fn a_database_that_hangs_keeps_nobody_waiting_for_the_others() {
    let stack = Stack::start().await;
    let owner = stack.owner().await;
    let token = owner.session().unwrap();
    let verifier = || Verifier::new(db::pool(&stack.gate.url, "test").unwrap());
    let (known, fresh) = (verifier(), verifier());
    known.verify(token).await.unwrap().unwrap();
    tokio::time::sleep(STATE_AGE_MAX).await;
    stack.gate.stall();
    for verifier in [&known, &fresh] {
        let asked = futures::future::join_all((0..10).map(|_| verifier.verify(token)));
        let answers = tokio::time::timeout(Duration::from_secs(8), asked).await.expect("answers");
        for answer in answers {
            assert!(answer.is_err_and(|error| VerifyError::is_unavailable(&error)));
        }
    }
    stack.gate.open();
    for verifier in [&known, &fresh] {
        eventually("the database answers again", async || {
            verifier.verify(token).await.is_ok_and(|identity| identity.is_some())
        })
        .await;
    }
}

#[tokio::test]
async fn what_is_over_is_cleared_away() {
    let stack = Stack::start().await;
    stack.owner().await;
    let mut browser = stack.browser();
    browser.open("/auth/dev/start").await;
    for table in
        ["UPDATE oauth_tx SET expires_at = now()", "UPDATE sessions SET expires_at = now()"]
    {
        sqlx::query(table).execute(&stack.db).await.unwrap();
    }
    sqlx::query("UPDATE rate_counters SET window_start = now() - interval '2 days'")
        .execute(&stack.db)
        .await
        .unwrap();
    let mut conn = stack.db.acquire().await.unwrap();
    assert_eq!(db::oauth::prune(&mut conn).await.unwrap(), 1);
    assert_eq!(db::sessions::prune(&mut conn).await.unwrap(), 1);
    assert!(db::rate_counters::prune(&mut conn).await.unwrap() > 0);
    assert_eq!(db::login_codes::prune(&mut conn).await.unwrap(), 0);
}
