//! Ids that are good and belong elsewhere (A54, A55): in a path beside a community of one's own, in a body, in a query they are as unknown
//! as any other.

use ajet_nets::person::{Body, Person};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::objects::{Objects, Unknown};
use crate::table::routes;
use crate::world::{Place, Role, World};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_another_community_does_not_exist_in_ones_own() {
    let (here, there) = tokio::try_join!(World::new("here"), World::new("there")).unwrap();
    let owner = here.person(Role::Owner);
    let mut failures = Vec::new();
    for route in routes().0 {
        if route.path.matches('{').count() < 2 || !route.path.starts_with("/api/") {
            continue;
        }
        let own = here.objects(Place::Public, &route).await.unwrap();
        let others = there.objects(Place::Public, &route).await.unwrap();
        // The outer id is one's own, the inner ones are not.
        let mut swapped = others;
        swapped.community.clone_from(&own.community);
        swapped.channel.clone_from(&own.channel);
        if route.path.starts_with("/api/messages/") {
            continue;
        }
        let ask = async |objects| {
            let method = route.method.parse().unwrap();
            ask(owner, method, &route.address(objects), route.body(objects, "")).await
        };
        let mut nothing = swapped.unknown(Unknown::Inside);
        nothing.channel.clone_from(&own.channel);
        let (foreign, unknown) = (ask(&swapped).await, ask(&nothing).await);
        if foreign != unknown || foreign.0 != 404 {
            failures.push(format!("{}: {foreign:?}, unknown: {unknown:?}", route.name()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What somebody is told, without what differs from call to call.
async fn ask(person: &Person, method: Method, path: &str, body: Body) -> (u16, String) {
    let answer = person.call(method, path, body).await.unwrap();
    let trace = answer.headers.get("x-trace-id").and_then(|value| value.to_str().ok());
    (answer.status, answer.body.replace(trace.unwrap_or("-"), "TRACE"))
}

/// Everything that takes an id beside its path: what is asked, and the same question about `hidden`.
fn questions(here: &Objects, hidden: &Objects) -> Vec<(Method, String, Option<Value>)> {
    let (post, get) = (Method::POST, Method::GET);
    let channel = format!("/api/channels/{}", here.channel);
    let community = format!("/api/communities/{}", here.community);
    let message = |key: &str, value: Value| {
        let mut message = json!({ "body_md": "hello", "client_msg_id": Uuid::now_v7() });
        message[key] = value;
        message
    };
    let typing = json!({ "channel_id": hidden.channel, "state": "started" });
    let reply =
        json!({ "channel_id": here.channel, "state": "started", "parent_id": hidden.message });
    vec![
        (post.clone(), format!("{channel}/read"), Some(json!({ "up_to": hidden.message }))),
        (
            post.clone(),
            format!("{channel}/messages"),
            Some(message("parent_id", json!(hidden.message))),
        ),
        (
            post.clone(),
            format!("{channel}/messages"),
            Some(message("attachment_ids", json!([hidden.attachment]))),
        ),
        (post.clone(), format!("{channel}/members"), Some(json!({ "user_id": hidden.user }))),
        (post.clone(), "/api/dms".to_owned(), Some(json!({ "user_ids": [hidden.user] }))),
        (
            post.clone(),
            format!("{community}/webhooks"),
            Some(json!({ "name": "hook", "channel_id": hidden.channel })),
        ),
        (
            post.clone(),
            "/api/commands".to_owned(),
            Some(json!({ "channel_id": hidden.channel, "text": "/help" })),
        ),
        (get.clone(), format!("/api/commands?channel_id={}", hidden.channel), None),
        (get.clone(), format!("/api/search?q=said&channel_id={}", hidden.channel), None),
        (get.clone(), format!("/api/search?q=said&community_id={}", hidden.community), None),
        (get.clone(), format!("/api/search?q=said&before={}", hidden.message), None),
        (get.clone(), format!("{channel}/messages?around={}", hidden.message), None),
        (get.clone(), format!("{channel}/messages?before={}", hidden.message), None),
        (get.clone(), format!("{channel}/messages?after={}", hidden.message), None),
        (get, format!("/channels/{}/pane?thread={}", here.channel, hidden.message), None),
        (post.clone(), "/ws/tui/typing".to_owned(), Some(typing.clone())),
        (post.clone(), "/ws/tui/typing".to_owned(), Some(reply.clone())),
        (post.clone(), "/typing".to_owned(), Some(typing.clone())),
        (post, "/typing".to_owned(), Some(reply.clone())),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_beside_the_path_is_no_oracle() {
    let (here, there) = tokio::try_join!(World::new("beside"), World::new("beyond")).unwrap();
    let routes = routes().0;
    let any = routes.iter().find(|route| route.path == "/api/channels/{id}").unwrap();
    // An admin is in the public channel and not in the private one, and belongs nowhere else.
    let admin = here.person(Role::Admin);
    let own = here.objects(Place::Public, any).await.unwrap();
    let mut private = here.objects(Place::Private, any).await.unwrap();
    let foreign = there.objects(Place::Public, any).await.unwrap();
    // Its people are no secret to an admin of the same community.
    private.user.clone_from(&foreign.user);
    private.community.clone_from(&foreign.community);
    let mut failures = Vec::new();
    let put = async |(method, path, body): (Method, String, Option<Value>)| {
        ask(admin, method, &path, body.map_or(Body::Empty, Body::Json)).await
    };
    // With what is one's own all of it is done, so the refusals below are about the ids. A file on a message is nobody's to send again.
    for asked in questions(&own, &own) {
        let name = format!("{} {} {:?}", asked.0, asked.1, asked.2);
        let (status, body) = put(asked).await;
        if status >= 400 && !name.contains("attachment_ids") {
            failures.push(format!("{name} with own ids: {status} {body}"));
        }
    }
    for hidden in [&private, &foreign] {
        let nothing = hidden.unknown(Unknown::All);
        for (asked, unknown) in questions(&own, hidden).into_iter().zip(questions(&own, &nothing)) {
            let name = format!("{} {} {:?}", asked.0, asked.1, asked.2);
            let (hidden, unknown) = (put(asked).await, put(unknown).await);
            if hidden != unknown {
                failures.push(format!("{name}:\n  {hidden:?}\n  {unknown:?}"));
            }
        }
    }
    assert!(failures.is_empty(), "an unknown id tells otherwise:\n{}", failures.join("\n"));
}
