//! The stream that keeps a page as it would be if it were loaded now.

use ajet_shared::position::Position;

use crate::harness::World;

#[tokio::test]
async fn a_stream_goes_on_where_the_page_ended() {
    let world = World::start(3).await;
    let page = world.page().await;
    // Written between the page and its stream.
    let (between, _) = world.write(4, "in between").await;
    let mut stream = world.stream(&page, None).await;
    let text = stream.until(&format!("id=\"message-{between}\"")).await;
    let (retry, rest) = text.split_once('\n').unwrap();
    assert!(retry.starts_with("retry: ") && rest.starts_with(": "), "{text}");
    assert!(text.find("{\"status\":\"live\"}") < text.find("#messages"), "live comes first");
    assert!(!text.contains("_goto"), "the page is right as it is: {text}");
    assert!(text.contains("data: selector #messages\ndata: mode append"));
    let (after, position) = world.write(5, "and live").await;
    let text = stream.until(&format!("id: {position}\n")).await;
    assert!(text.contains(&format!("id=\"message-{after}\"")));
    assert_eq!(text.matches("class=\"msg cont\"").count(), 1, "the second continues the first");
    assert_eq!(text.matches(&format!("id=\"message-{between}\"")).count(), 1);
}

#[tokio::test]
async fn a_broken_stream_brings_what_was_missed_and_no_more() {
    let world = World::start(1).await;
    let page = world.page().await;
    let (seen, position) = world.write(2, "seen").await;
    let mut stream = world.stream(&page, None).await;
    stream.until(&format!("id: {position}\n")).await;
    drop(stream);
    let (missed, _) = world.write(3, "missed").await;
    let mut stream = world.stream(&page, Some(position)).await;
    let text = stream.until(&format!("id=\"message-{missed}\"")).await;
    assert!(!text.contains(&format!("id=\"message-{seen}\"")));
    // It may be there already: taken away first.
    assert!(
        text.find(&format!("data: selector #message-{missed}\ndata: mode remove"))
            < text.find("#messages")
    );
}

#[tokio::test]
async fn a_page_that_comes_back_asks_the_api_for_nothing_and_misses_nothing() {
    let world = World::start(1).await;
    let page = world.page().await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        let mut stream = world.stream(&page, None).await;
        stream.until("{\"status\":\"live\"}").await;
        streams.push(stream);
    }
    let (_, position) = world.write(2, "seen").await;
    for stream in &mut streams {
        stream.until(&format!("id: {position}\n")).await;
    }
    drop(streams);
    world.streams(0).await;
    let (missed, _) = world.write(3, "missed").await;
    world.asked();
    for _ in 0..4 {
        let mut stream = world.stream(&page, Some(position)).await;
        let text = stream.until(&format!("id=\"message-{missed}\"")).await;
        let live = text.find("{\"status\":\"live\"}").unwrap();
        assert!(live < text.find("id=\"channel-header\"").unwrap(), "{text}");
        // What the page before it had heard is counted, what was missed is, too, and nothing twice.
        assert!(text.contains("{\"_badge\":2,\"_here\":2}"), "{text}");
        assert!(!text.contains("{\"_badge\":3"), "{text}");
        drop(stream);
        world.streams(0).await;
    }
    assert_eq!(world.asked(), [""; 0]);
    // A place in the stream that it cannot have heard of: everything is read anew.
    let mut stream = world.stream(&page, Some(Position { epoch: 9, seq: 1 })).await;
    stream.until("\"_resync\"").await;
    assert!(world.asked().iter().any(|path| path == "/api/sync"));
}

/// No event has told of the change yet, and nobody knows when one will: the page must not draw what was before it, nor lead to itself.
#[tokio::test]
async fn a_page_that_was_just_loaded_is_not_drawn_from_what_another_one_knew() {
    let world = World::start(1).await;
    let before = world.page().await;
    let mut stream = world.stream(&before, None).await;
    stream.until("{\"status\":\"live\"}").await;
    let mut neighbour = world.stream(&before, None).await;
    neighbour.until("{\"status\":\"live\"}").await;
    drop(stream);
    world.streams(1).await;
    world.known.archive();
    let page = world.page().await;
    assert!(page.contains("face=archived.general"));
    let mut stream = world.stream(&page, None).await;
    let text = stream.until("\nid: ").await;
    assert!(text.contains("id=\"channel-header\"") && !text.contains("_goto"), "{text}");
    // Nor when its stream breaks off, after that of a page that was loaded before.
    let (_, position) = world.write(2, "seen").await;
    for stream in [&mut stream, &mut neighbour] {
        stream.until(&format!("id: {position}\n")).await;
    }
    drop(stream);
    world.streams(1).await;
    drop(neighbour);
    world.streams(0).await;
    world.asked();
    let mut stream = world.stream(&page, Some(position)).await;
    let text = stream.until("\nid: ").await;
    assert!(text.contains("id=\"channel-header\"") && !text.contains("_goto"), "{text}");
    assert_eq!(world.asked(), [""; 0]);
}

#[tokio::test]
async fn a_page_of_a_channel_that_has_another_name_by_now_is_loaded_again() {
    let world = World::start(1).await;
    let page = world.page().await.replace("face=write.general", "face=write.before");
    let mut stream = world.stream(&page, None).await;
    stream.until("{\"_goto\":\"/c/labs/channels/general\"}").await;
}

#[tokio::test]
async fn a_cursor_of_another_epoch_draws_the_page_anew() {
    let world = World::start(3).await;
    let page = world.page().await;
    let mut stream = world.stream(&page, Some(Position { epoch: 9, seq: 1 })).await;
    let text = stream.until("\"_resync\"").await;
    assert!(text.contains("data: selector #messages\ndata: mode inner"));
    for message in &world.known.messages {
        assert!(text.contains(&format!("id=\"message-{}\"", message.id)));
    }
    assert!(text.contains("id=\"channel-header\""));
    assert!(text.contains(&format!("id=\"channel-{}\"", world.known.channel.channel.id)));
    assert!(text.contains("Ola Brandt") && world.known.me.display_name == "Ola Brandt");
}

#[tokio::test]
async fn a_page_says_that_no_events_flow_and_when_they_do_again() {
    let mut world = World::start(1).await;
    let page = world.page().await;
    let mut stream = world.stream(&page, None).await;
    stream.until("{\"status\":\"live\"}").await;
    world.kill_nats();
    let text = stream.until("Live updates are paused").await;
    assert!(text.contains("id=\"banner\" role=\"status\"><div class=\"banner\""), "{text}");
    world.restart_nats().await;
    stream.until("id=\"banner\" role=\"status\"></div>").await;
    let (after, _) = world.write(2, "after").await;
    stream.until(&format!("id=\"message-{after}\"")).await;
}

#[tokio::test]
async fn a_service_that_stops_says_so_and_when_to_come_back() {
    let world = World::start(1).await;
    let page = world.page().await;
    let mut stream = world.stream(&page, None).await;
    stream.until("{\"status\":\"live\"}").await;
    world.stop();
    stream.until("when it is back.</div></div>\n\nretry: ").await;
}
