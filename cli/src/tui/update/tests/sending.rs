//! Writing: the box, drafts, the outbox, commands.

use ajet_shared::client::Received;
use ajet_shared::command::{AnswerKind, ArgumentKind, CommandAnswer};
use ajet_shared::events::Event as Wire;

use super::super::super::event::{Ask, Effect, Event, Reply};
use super::super::super::model::{Connection, Zone};
use super::super::super::outbox::OutboxState;
use super::super::super::overlay::Overlay;
use super::super::super::places::Place;
use super::super::next_due;
use super::super::testing::{Scene, command};
use super::bodies;

#[test]
fn what_is_sent_stands_there_at_once_and_once() {
    let mut scene = Scene::new();
    scene.keys(&["One", "Enter"]);
    assert_eq!(bodies(&scene).last().unwrap(), "◷ One");
    assert!(matches!(&scene.effects[..], [.., Effect::Ask(Ask::Post(_))]));
    assert!(
        scene.effects.iter().any(|effect| matches!(effect, Effect::Keep(_))),
        "it is kept before it is sent"
    );
    let entry = scene.model.outbox[0].clone();
    let mut message = scene.message(scene.general, "One");
    message.author = scene.me.clone();
    message.client_msg_id = Some(entry.client_msg_id);
    // The stream is quicker than the answer.
    scene.happen(scene.general, Wire::MessageCreated(message.clone()));
    scene.answer(Ask::Post(entry.clone()), Reply::Message(Box::new(message)));
    assert_eq!(bodies(&scene).iter().filter(|body| body.contains("One")).count(), 1);
    assert!(scene.model.outbox.is_empty());
    let forgotten = scene
        .effects
        .iter()
        .filter(|effect| **effect == Effect::Forget(entry.client_msg_id))
        .count();
    assert_eq!(forgotten, 1);
}

#[test]
fn messages_go_out_one_after_the_other() {
    let mut scene = Scene::new();
    scene.keys(&["a", "Enter", "b", "Enter", "c", "Enter"]);
    assert_eq!(scene.posts(), ["a"]);
    for expected in [["a", "b"].as_slice(), &["a", "b", "c"]] {
        let entry = scene.model.outbox[0].clone();
        let message = scene.message(scene.general, &entry.body);
        scene.answer(Ask::Post(entry), Reply::Message(Box::new(message)));
        assert_eq!(scene.posts(), expected);
    }
}

#[test]
fn without_a_connection_they_wait_and_then_go_in_order() {
    let mut scene = Scene::new();
    scene.lose();
    assert!(matches!(scene.model.connection, Connection::Reconnecting { attempt: 1, .. }));
    scene.keys(&["a", "Enter", "b", "Enter"]);
    assert!(scene.posts().is_empty());
    assert_eq!(bodies(&scene)[3..], ["◷ a", "◷ b"]);
    scene.live(Received::Ready);
    assert_eq!(scene.model.connection, Connection::CatchingUp(0));
    assert_eq!(scene.posts(), ["a"]);
    let late = scene.message(scene.general, "meanwhile");
    scene.happen(scene.general, Wire::MessageCreated(late));
    assert_eq!(scene.model.connection, Connection::CatchingUp(1));
    scene.live(Received::Resumed { count: 1 });
    assert_eq!(scene.model.connection, Connection::Live);
    assert!(bodies(&scene).contains(&"meanwhile".to_owned()));
}

#[test]
fn a_server_that_is_away_is_asked_again_a_refusal_is_shown() {
    let mut scene = Scene::new();
    scene.keys(&["x", "Enter"]);
    let entry = scene.model.outbox[0].clone();
    scene.refuse(Ask::Post(entry.clone()), 503);
    assert_eq!(scene.model.outbox[0].state, OutboxState::Waiting);
    assert_eq!(scene.posts().len(), 1, "not at once");
    scene.pass(2);
    assert_eq!(scene.posts().len(), 2);
    scene.refuse(Ask::Post(entry), 403);
    assert!(matches!(scene.model.outbox[0].state, OutboxState::Failed(_)));
    assert!(scene.status().starts_with("Not sent: "), "{}", scene.status());
    scene.draw();
    scene.keys(&["Esc"]);
    scene.keys(&["Enter"]);
    assert_eq!(scene.posts().len(), 3, "Enter tries again");
}

