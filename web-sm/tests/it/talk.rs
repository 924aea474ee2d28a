//! Commands, people, threads and what one is told of.

use ajet_shared::channel::{ChannelKind, ChannelView};
use ajet_shared::clock;
use ajet_shared::command::{AnswerKind, CommandAnswer, CommandGroup, CommandInfo, RunCommand};
use ajet_shared::community::{Member, Role};
use ajet_shared::events::{Event, Notification, NotificationKind, NotificationsRead};
use ajet_shared::id::{ChannelId, ClientMessageId, CommunityId, MessageId, NotificationId, UserId};
use ajet_shared::message::Message;
use ajet_shared::page::Page;
use ajet_shared::problem::Problem;
use ajet_shared::user::User;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::harness::{Known, TOKEN, World};

/// What of the stand-in api only these tests use.
pub(crate) fn routes() -> Router<Known> {
    Router::new()
        .route("/api/commands", get(commands).post(run))
        .route("/api/channels/{id}", get(channel))
        .route("/api/communities/{id}/members/{user}", get(member))
        .route("/api/users/{id}", get(user))
        .route("/api/dms", post(open))
        .route("/api/messages/{id}", get(message))
        .route("/api/messages/{id}/replies", get(replies))
        .route("/api/notifications", get(notifications))
        .route("/api/notifications/read", post(read))
}

async fn commands() -> Json<Page<CommandInfo>> {
    Json(Page::whole(vec![CommandInfo {
        name: "topic".into(),
        arguments: Vec::new(),
        summary: "Say what the channel is about".into(),
        usage: "/topic [text]".into(),
        group: CommandGroup::Channels,
        role: None,
    }]))
}

async fn run(
    State(known): State<Known>,
    headers: HeaderMap,
    Json(command): Json<RunCommand>,
) -> Result<Json<CommandAnswer>, Problem> {
    Known::check(&headers)?;
    assert!(command.client_msg_id.is_some() && command.channel_id == known.channel.channel.id);
    assert_eq!(command.parent_id.is_some(), command.text == "/me waves back");
    let answer = |kind, body_md: &str| CommandAnswer {
        kind,
        body_md: body_md.to_owned(),
        message: None,
        channel_id: None,
        secret: false,
    };
    Ok(Json(match command.text.as_str() {
        "/help" => answer(AnswerKind::Ephemeral, "**Commands** <b>"),
        "/token create x" => {
            CommandAnswer { secret: true, ..answer(AnswerKind::Ephemeral, "`ajp_secret`") }
        }
        "/me waves" | "/me waves back" => answer(AnswerKind::Posted, ""),
        "/join #general" => CommandAnswer {
            channel_id: Some(known.channel.channel.id),
            ..answer(AnswerKind::Redirect, "")
        },
        _ => {
            let problem = Problem::new(422, "unknown-command", "There is no such command");
            return Err(problem.with_detail("there is no command /nope; did you mean /topic?"));
        }
    }))
}

async fn channel(State(known): State<Known>) -> Json<ChannelView> {
    Json(known.channel)
}

async fn member(
    State(known): State<Known>,
    Path((community, id)): Path<(CommunityId, UserId)>,
) -> Result<Json<Member>, Problem> {
    let known_here = community == known.community.id && id == known.lena.id;
    let user = known_here.then(|| Known::user(&known.lena)).ok_or_else(Problem::not_found)?;
    Ok(Json(Member { user, role: Role::Admin, joined_at: clock::now() }))
}

async fn user(State(known): State<Known>, Path(id): Path<UserId>) -> Result<Json<User>, Problem> {
    let known = [&known.me, &known.lena].into_iter().find(|author| author.id == id);
    Ok(Json(Known::user(known.ok_or_else(Problem::not_found)?)))
}

async fn open(State(known): State<Known>, Json(body): Json<Value>) -> Json<ChannelView> {
    let mut view = known.channel;
    view.channel.kind = if body["user_ids"].as_array().unwrap().len() > 1 {
        ChannelKind::GroupDm
    } else {
        ChannelKind::Dm
    };
    (view.channel.name, view.channel.community_id) = (None, None);
    Json(view)
}

async fn message(
    State(known): State<Known>,
    Path(id): Path<MessageId>,
) -> Result<Json<Message>, Problem> {
    let found = known.messages.into_iter().find(|message| message.id == id);
    found.map(Json).ok_or_else(Problem::not_found)
}

