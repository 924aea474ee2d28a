//! What is kept: commands that may have been run, drafts beside a second program, texts of another account.

use ajet_shared::client::ClientError;
use ajet_shared::command::ArgumentKind;

use super::super::super::event::{Ask, Effect, Event, Reply};
use super::super::super::outbox::OutboxState;
use super::super::super::overlay::Overlay;
use super::super::testing::{Scene, command};
use super::bodies;

fn runs(scene: &Scene) -> Vec<Ask> {
    let run = |effect: &Effect| match effect {
        Effect::Ask(ask @ Ask::Run { .. }) => Some(ask.clone()),
        _ => None,
    };
    scene.effects.iter().filter_map(run).collect()
}

#[test]
fn a_command_without_an_answer_is_asked_again_under_its_key() {
    let mut scene = Scene::new();
    scene.keys(&["/purge 20", "Enter"]);
    let lost = ClientError::Timeout(std::time::Duration::from_secs(30));
    scene.give(Event::Answer(runs(&scene)[0].clone(), Err(lost)));
    assert_eq!(scene.text(), "/purge 20");
    assert!(scene.status().contains("may have been done"), "{}", scene.status());
    scene.keys(&["Enter"]);
    assert_eq!(runs(&scene)[0], runs(&scene)[1], "the same key");
    scene.refuse(runs(&scene)[1].clone(), 422);
    scene.keys(&["Enter"]);
    assert_ne!(runs(&scene)[1], runs(&scene)[2], "what was refused is another one");
}

#[test]
fn letters_that_lower_to_others_complete_without_a_panic() {
    let mut scene = Scene::new();
    let commands = vec![command("kick", Some(ArgumentKind::Person))];
    scene.answer(Ask::Commands(scene.general), Reply::Commands(commands));
    scene.give(Event::Paste("/kic\u{212a} ma".to_owned()));
    scene.give(Event::Paste("İ x".to_owned()));
    scene.keys(&["Ctrl-U", "/KICK ma", "Tab"]);
    assert_eq!(scene.text(), "/KICK @mara ");
}

fn drafts(scene: &Scene) -> usize {
    scene.effects.iter().filter(|effect| matches!(effect, Effect::Draft { .. })).count()
}

#[test]
fn a_box_nobody_wrote_in_keeps_nothing() {
    let mut scene = Scene::new();
    scene.keys(&["Alt-Up", "Alt-Down", "Esc", "r", "Esc", "Esc"]);
    assert_eq!(drafts(&scene), 0, "a draft of another program is not taken away");
    scene.keys(&["i", "x", "Alt-Up"]);
    assert_eq!(drafts(&scene), 1);
}

#[test]
fn what_waits_of_another_account_is_not_shown_as_mine() {
    let mut scene = Scene::new();
    scene.lose();
    scene.keys(&["mine", "Enter"]);
    let mut other = scene.model.outbox[0].clone();
    (other.user, other.body) = (scene.mara.id, "hers".to_owned());
    other.client_msg_id = ajet_shared::id::ClientMessageId::new();
    scene.model.outbox = vec![other; 200];
    assert!(!bodies(&scene).iter().any(|body| body.contains("hers")));
    scene.keys(&["room for mine", "Enter"]);
    assert_eq!(bodies(&scene).last().unwrap(), "◷ room for mine");
    scene.model.outbox.truncate(200);
    scene.keys(&["Ctrl-Q"]);
    assert!(scene.effects.contains(&Effect::Quit), "nothing of mine waits");
}

#[test]
fn the_question_before_quitting_tells_waiting_from_refused() {
    let mut scene = Scene::new();
    scene.lose();
    scene.keys(&["a", "Enter", "b", "Enter"]);
    scene.model.outbox[0].state = OutboxState::Failed("No.".to_owned());
    scene.keys(&["Ctrl-Q"]);
    let Some(Overlay::Confirm { question, .. }) = &scene.model.overlay else {
        panic!("no question")
    };
    assert_eq!(
        question,
        "1 is not sent yet (sent at the next start), 1 was refused (kept). Quit? y/n"
    );
}

#[test]
fn a_text_being_edited_is_not_lost_by_going_elsewhere() {
    let mut scene = Scene::new();
    let mut mine = scene.message(scene.general, "mine");
    mine.author = scene.me.clone();
    scene.happen(scene.general, ajet_shared::events::Event::MessageCreated(mine));
    scene.keys(&["Up", " and more", "Alt-Up"]);
    assert!(scene.status().contains("Ctrl-Y"), "{}", scene.status());
    scene.keys(&["Ctrl-Y"]);
    assert_eq!(scene.text(), "mine and more");
}

#[test]
fn a_filter_left_by_a_click_takes_no_paste() {
    let mut scene = Scene::new();
    scene.keys(&["Esc", "h", "/"]);
    scene.model.mode = super::super::super::model::Mode::Insert;
    scene.give(Event::Paste("text".to_owned()));
    assert_eq!(scene.text(), "text");
}
