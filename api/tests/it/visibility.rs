//! The SQL predicate and the permission function say the same (delivery-and-security.md section 3.6).

use std::collections::{BTreeMap, BTreeSet};

use ajet_shared::actions::{Action, Actor, Decision, Scope, authorize};
use ajet_shared::channel::Visibility;
use ajet_shared::db::channels::{self, Listed, NewChannel};
use ajet_shared::db::paging::{Keyset, Start};
use ajet_shared::db::posting::{self, Draft, Posted};
use ajet_shared::db::search::{self, Bounds};
use ajet_shared::db::{
    Cause, authz, bans, channel_members, communities, community_members, notifications,
};
use ajet_shared::id::{ChannelId, ClientMessageId, CommunityId, MessageId, UserId};
use ajet_shared::message::PostMessage;
use ajet_shared::page::Anchor;
use ajet_shared::search::{Query, SearchSort};
use sqlx::PgConnection;

use crate::harness::App;

/// A small random number generator, so that a failing world can be made again from its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // xorshift64*: good enough to choose with.
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % sides
    }
}

#[tokio::test]
async fn lists_hold_exactly_what_authorize_allows() {
    let app = App::start().await;
    let mut people = Vec::new();
    for n in 0..5 {
        people.push(app.user(&format!("person{n}")).await.user_id);
    }
    for seed in 1..=12 {
        let mut tx = app.db.begin().await.unwrap();
        let (places, all) = world(&mut tx, &people, &mut Dice(seed)).await;
        let said = everybody_is_called(&mut tx, &people, &all).await;
        for &reader in &people {
            let allowed = assert_same(&mut tx, reader, &places, &all, seed).await;
            assert_finds(&mut tx, reader, &allowed, &said, seed).await;
            assert_told(&mut tx, reader, &allowed, seed).await;
        }
        tx.rollback().await.unwrap();
    }
}

/// Communities with public and private channels, direct messages, and people who came and went.
async fn world(
    conn: &mut PgConnection,
    people: &[UserId],
    dice: &mut Dice,
) -> (Vec<CommunityId>, Vec<ChannelId>) {
    let (mut places, mut all) = (Vec::new(), Vec::new());
    for place in 0..2_usize {
        let owner = people[place];
        let cause = Cause::by(owner);
        let community = communities::create(conn, &cause, owner, &"World".parse().unwrap(), None)
            .await
            .unwrap();
        for &person in people {
            if dice.roll(3) > 0 {
                community_members::join(
                    conn,
                    &cause,
                    community.id,
                    person,
                    ajet_shared::community::Role::Member,
                    &[],
                )
                .await
                .unwrap();
            }
        }
        for n in 0..4 {
            let visibility =
                if dice.roll(2) == 0 { Visibility::Public } else { Visibility::Private };
            let name = format!("channel{n}").parse().unwrap();
            let new = NewChannel {
                community_id: community.id,
                name: &name,
                visibility,
                topic: None,
                is_default: false,
            };
            let channel = channels::create(conn, &cause, &new).await.unwrap();
            for &person in people {
                let belongs =
                    community_members::role(conn, community.id, person).await.unwrap().is_some();
                if belongs && dice.roll(2) == 0 {
                    channel_members::join(conn, &cause, channel.id, person).await.unwrap();
                }
            }
            all.push(channel.id);
        }
        for &channel in &all[all.len() - 2..] {
            let kicked = people[usize::try_from(dice.roll(5)).unwrap()];
            let going = channel_members::Going::Removed;
            channel_members::remove(conn, &cause, channel, kicked, going).await.unwrap();
        }
        let leaver = people[usize::try_from(dice.roll(5)).unwrap()];
        if leaver != owner {
            community_members::remove(
                conn,
                &cause,
                community.id,
                leaver,
                channel_members::Going::Left,
            )
            .await
            .unwrap();
        }
        let banned = people[usize::try_from(dice.roll(5)).unwrap()];
        if banned != owner {
            let going = channel_members::Going::Removed;
            bans::put(conn, &cause, community.id, banned, "", None).await.unwrap();
            community_members::remove(conn, &cause, community.id, banned, going).await.unwrap();
        }
        if dice.roll(2) == 0 {
            let archived = all[all.len() - 1];
            channels::set_archived(conn, &cause, archived, true).await.unwrap();
        }
        let group = [owner, people[2], people[usize::try_from(dice.roll(2)).unwrap() + 3]];
        all.push(channels::open_direct(conn, &cause, &group).await.unwrap().0.id);
        let pair = [owner, people[usize::try_from(dice.roll(4)).unwrap() + 1]];
        if pair[0] != pair[1] {
            all.push(channels::open_direct(conn, &cause, &pair).await.unwrap().0.id);
        }
        places.push(community.id);
    }
    (places, all)
}