/// All messages but the first are replies to it, where a test asks.
async fn replies(State(known): State<Known>) -> Json<Page<Message>> {
    Json(Page::whole(known.messages.into_iter().skip(1).collect()))
}

async fn notifications(State(known): State<Known>) -> Json<Page<Notification>> {
    let about = |message: &Message| notification(&known, Some(message.id));
    let mut all: Vec<Notification> = known.messages.iter().map(about).collect();
    all.push(Notification { message_id: None, kind: NotificationKind::Invite, ..all[0].clone() });
    Json(Page::whole(all))
}

/// A mention of the reader, its id made from that of the message.
fn notification(known: &Known, about: Option<MessageId>) -> Notification {
    let id = about.map_or_else(NotificationId::new, |id| id.to_string().parse().unwrap());
    Notification {
        id,
        kind: NotificationKind::Mention,
        community_id: Some(known.community.id),
        channel_id: Some(known.channel.channel.id),
        message_id: about,
        actor: Some(known.lena.clone()),
        read: false,
        created_at: clock::now(),
    }
}

async fn read(State(known): State<Known>, Json(body): Json<Value>) -> Result<(), Problem> {
    // What the tests below send, and nothing else.
    let mut ids: Vec<String> =
        known.messages.iter().skip(1).map(|message| message.id.to_string()).collect();
    ids.sort_unstable();
    let all = body.get("ids").is_none();
    if all || body["ids"] == json!(ids) { Ok(()) } else { Err(Problem::not_found()) }
}

async fn answer(world: &World, text: &str) -> reqwest::Response {
    let path = format!("/channels/{}/commands", world.known.channel.channel.id);
    let body = json!({ "text": text, "client_msg_id": ClientMessageId::new() });
    world.post(&path).json(&body).send().await.unwrap()
}

#[tokio::test]
async fn a_command_is_answered_by_a_note_a_way_or_nothing() {
    let world = World::start(1).await;
    let note = answer(&world, "/help").await;
    assert_eq!(
        (note.status().as_u16(), &note.headers()["cache-control"]),
        (200, &"no-store".parse().unwrap())
    );
    let note = note.text().await.unwrap();
    assert!(note.contains("Only you see this") && note.contains("<strong>Commands</strong>"));
    assert!(!note.contains("<b>\n") && !note.contains("Copy"), "{note}");
    let secret = answer(&world, "/token create x").await.text().await.unwrap();
    assert!(secret.contains("not shown again") && secret.contains("ajp_secret"), "{secret}");
    assert_eq!(answer(&world, "/me waves").await.status(), 204);
    // In the box of a thread.
    let path = format!("/channels/{}/commands", world.known.channel.channel.id);
    let key = ClientMessageId::new();
    let body =
        json!({ "text": "/me waves back", "client_msg_id": key, "parent_id": MessageId::new() });
    assert_eq!(world.post(&path).json(&body).send().await.unwrap().status(), 204);
    let way: Value = answer(&world, "/join #general").await.json().await.unwrap();
    assert_eq!(way["_goto"], "/c/labs/channels/general");
    let refused = answer(&world, "/nope").await;
    assert_eq!(refused.status(), 422);
    let refused = refused.text().await.unwrap();
    assert!(refused.contains("Not run") && refused.contains("There is no command /nope; did you"));
}

#[tokio::test]
async fn a_lifetime_that_is_no_number_is_refused_at_the_form() {
    let world = World::start(1).await;
    let path = format!("/communities/{}/tokens", world.known.community.id);
    let send = async |days: &str| {
        let form = format!("name=deploy&messages%3Aread=yes&days={days}");
        let kind = "application/x-www-form-urlencoded";
        let request = world.post(&path).header("content-type", kind).body(form);
        request.send().await.unwrap().text().await.unwrap()
    };
    for days in ["abc", "", "1.5", "99999999999999999999"] {
        let refused = send(days).await;
        assert!(refused.contains("How many days it lasts is a whole number."), "{days}: {refused}");
    }
    // The stand-in makes no tokens: this one got as far as that.
    assert!(!send("90").await.contains("whole number"));
}

#[tokio::test]
async fn a_box_is_offered_commands_people_and_channels() {
    let world = World::start(1).await;
    let path = format!("/channels/{}/complete", world.known.channel.channel.id);
    let lists = world.get(&path).bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap();
    for part in [">/topic</b>", "Say what the channel is about", "@channel", "rocket"] {
        assert!(lists.contains(part), "{part}: {lists}");
    }
}

