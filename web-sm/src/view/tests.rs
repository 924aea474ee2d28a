//! What holds for all templates.

use std::fs;
use std::path::Path;

use ajet_shared::id::{AttachmentId, MessageId};
use ajet_shared::message::{Attachment, Mention, MentionKind, MessageKind, ReactionCount};
use ajet_shared::page::Page;
use time::Duration;

use super::composer::Composer;
use super::header::Header;
use super::message::{Place, Row, Tail};
use super::names::Directory;
use super::pages::{ChannelPage, FormError};
use super::shell::{Shell, View};
use super::timeline::{self, Item, Look};
use super::{divider, render, thread, typing};
use crate::fixtures::{HOSTILE, NOON, author, message, world};

fn templates() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                walk(&entry.path(), found);
            } else {
                found.push((
                    entry.path().display().to_string(),
                    fs::read_to_string(entry.path()).unwrap(),
                ));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("templates"), &mut found);
    assert!(found.len() > 20);
    found
}

/// Every attribute `data-…="…"` of a template with its value.
fn data_attributes(template: &str) -> impl Iterator<Item = (&str, &str)> {
    template.match_indices(" data-").filter_map(|(at, _)| {
        let rest = &template[at + 1..];
        let name =
            &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-:_.".contains(c))?];
        let value = rest[name.len()..].strip_prefix("=\"")?;
        // A quote inside an expression belongs to it.
        let mut depth = 0_usize;
        let end = value.char_indices().position(|(at, c)| {
            depth += usize::from(value[at..].starts_with("{{"));
            depth -= usize::from(depth > 0 && value[at..].starts_with("}}"));
            c == '"' && depth == 0
        })?;
        Some((name, value.char_indices().nth(end).map_or(value, |(end, _)| &value[..end])))
    })
}

#[test]
fn only_ids_and_numbers_stand_in_data_attributes() {
    let mut expressions = 0;
    for (file, template) in templates() {
        for (name, value) in data_attributes(&template) {
            assert!(!value.contains("{%"), "{file}: {name} is composed by a statement");
            for expression in value.split("{{").skip(1) {
                let expression = expression.split("}}").next().unwrap().trim();
                assert!(
                    expression.ends_with("|ds"),
                    "{file}: {name} holds {{{{ {expression} }}}}, which is not checked by the filter `ds`"
                );
                expressions += 1;
            }
        }
    }
    assert!(expressions > 15, "the lint finds the attributes");
}

#[test]
fn templates_hold_no_script_no_inline_style_and_no_raw_text() {
    for (file, template) in templates() {
        assert!(!template.contains(" style="), "{file}: inline style");
        let handler = template.split(" on").skip(1).any(|rest| {
            rest.trim_start_matches(|c: char| c.is_ascii_lowercase()).starts_with("=\"")
        });
        assert!(!handler, "{file}: inline handler");
        // What may be printed as it is has a type and a filter of its own (`filters::prose`).
        assert!(
            !template.contains("|safe"),
            "{file}: only the sanitiser's output is printed as it is"
        );
    }
}

#[test]
fn text_by_users_stays_text() {
    let mut world = world(&["general"]);
    let mut mallory = author("Mallory");
    mallory.display_name = HOSTILE.into();
    mallory.username = HOSTILE.into();
    world.sync.communities[0].community.name = HOSTILE.into();
    let here = world.here.as_mut().unwrap();
    here.channel.name = Some(HOSTILE.into());
    here.channel.topic = Some(HOSTILE.into());
    world.sync.communities[0].channels[0] = here.clone();
    let here = world.here.clone().unwrap();
    let mut post = message(&mallory, &here, 11, HOSTILE);
    post.reactions =
        vec![ReactionCount { emoji: HOSTILE.into(), count: 2, reacted_by_me: Some(true) }];
    post.participants = vec![mallory.clone()];
    post.reply_count = 1;
    post.attachments = vec![Attachment {
        id: AttachmentId::new(),
        filename: HOSTILE.into(),
        content_type: "image/png".into(),
        size_bytes: 1,
        width: None,
        height: None,
        url: HOSTILE.into(),
        thumb_url: None,
    }];
    let page = Page::whole(vec![post.clone()]);
    let directory = Directory::default();
    let look = Look { me: world.me.id, today: NOON.date(), directory: &directory, target: None };
    let beside = thread::Pane::new(&post, &page, "/x", HOSTILE.into(), None, &directory);
    let html = render(&ChannelPage {
        shell: Shell::new(&world, View::Main, HOSTILE, "nonce", 0),
        channel_id: here.channel.id,
        header: Header::new(&here, world.me.id, "/", "/", false),
        label: HOSTILE.into(),
        items: timeline::whole(&here, &page, look),
        composer: Composer::of_channel(&here, HOSTILE),
        pane: Some(super::pages::Pane::Thread(Box::new(beside))),
    });
    let others = [
        render(&FormError { text: HOSTILE }),
        render(&typing::Typing::new(&[HOSTILE, HOSTILE])),
        render(&typing::Announcement { name: HOSTILE, text: HOSTILE }),
    ];
    for html in others.iter().chain([&html]) {
        assert!(!html.contains("<script>"), "{html}");
        assert!(!html.contains("<img src=x"), "{html}");
        assert!(!html.contains("onerror=alert(2)>${"), "{html}");
    }
    assert!(html.matches("&#60;script&#62;").count() + html.matches("&lt;script&gt;").count() > 10);
}

