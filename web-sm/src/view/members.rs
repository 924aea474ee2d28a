//! The pane that lists who is in a channel.

use ajet_shared::community::Role;
use ajet_shared::id::UserId;
use ajet_shared::user::{User, UserKind};
use askama::Template;

use super::avatar::Avatar;
use super::{filters, fragments};

/// The pane.
#[derive(Template)]
#[template(path = "fragments/members-pane.html")]
pub(crate) struct Pane<'a> {
    back: &'a str,
    total: i64,
    groups: Vec<Group<'a>>,
}

struct Group<'a> {
    name: &'static str,
    rows: Vec<MemberRow<'a>>,
}

/// One person: a link to their card.
#[derive(Template)]
#[template(path = "fragments/member.html")]
pub(crate) struct MemberRow<'a> {
    id: UserId,
    avatar: Avatar<'a>,
    name: &'a str,
    username: &'a str,
    role: Option<&'static str>,
    me: bool,
    status: Option<&'a str>,
}

fragments!(Pane<'_>, MemberRow<'_>);

impl<'a> Pane<'a> {
    /// Of these people and their roles in the community.
    pub(crate) fn new(
        people: &'a [(User, Option<Role>)],
        total: i64,
        me: UserId,
        back: &'a str,
    ) -> Self {
        let group = |name, wanted: &dyn Fn(&User) -> bool| Group {
            name,
            rows: people
                .iter()
                .filter(|(user, _)| wanted(user))
                .map(|(user, role)| MemberRow::new(user, *role, me))
                .collect(),
        };
        let human = |user: &User| user.kind == UserKind::Human;
        let there = |user: &User| user.online || user.id == me;
        let groups = [
            group("Online", &|user| human(user) && there(user)),
            group("Offline", &|user| human(user) && !there(user)),
            group("Apps", &|user| !human(user)),
        ];
        Self {
            back,
            total,
            groups: groups.into_iter().filter(|group| !group.rows.is_empty()).collect(),
        }
    }
}

impl<'a> MemberRow<'a> {
    fn new(user: &'a User, role: Option<Role>, me: UserId) -> Self {
        let is_me = user.id == me;
        let avatar = Avatar::of_user(user).sized("m");
        Self {
            id: user.id,
            avatar: if user.kind == UserKind::Human {
                avatar.with_presence(user.id, user.online || is_me)
            } else {
                avatar
            },
            name: &user.display_name,
            username: &user.username,
            role: role.filter(|role| *role != Role::Member).map(Role::as_str),
            me: is_me,
            status: user.status_text.as_deref().filter(|text| !text.is_empty()),
        }
    }
}