#[test]
fn a_refused_message_can_be_given_up_and_its_text_is_not_lost() {
    let mut scene = Scene::new();
    scene.keys(&["precious", "Enter"]);
    let entry = scene.model.outbox[0].clone();
    scene.refuse(Ask::Post(entry.clone()), 403);
    scene.draw();
    scene.keys(&["Esc", "d"]);
    assert!(scene.model.outbox.is_empty());
    assert!(scene.effects.contains(&Effect::Forget(entry.client_msg_id)));
    scene.keys(&["i", "Ctrl-Y"]);
    assert_eq!(scene.text(), "precious");
}

#[test]
fn an_upside_down_arrow_edits_my_last_message() {
    let mut scene = Scene::new();
    let mut mine = scene.message(scene.general, "teh");
    mine.author = scene.me.clone();
    scene.happen(scene.general, Wire::MessageCreated(mine.clone()));
    scene.keys(&["Up"]);
    assert_eq!(scene.text(), "teh");
    scene.keys(&["Ctrl-U", "the", "Enter"]);
    assert!(scene.asked(|ask| *ask == Ask::Edit(mine.id, "the".to_owned())));
    assert_eq!(scene.text(), "");
    let edited = ajet_shared::message::Message {
        body_md: "the".to_owned(),
        edited_at: Some(scene.now),
        ..mine
    };
    scene.happen(scene.general, Wire::MessageEdited(edited));
    assert_eq!(bodies(&scene).last().unwrap(), "the");
}

#[test]
fn drafts_stay_where_they_were_begun() {
    let mut scene = Scene::new();
    scene.keys(&["for general", "Alt-Up"]);
    assert_eq!(scene.model.open.as_ref().unwrap().id, scene.api);
    assert_eq!(scene.text(), "");
    assert!(scene.model.has_draft(scene.general) && !scene.model.has_draft(scene.api));
    let kept = Effect::Draft {
        user: scene.me.id,
        place: Place::channel(scene.general),
        text: "for general".to_owned(),
    };
    assert!(scene.effects.contains(&kept));
    scene.keys(&["Alt-Down"]);
    assert_eq!(scene.text(), "for general");
}

#[test]
fn a_draft_is_kept_a_second_after_the_last_key() {
    let mut scene = Scene::new();
    scene.keys(&["text"]);
    assert!(!scene.effects.iter().any(|effect| matches!(effect, Effect::Draft { .. })));
    assert!(next_due(&scene.model).is_some_and(|at| at <= scene.now + time::Duration::SECOND));
    scene.pass(1);
    assert!(scene.effects.contains(&Effect::Draft {
        user: scene.me.id,
        place: Place::channel(scene.general),
        text: "text".to_owned()
    }));
}

#[test]
fn commands_are_completed_and_run_and_never_posted() {
    let mut scene = Scene::new();
    let commands = vec![
        command("topic", Some(ArgumentKind::Text)),
        command("kick", Some(ArgumentKind::Person)),
        command("webhook create", None),
        command("webhook list", None),
    ];
    scene.answer(Ask::Commands(scene.general), Reply::Commands(commands));
    scene.keys(&["/to", "Tab", "Ship it", "Enter"]);
    let ran = |ask: &Ask| matches!(ask, Ask::Run { text, .. } if text == "/topic Ship it");
    assert!(scene.asked(ran) && scene.model.outbox.is_empty());
    scene.keys(&["/webhook l", "Tab"]);
    assert_eq!(scene.text(), "/webhook list ");
    scene.keys(&["Ctrl-U", "/kick ma", "Tab"]);
    assert_eq!(scene.text(), "/kick @mara ");
    scene.keys(&["Ctrl-U", "//not a command", "Enter"]);
    assert_eq!(scene.posts(), ["/not a command"]);
}