#[tokio::test]
async fn a_thread_comes_alone_for_a_page_that_is_there() {
    let world = World::start(3).await;
    let (channel, root) = (world.known.channel.channel.id, world.known.messages[0].id);
    let pane = async |query: String| {
        let path = format!("/channels/{channel}/pane?{query}");
        world.get(&path).bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap()
    };
    let html = pane(format!("thread={root}")).await;
    assert!(html.starts_with("<aside class=\"pane sheet\" id=\"pane\""), "{html}");
    assert!(html.contains(&format!("data-thread=\"{root}\"")));
    assert!(html.contains(&format!("id=\"message-{}\"", world.known.messages[2].id)));
    assert!(pane("members=1".into()).await.contains("Members"));
    let nothing = world.get(&format!("/channels/{channel}/pane")).bearer_auth(TOKEN).send().await;
    assert_eq!(nothing.unwrap().status(), 404);
    let earlier = format!("/messages/{root}/replies?before={}", world.known.messages[2].id);
    let earlier = world.get(&earlier).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(earlier.headers()["content-type"], "text/event-stream");
    let earlier = earlier.text().await.unwrap();
    assert!(earlier.contains("selector #thread-earlier\ndata: mode after"), "{earlier}");
    assert!(earlier.contains("selector #thread-earlier\ndata: mode remove"), "no more: {earlier}");
    // What told of the replies is read once they were on screen.
    let seen = world.post(&format!("/messages/{root}/seen")).send().await.unwrap();
    assert_eq!(seen.status(), 204);
}

#[tokio::test]
async fn the_activity_list_shows_what_was_written_and_grows() {
    let world = World::start(2).await;
    let of = async |path: &str| {
        world.get(path).bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap()
    };
    let page = of("/activity").await;
    assert!(page.contains("<h1>Activity</h1>") && page.contains("Message 2: the freeze is at"));
    assert!(page.find("added you to #general") < page.find("Message 2:"), "the newest first");
    assert!(of("/activity?show=system").await.contains("added you to #general"));
    assert!(!of("/activity?show=mentions").await.contains("added you to #general"));
    assert!(of("/activity?show=threads").await.contains("You are all caught up"));

    let mut stream = world.stream(&page, None).await;
    stream.until("{\"status\":\"live\"}").await;
    let news = notification(&world.known, Some(world.known.messages[1].id));
    world.tell(Event::NotificationCreated(news.clone())).await;
    let text = stream.until("selector #notification-list").await;
    assert!(text.contains("mode prepend") && text.contains(">1 unread<"), "{text}");
    let read = NotificationsRead { ids: Some(vec![news.id]), unread: 0 };
    world.tell(Event::NotificationRead(read)).await;
    stream.until(&format!("selector #notification-{} .dot", news.id)).await;

    let all = world.post("/activity/read").json(&json!({})).send().await.unwrap();
    assert_eq!(all.status(), 204);
}

#[tokio::test]
async fn people_have_a_card_and_a_page_and_can_be_written_to() {
    let world = World::start(1).await;
    let (lena, community) = (&world.known.lena, world.known.community.id);
    let of = async |path: String| world.get(&path).bearer_auth(TOKEN).send().await.unwrap();
    let card = of(format!("/people/{}/card?community={community}", lena.id)).await;
    let card = card.text().await.unwrap();
    assert!(card.contains("id=\"profile-card\" popover") && card.contains("Admin since"), "{card}");
    let page = of(format!("/people/{}", lena.id)).await.text().await.unwrap();
    assert!(page.contains("at sea") && page.contains("<h1>Profile</h1>"));
    assert_eq!(of(format!("/people/{}", UserId::new())).await.status(), 404);
    assert!(of("/c/labs/new-message".into()).await.text().await.unwrap().contains("New message"));

    let form = [("user_id", lena.id.to_string()), ("user_id", UserId::new().to_string())];
    let opened = world.post("/dms").form(&form).send().await.unwrap();
    let opened: Value = opened.json().await.unwrap();
    let id: ChannelId = world.known.channel.channel.id;
    assert_eq!(opened["_goto"], format!("/dm/{id}?c=labs"));
    let nobody = world.post("/dms").form(&[("x", "y")]).send().await.unwrap();
    assert!(nobody.text().await.unwrap().contains("Choose somebody to write to."));
}
