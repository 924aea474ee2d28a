//! What a page brings with it.

use std::fmt::Write as _;

use crate::harness::{TOKEN, World};

/// Bytes of the first view, compressed. Source: decisions.md 31.
const FIRST_VIEW_MAX_BYTES: usize = 40_000;

#[tokio::test]
async fn a_page_has_a_policy_with_its_own_nonce() {
    let world = World::start(3).await;
    let answer = world.get("/c/labs/channels/general").bearer_auth(TOKEN).send().await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let (_, nonce) = policy.split_once("style-src 'self' 'nonce-").unwrap();
    let (nonce, _) = nonce.split_once('\'').unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'")
            && !policy.contains("unsafe-inline")
    );
    let html = answer.text().await.unwrap();
    assert!(html.contains(&format!("<style nonce=\"{nonce}\">")));
    assert_eq!(
        html.matches("<script").count(),
        html.matches("<script type=\"module\" src=\"/assets/").count()
    );
    assert_ne!(world.page().await, html, "the nonce is new each time");
}

#[tokio::test]
async fn the_first_view_fits_its_budget() {
    let world = World::start(50).await;
    let html = world.page().await;
    let mut total = 0;
    let mut report = String::new();
    let assets = html
        .split('"')
        .filter(|part| part.starts_with("/assets/"))
        .map(|part| part.split('#').next().unwrap());
    let mut paths: Vec<&str> = assets.filter(|path| !path.contains("favicon")).collect();
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), 4, "{paths:?}");
    paths.push("/c/labs/channels/general");
    for path in paths {
        let answer = world
            .get(path)
            .bearer_auth(TOKEN)
            .header("accept-encoding", "gzip")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["content-encoding"], "gzip", "{path}");
        if path.starts_with("/assets/") {
            assert!(answer.headers()["cache-control"].to_str().unwrap().contains("immutable"));
        }
        let bytes = answer.bytes().await.unwrap().len();
        let _ = writeln!(report, "{bytes:>8} {path}");
        total += bytes;
    }
    println!("{report}{total:>8} bytes in all, compressed");
    assert!(total < FIRST_VIEW_MAX_BYTES, "the first view has {total} bytes:\n{report}");
}