#[test]
fn the_page_holds_each_fragment_byte_for_byte() {
    let world = world(&["general", "random"]);
    let here = world.here.clone().unwrap();
    let (lena, directory) = (author("Lena"), Directory::default());
    let post = message(&lena, &here, 11, "**hello**");
    let page = Page::whole(vec![post.clone()]);
    let look = Look { me: world.me.id, today: NOON.date(), directory: &directory, target: None };
    let header = || Header::new(&here, world.me.id, "/", "/", false);
    let html = render(&ChannelPage {
        shell: Shell::new(&world, View::Main, "", "nonce", 11),
        channel_id: here.channel.id,
        header: header(),
        label: "Messages".into(),
        items: timeline::whole(&here, &page, look),
        composer: Composer::of_channel(&here, "#general"),
        pane: None,
    });
    let parts = [
        render(&Row::new(&post, Place::Channel, false, &directory)),
        render(&header()),
        render(&world.channel_list()),
        render(&world.dm_list()),
        render(&world.rail()),
        render(&divider::Day::new(NOON.date(), NOON.date())),
        render(&Composer::of_channel(&here, "#general")),
    ];
    for part in parts {
        assert!(html.contains(&part), "missing: {part}");
    }
    assert!(html.contains(&format!(
        "cursor=1.7&amp;seen=11&amp;community={}&amp;channel={}",
        world.sync.communities[0].community.id, here.channel.id
    )));
}

#[test]
fn messages_by_one_author_join_a_group() {
    let world = world(&["general"]);
    let here = world.here.clone().unwrap();
    let (lena, sam) = (author("Lena"), author("Sam"));
    let mut messages = vec![
        message(&lena, &here, 1, "a"),
        message(&lena, &here, 2, "b"),
        message(&sam, &here, 3, "c"),
        message(&sam, &here, 4, "d"),
    ];
    messages[3].created_at += Duration::minutes(6);
    let tail = Tail::of(&messages[0]);
    assert!(tail.continues(&messages[1]) && !tail.continues(&messages[2]));
    let directory = Directory::default();
    let look = Look { me: world.me.id, today: NOON.date(), directory: &directory, target: None };
    let html = timeline::markup(&timeline::part(&messages, look, None));
    assert_eq!(html.matches("class=\"msg cont\"").count(), 1);
    assert_eq!(html.matches("class=\"msg\"").count(), 3);
    assert_eq!(tail.to_string().parse::<Tail>(), Ok(tail));
    // What stands alone is not continued either when an address has carried it.
    messages[0].kind = MessageKind::Me;
    let carried: Tail = Tail::of(&messages[0]).to_string().parse().unwrap();
    assert!(!carried.continues(&messages[1]));
}

#[test]
fn days_and_unread_messages_are_divided() {
    let world = world(&["general"]);
    let mut here = world.here.clone().unwrap();
    let lena = author("Lena");
    let mut messages: Vec<_> = (1..=4).map(|seq| message(&lena, &here, seq, "x")).collect();
    messages[0].created_at -= Duration::days(1);
    (here.last_read_seq, here.unread) = (2, 2);
    let directory = Directory::default();
    let look = Look {
        me: world.me.id,
        today: NOON.date(),
        directory: &directory,
        target: Some(messages[3].id),
    };
    let page = Page::whole(messages.clone());
    let kinds = |page: &Page<_>, here: &_| -> String {
        timeline::whole(here, page, look)
            .iter()
            .map(|item| match item {
                Item::Top(_) => 'T',
                Item::Intro(_) => 'I',
                Item::Day(_) => 'D',
                Item::Unread(_) => 'U',
                Item::Row(_) => 'r',
                Item::Bottom(_) => 'B',
            })
            .collect()
    };
    assert_eq!(kinds(&page, &here), "IDrDrUrr");
    let html = timeline::markup(&timeline::whole(&here, &page, look));
    assert!(
        html.contains("Yesterday, Thursday 19 November")
            && html.contains("Today, Friday 20 November")
    );
    assert!(html.contains("2 new since <time datetime=\"2026-11-20T12:00:02Z\">12:00</time>"));
    assert!(html.contains(&format!("class=\"msg cont target\" id=\"message-{}\"", messages[3].id)));
    // More are unread than are here: the line belongs further up.
    here.unread = 9;
    assert_eq!(kinds(&Page { prev: Some(messages[0].id.into()), ..page }, &here), "TDrDrrr");
}

#[test]
fn calls_are_marked_by_ids_alone() {
    let world = world(&["general"]);
    let here = world.here.clone().unwrap();
    let (lena, sam, directory) = (author("Lena"), author("Sam"), Directory::default());
    directory.learn([&sam]);
    let mut post = message(&lena, &here, 1, "@sam @nobody look");
    post.mentions = vec![
        Mention { kind: MentionKind::User, id: Some(sam.id) },
        Mention { kind: MentionKind::Here, id: None },
    ];
    let html = render(&Row::new(&post, Place::Channel, false, &directory));
    assert!(html.contains(&format!("data-mentions=\"{} all\"", sam.id)));
    assert!(html.contains(&format!("mention u-{}", sam.id.uuid().simple())), "{html}");
    assert!(html.contains("@nobody look"));
    // Known, but not recorded by the api: text.
    post.mentions.clear();
    assert!(
        !render(&Row::new(&post, Place::Channel, false, &directory)).contains("class=\"mention")
    );
}

#[test]
fn a_root_in_the_pane_has_its_own_ids() {
    let world = world(&["general"]);
    let here = world.here.clone().unwrap();
    let (lena, directory) = (author("Lena"), Directory::default());
    let root = message(&lena, &here, 1, "root");
    let html = render(&Row::new(&root, Place::Root, false, &directory));
    for part in ["root-message-", "root-reactions-"] {
        assert!(html.contains(&format!("id=\"{part}{}\"", root.id)), "{part}");
    }
    assert!(!html.contains("thread-summary"));
    let _: MessageId = root.id;
}
