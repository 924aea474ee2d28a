//! Who gets in, and what the others see.

use crate::harness::{EDGE, TOKEN, World};

#[tokio::test]
async fn only_the_gateway_may_ask_and_only_somebody_signed_in_sees_a_page() {
    let world = World::start(1).await;
    let url = |path: &str| format!("http://{}{path}", world.address);
    assert_eq!(world.http.get(url("/healthz")).send().await.unwrap().status(), 200);
    assert_eq!(world.http.get(url("/")).bearer_auth(TOKEN).send().await.unwrap().status(), 403);
    assert_eq!(
        world
            .http
            .get(url("/"))
            .header("x-ajet-edge", EDGE.replace('a', "b"))
            .send()
            .await
            .unwrap()
            .status(),
        403
    );

    let answer = world.get("/c/labs/channels/general?thread=x").send().await.unwrap();
    assert_eq!(answer.status(), 303);
    assert_eq!(
        answer.headers()["location"],
        "/login?return_to=%2Fc%2Flabs%2Fchannels%2Fgeneral%3Fthread%3Dx"
    );
    assert_eq!(
        world.get("/").bearer_auth("bad").send().await.unwrap().headers()["location"],
        "/login?return_to=%2F"
    );
    let answer = world.get("/").bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()),
        (303, "/c/labs/channels/general")
    );
    for path in ["/c/labs/channels/nothing", "/c/other", "/nowhere", "/c/labs/channels/general/m/x"]
    {
        let answer = world.get(path).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
        assert!(answer.text().await.unwrap().contains("Go to your channels"), "{path}");
    }
}

#[tokio::test]
async fn a_stream_of_somebody_signed_out_ends_for_good() {
    let world = World::start(1).await;
    for request in [world.get("/sse?cursor=1.0"), world.get("/sse").bearer_auth("bad")] {
        // This type, with this status, is what makes Datastar stop.
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(answer.text().await.unwrap().contains("signed out"));
    }
}