#[test]
fn a_command_that_fails_comes_back_to_be_mended() {
    let mut scene = Scene::new();
    scene.keys(&["/topik x", "Enter"]);
    assert_eq!(scene.text(), "");
    let ask = scene.effects.iter().find_map(|effect| match effect {
        Effect::Ask(ask @ Ask::Run { .. }) => Some(ask.clone()),
        _ => None,
    });
    scene.refuse(ask.unwrap(), 422);
    assert_eq!(scene.text(), "/topik x");
    assert!(scene.status().contains("It is not to be"), "{}", scene.status());
}

#[test]
fn answers_for_my_eyes_stand_among_the_messages_until_i_take_them_away() {
    let mut scene = Scene::new();
    let answer = CommandAnswer {
        kind: AnswerKind::Ephemeral,
        body_md: "- one\n- two".to_owned(),
        message: None,
        channel_id: None,
        secret: false,
    };
    let place = Place::channel(scene.general);
    let ask =
        Ask::Run { place, text: "/help".to_owned(), key: ajet_shared::id::ClientMessageId::new() };
    scene.answer(ask.clone(), Reply::Ran(Box::new(answer.clone())));
    assert_eq!(bodies(&scene).last().unwrap(), "note - one\n- two");
    scene.draw();
    scene.keys(&["Esc", "x"]);
    assert_eq!(bodies(&scene).len(), 3);
    let redirect = CommandAnswer {
        kind: AnswerKind::Redirect,
        channel_id: Some(scene.api),
        body_md: String::new(),
        ..answer
    };
    scene.answer(ask, Reply::Ran(Box::new(redirect)));
    assert_eq!(scene.model.open.as_ref().unwrap().id, scene.api);
}

#[test]
fn what_a_command_says_in_a_thread_stands_there() {
    let mut scene = Scene::new();
    scene.keys(&["Esc", "r"]);
    let parent = scene.model.thread().unwrap().parent.id;
    let place = Place::thread(scene.general, parent);
    scene.loaded(place, Vec::new());
    scene.keys(&["/help", "Enter"]);
    let ask = scene.effects.iter().find_map(|effect| match effect {
        Effect::Ask(ask @ Ask::Run { .. }) => Some(ask.clone()),
        _ => None,
    });
    assert!(matches!(ask, Some(Ask::Run { place: typed_in, .. }) if typed_in == place));
    // I go back to the channel before the answer comes.
    scene.model.focus = Zone::Channel;
    let answer = CommandAnswer {
        kind: AnswerKind::Ephemeral,
        body_md: "- one\n- two".to_owned(),
        message: None,
        channel_id: None,
        secret: false,
    };
    scene.answer(ask.unwrap(), Reply::Ran(Box::new(answer)));
    assert_eq!(scene.model.thread().unwrap().timeline.notes.len(), 1);
    assert!(scene.model.open.as_ref().unwrap().timeline.notes.is_empty());
}

#[test]
fn enter_makes_a_line_inside_a_code_block() {
    let mut scene = Scene::new();
    scene.keys(&["```", "Enter", "x", "Enter", "```", "Enter"]);
    assert_eq!(scene.posts(), ["```\nx\n```"]);
    scene.keys(&["a", "Alt-Enter", "b", "Ctrl-J", "c", "Enter"]);
    assert_eq!(scene.model.outbox.last().unwrap().body, "a\nb\nc");
}