async fn assert_same(
    conn: &mut PgConnection,
    reader: UserId,
    places: &[CommunityId],
    all: &[ChannelId],
    seed: u64,
) -> BTreeSet<ChannelId> {
    let mut listed = BTreeSet::new();
    for &place in places {
        listed.extend(
            channels::list(conn, reader, Listed::Of(place))
                .await
                .unwrap()
                .into_iter()
                .map(|view| view.channel.id),
        );
    }
    listed.extend(
        channels::list(conn, reader, Listed::Direct)
            .await
            .unwrap()
            .into_iter()
            .map(|view| view.channel.id),
    );
    listed.retain(|id| all.contains(id));
    let mut allowed = BTreeSet::new();
    for &channel in all {
        let access = authz::channel_access(conn, reader, channel).await.unwrap().unwrap();
        let decide = |actor| authorize(&actor, Action::ReadChannel, &access.resource());
        let decided = decide(Actor::User(reader));
        match decided {
            Decision::Allow => assert!(allowed.insert(channel)),
            Decision::Hide => {}
            Decision::Deny(reason) => panic!("reading is allowed or hidden, not denied: {reason}"),
        }
        // A token sees what its owner sees, and without the scope nothing more.
        let token = |scope| Actor::Token(reader, BTreeSet::from([scope]));
        assert_eq!(decide(token(Scope::MessagesRead)), decided);
        assert!(decide(token(Scope::MessagesWrite)) != Decision::Allow);
    }
    assert_eq!(listed, allowed, "world {seed}, reader {reader}");
    allowed
}

/// In every channel that takes a message, one of its members writes one that names all people. Gives where the messages are.
async fn everybody_is_called(
    conn: &mut PgConnection,
    people: &[UserId],
    all: &[ChannelId],
) -> BTreeMap<MessageId, ChannelId> {
    let mut said = BTreeMap::new();
    for &channel in all {
        for &author in people {
            let access = authz::channel_access(conn, author, channel).await.unwrap().unwrap();
            let actor = Actor::User(author);
            if authorize(&actor, Action::PostMessage, &access.resource()) != Decision::Allow {
                continue;
            }
            let request: PostMessage = serde_json::from_value(serde_json::json!({
                "body_md": "harbour @person0 @person1 @person2 @person3 @person4",
                "client_msg_id": ClientMessageId::new(),
            }))
            .unwrap();
            let cause = Cause::by(author);
            let draft = Draft::text(&request);
            let posted = posting::post(conn, &actor, &cause, channel, &draft).await.unwrap();
            let Posted::New(message) = posted else { panic!("{posted:?}") };
            said.insert(message.id, channel);
            break;
        }
    }
    said
}

/// A search finds what is in the channels that one may read, and all of it.
async fn assert_finds(
    conn: &mut PgConnection,
    reader: UserId,
    allowed: &BTreeSet<ChannelId>,
    said: &BTreeMap<MessageId, ChannelId>,
    seed: u64,
) {
    let bounds = Bounds {
        community_id: None,
        channel_id: None,
        before: None,
        limit: 100,
        sort: SearchSort::New,
    };
    let query = Query::parse("harbour").unwrap();
    let found = search::find(conn, reader, &query, &bounds).await.unwrap();
    let found: BTreeSet<_> = found.messages.iter().map(|message| message.id).collect();
    let wanted: BTreeSet<_> =
        said.iter().filter(|(_, channel)| allowed.contains(channel)).map(|(id, _)| *id).collect();
    assert_eq!(found, wanted, "world {seed}, reader {reader}");
}

/// Nobody is told of a message in a channel they may not read.
async fn assert_told(
    conn: &mut PgConnection,
    reader: UserId,
    allowed: &BTreeSet<ChannelId>,
    seed: u64,
) {
    let keyset = Keyset::new(Anchor::Latest, 100, Start::Newest).unwrap();
    let told = notifications::list(conn, reader, false, &keyset).await.unwrap();
    for notification in told.items.iter().filter(|told| told.message_id.is_some()) {
        let channel = notification.channel_id.unwrap();
        assert!(allowed.contains(&channel), "world {seed}, reader {reader}, {notification:?}");
    }
}
