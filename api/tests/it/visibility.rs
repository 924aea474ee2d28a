//! The SQL predicate and the permission function say the same (delivery-and-security.md section 3.6).

use std::collections::BTreeSet;

use ajet_shared::actions::{Action, Actor, Decision, authorize};
use ajet_shared::channel::Visibility;
use ajet_shared::db::channels::{self, Listed, NewChannel};
use ajet_shared::db::{Cause, authz, channel_members, communities, community_members};
use ajet_shared::id::{ChannelId, CommunityId, UserId};
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
        for &reader in &people {
            assert_same(&mut tx, reader, &places, &all, seed).await;
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
) {
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
        match authorize(&Actor::User(reader), Action::ReadChannel, &access.resource()) {
            Decision::Allow => assert!(allowed.insert(channel)),
            Decision::Hide => {}
            Decision::Deny(reason) => panic!("reading is allowed or hidden, not denied: {reason}"),
        }
    }
    assert_eq!(listed, allowed, "world {seed}, reader {reader}");
}