#[test]
fn pasted_text_is_never_sent_by_itself() {
    let mut scene = Scene::new();
    scene.give(Event::Paste("one\ntwo\n".to_owned()));
    assert_eq!(scene.text(), "one\ntwo\n");
    assert!(scene.posts().is_empty());
    scene.keys(&["Ctrl-C"]);
    scene.give(Event::Paste("line\n".repeat(30)));
    assert!(matches!(scene.model.overlay, Some(Overlay::Confirm { .. })));
    scene.keys(&["c"]);
    assert!(scene.text().starts_with("```\nline\n") && scene.text().ends_with("line\n```\n"));
}

#[test]
fn control_c_empties_and_twice_quits() {
    let mut scene = Scene::new();
    scene.keys(&["text", "Ctrl-C"]);
    assert_eq!(scene.text(), "");
    assert!(!scene.effects.contains(&Effect::Quit));
    scene.keys(&["Ctrl-Y"]);
    assert_eq!(scene.text(), "text");
    scene.keys(&["Ctrl-C"]);
    scene.pass(3);
    scene.keys(&["Ctrl-C"]);
    assert!(!scene.effects.contains(&Effect::Quit), "too late for a second");
    scene.keys(&["Ctrl-C"]);
    assert!(scene.effects.contains(&Effect::Quit));
}

#[test]
fn quitting_with_unsent_messages_asks_and_ends_with_drafts_kept() {
    let mut scene = Scene::new();
    scene.lose();
    scene.keys(&["unsent", "Enter", "begun", "Ctrl-Q"]);
    assert!(matches!(scene.model.overlay, Some(Overlay::Confirm { .. })));
    scene.keys(&["n", "Ctrl-Q", "y"]);
    assert_eq!(scene.effects.last(), Some(&Effect::Quit));
    assert!(scene.effects.contains(&Effect::Draft {
        user: scene.me.id,
        place: Place::channel(scene.general),
        text: "begun".to_owned()
    }));
    let mut stopped = Scene::new();
    stopped.keys(&["begun"]);
    stopped.give(Event::Stop);
    assert!(stopped.effects.contains(&Effect::Draft {
        user: stopped.me.id,
        place: Place::channel(stopped.general),
        text: "begun".to_owned()
    }));
    assert_eq!(stopped.effects.last(), Some(&Effect::Quit));
}

#[test]
fn typing_is_told_seldom_and_ends() {
    let mut scene = Scene::new();
    let told = |scene: &Scene, wanted: bool| {
        scene
            .effects
            .iter()
            .filter(|e| matches!(e, Effect::Ask(Ask::Typing { started, .. }) if *started == wanted))
            .count()
    };
    scene.keys(&["hello there"]);
    assert_eq!(told(&scene, true), 1);
    scene.pass(16);
    assert_eq!(told(&scene, false), 1);
    scene.keys(&["!", "Ctrl-U"]);
    assert_eq!((told(&scene, true), told(&scene, false)), (2, 2));
    scene.keys(&["/topic x"]);
    assert_eq!(told(&scene, true), 2, "a command is nobody's business");
}

#[test]
fn a_session_that_is_over_is_said_and_nothing_is_lost() {
    let mut scene = Scene::new();
    let problem = ajet_shared::problem::Problem::unauthenticated();
    scene.give(Event::Ended(ajet_shared::client::ClientError::Problem(Box::new(problem))));
    assert_eq!(scene.model.connection, Connection::SignedOut);
    scene.keys(&["kept", "Enter"]);
    assert!(scene.posts().is_empty());
    assert_eq!(scene.model.outbox[0].state, OutboxState::Waiting);
}

#[test]
fn what_waits_of_another_account_is_not_sent() {
    let mut scene = Scene::new();
    scene.keys(&["x", "Enter"]);
    let mut entry = scene.model.outbox[0].clone();
    entry.user = scene.mara.id;
    entry.state = OutboxState::Waiting;
    scene.model.outbox = vec![entry];
    scene.effects.clear();
    scene.give(Event::Tick);
    assert!(scene.posts().is_empty());
}
