//! Who somebody is: a card beside their name, and a page for those who come by a link.

use ajet_shared::community::{Member, Role};
use ajet_shared::id::UserId;
use ajet_shared::user::{User, UserKind};
use askama::Template;
use time::macros::format_description;

use super::avatar::{Avatar, Presence};
use super::shell::Shell;
use super::{filters, fragments};

/// The card.
#[derive(Template)]
#[template(path = "fragments/profile-card.html")]
pub(crate) struct Card<'a> {
    user: &'a User,
    avatar: Avatar<'a>,
    presence: Option<Presence>,
    status: Option<String>,
    /// `Member since March 2025`.
    role: Option<String>,
    me: bool,
    /// One can write to them.
    reachable: bool,
    /// Beside a box to mention them in.
    beside: bool,
}

/// The card as it stands beside a name.
#[derive(Template)]
#[template(path = "fragments/profile-pop.html")]
pub(crate) struct Pop<'a> {
    pub(crate) name: &'a str,
    pub(crate) card: Card<'a>,
}

/// The page.
#[derive(Template)]
#[template(path = "pages/profile.html")]
pub(crate) struct ProfilePage<'a> {
    pub(crate) shell: Shell<'a>,
    pub(crate) card: Card<'a>,
}

/// Somebody to write to, in a list to choose from.
#[derive(Template)]
#[template(path = "fragments/choice.html")]
pub(crate) struct Choice<'a> {
    id: UserId,
    avatar: Avatar<'a>,
    name: &'a str,
    username: &'a str,
}

/// Whom to write to.
#[derive(Template)]
#[template(path = "pages/new-message.html")]
pub(crate) struct NewMessagePage<'a> {
    pub(crate) shell: Shell<'a>,
    pub(crate) people: Vec<Choice<'a>>,
}

fragments!(Card<'_>, Choice<'_>);

impl<'a> Card<'a> {
    /// Of somebody, as a member where the community is known.
    pub(crate) fn new(user: &'a User, member: Option<&Member>, me: UserId, beside: bool) -> Self {
        let human = user.kind == UserKind::Human;
        let (is_me, id) = (user.id == me, user.id);
        let online = user.online || is_me;
        let avatar = Avatar::of_user(user).sized("xl");
        Self {
            user,
            avatar: if human { avatar.with_presence(id, online) } else { avatar },
            presence: human.then_some(Presence { user_id: id, online }),
            status: status(user),
            role: member.map(|member| {
                let since = member
                    .joined_at
                    .format(format_description!("[month repr:long] [year]"))
                    .unwrap_or_default();
                let role = match member.role {
                    Role::Member => "Member",
                    Role::Admin => "Admin",
                    Role::Owner => "Owner",
                };
                format!("{role} since {since}")
            }),
            me: is_me,
            reachable: human && !is_me,
            beside,
        }
    }
}

/// `🌊 on the water`.
fn status(user: &User) -> Option<String> {
    let parts = [&user.status_emoji, &user.status_text].into_iter().flatten();
    let words: Vec<&str> = parts.map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(" "))
}

impl<'a> Choice<'a> {
    /// This one.
    pub(crate) fn new(user: &'a User) -> Self {
        Self {
            id: user.id,
            avatar: Avatar::of_user(user).sized("m").with_presence(user.id, user.online),
            name: &user.display_name,
            username: &user.username,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{HOSTILE, NOON, world};
    use crate::view::render;

    #[test]
    fn a_card_says_who_and_offers_what_can_be_done() {
        let world = world(&["general"]);
        let mut user = world.sync.me.user.clone();
        (user.status_text, user.status_emoji) = (Some("at sea".into()), Some("🌊".into()));
        user.id = UserId::new();
        let member = Member { user: user.clone(), role: Role::Admin, joined_at: NOON };
        let html = render(&Card::new(&user, Some(&member), world.me.id, true));
        for part in ["@ola", "Admin since November 2026", "🌊 at sea", "Message", "Online"] {
            assert!(html.contains(part), "{part}: {html}");
        }
        let mine = render(&Card::new(&user, None, user.id, true));
        assert!(!mine.contains("Message") && mine.contains("you"), "{mine}");
    }

    #[test]
    fn names_and_words_of_people_stay_text() {
        let mut user = world(&["general"]).sync.me.user;
        user.id = UserId::new();
        user.display_name = HOSTILE.into();
        user.username = HOSTILE.into();
        user.status_text = Some(HOSTILE.into());
        let me = UserId::new();
        for html in [render(&Card::new(&user, None, me, false)), render(&Choice::new(&user))] {
            assert!(!html.contains("<script>") && !html.contains("<img"), "{html}");
        }
    }
}
