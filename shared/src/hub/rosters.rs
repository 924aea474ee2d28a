//! Who is in which channel, for presence: kept only for channels with a reader here, asked from the api once and then changed by the
//! membership events. Typing needs none of it, because it only reaches the readers themselves.

use std::collections::{HashMap, HashSet};

use super::delivery::Scope;
use crate::events::{Event, MemberScope};
use crate::id::{ChannelId, UserId};

#[derive(Debug, Default)]
pub(super) struct Rosters(HashMap<ChannelId, Roster>);

#[derive(Debug)]
enum Roster {
    /// Being asked for; what happens meanwhile is applied to the answer.
    Asked(Vec<(UserId, bool)>),
    Known(HashSet<UserId>),
}

impl Rosters {
    /// Notes who is in a channel, unless that is known already.
    pub(super) fn learn(&mut self, channel: ChannelId, members: impl Iterator<Item = UserId>) {
        let roster = self.0.entry(channel).or_insert_with(|| Roster::Asked(Vec::new()));
        if let Roster::Asked(since) = roster {
            let mut known: HashSet<UserId> = members.collect();
            for (user_id, inside) in since.drain(..) {
                change(&mut known, user_id, inside);
            }
            *roster = Roster::Known(known);
        }
    }

    /// Begins to ask for a channel's members; false if they are known or asked for.
    pub(super) fn ask(&mut self, channel: ChannelId) -> bool {
        if self.0.contains_key(&channel) {
            return false;
        }
        self.0.insert(channel, Roster::Asked(Vec::new()));
        true
    }

    /// Asking came to nothing: ask again next time.
    pub(super) fn give_up(&mut self, channel: ChannelId) {
        if matches!(self.0.get(&channel), Some(Roster::Asked(_))) {
            self.0.remove(&channel);
        }
    }

    /// Forgets the channels that nobody here reads.
    pub(super) fn keep(&mut self, wanted: impl Fn(ChannelId) -> bool) {
        self.0.retain(|channel, _| wanted(*channel));
    }

    /// Who of these is in the channel.
    pub(super) fn contains(&self, channel: ChannelId, user_id: UserId) -> bool {
        matches!(self.0.get(&channel), Some(Roster::Known(members)) if members.contains(&user_id))
    }

    /// Takes in who came and went.
    pub(super) fn apply(&mut self, scope: Scope, event: &Event) {
        let (member, inside) = match event {
            Event::MemberJoined(member) => (member, true),
            Event::MemberLeft(member) | Event::MemberRemoved(member) => (member, false),
            _ => return,
        };
        match (member.scope, scope) {
            (MemberScope::Channel, Scope::Channel(_, channel)) => {
                self.note(channel, member.user_id, inside);
            }
            (MemberScope::Community, _) if !inside => self.forget(member.user_id),
            _ => {}
        }
    }

    /// Somebody left a community. Which channels are in it is not known here, so every roster with that person is asked for again.
    fn forget(&mut self, user_id: UserId) {
        self.0.retain(|_, roster| match roster {
            Roster::Known(members) => !members.contains(&user_id),
            Roster::Asked(since) => {
                since.push((user_id, false));
                true
            }
        });
    }

    fn note(&mut self, channel: ChannelId, user_id: UserId, inside: bool) {
        match self.0.get_mut(&channel) {
            Some(Roster::Asked(since)) => since.push((user_id, inside)),
            Some(Roster::Known(members)) => change(members, user_id, inside),
            None => {}
        }
    }
}

fn change(members: &mut HashSet<UserId>, user_id: UserId, inside: bool) {
    if inside {
        members.insert(user_id);
    } else {
        members.remove(&user_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::MemberChanged;
    use crate::id::CommunityId;
    use crate::user::{Author, UserKind};

    fn member(scope: MemberScope, user_id: UserId) -> MemberChanged {
        let user = Author {
            id: user_id,
            username: "p".to_owned(),
            display_name: "P".to_owned(),
            avatar_url: None,
            kind: UserKind::Human,
        };
        MemberChanged { scope, user_id, user, role: None, channel: None }
    }

    #[test]
    fn what_happens_while_it_is_asked_for_counts() {
        let (mut rosters, room, [ada, bob, eve]) =
            (Rosters::default(), ChannelId::new(), [(); 3].map(|()| UserId::new()));
        let scope = Scope::Channel(None, room);
        assert!(rosters.ask(room));
        assert!(!rosters.ask(room));
        rosters.apply(scope, &Event::MemberJoined(member(MemberScope::Channel, ada)));
        rosters.apply(scope, &Event::MemberRemoved(member(MemberScope::Channel, bob)));
        rosters.learn(room, [bob, eve].into_iter());
        assert_eq!([ada, bob, eve].map(|user| rosters.contains(room, user)), [true, false, true]);
        rosters.apply(scope, &Event::MemberLeft(member(MemberScope::Channel, eve)));
        assert!(!rosters.contains(room, eve));
    }

    #[test]
    fn somebody_who_left_the_community_is_looked_up_again() {
        let (mut rosters, room, other, ada) =
            (Rosters::default(), ChannelId::new(), ChannelId::new(), UserId::new());
        rosters.learn(room, [ada].into_iter());
        rosters.learn(other, [UserId::new()].into_iter());
        let left = Event::MemberLeft(member(MemberScope::Community, ada));
        rosters.apply(Scope::Community(CommunityId::new()), &left);
        assert!(!rosters.contains(room, ada));
        assert!(rosters.ask(room));
        assert!(!rosters.ask(other));
        rosters.keep(|channel| channel == room);
        assert!(rosters.ask(other));
    }
}
