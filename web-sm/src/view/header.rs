//! The bar above the messages.

use ajet_shared::channel::{ChannelKind, ChannelView, Visibility};
use ajet_shared::id::UserId;
use ajet_shared::user::Author;
use askama::Template;

use super::avatar::Avatar;
use super::{filters, fragments};

/// `#channel-header`.
#[derive(Template)]
#[template(path = "fragments/header.html")]
pub(crate) struct Header<'a> {
    back: &'a str,
    path: &'a str,
    title: String,
    icon: Option<&'static str>,
    avatar: Option<Avatar<'a>>,
    topic: &'a str,
    members: i64,
    leave: Option<ajet_shared::id::ChannelId>,
    pane_open: bool,
}

fragments!(Header<'_>);

/// The symbol of a channel.
pub(crate) fn icon_of(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "hash",
        Visibility::Private => "lock",
    }
}

/// The people of a direct message besides the reader; the reader alone in a message to oneself.
pub(crate) fn others(view: &ChannelView, me: UserId) -> Vec<&Author> {
    let others: Vec<_> = view.members.iter().filter(|member| member.id != me).collect();
    if others.is_empty() { view.members.iter().collect() } else { others }
}

/// What a channel is called: its name, or its people.
pub(crate) fn name_of(view: &ChannelView, me: UserId) -> String {
    view.channel.name.clone().unwrap_or_else(|| {
        let names: Vec<_> =
            others(view, me).into_iter().map(|author| author.display_name.as_str()).collect();
        if names.is_empty() { "Direct message".to_owned() } else { names.join(", ") }
    })
}

/// As [`name_of`], with the `#` of a channel.
pub(crate) fn title_of(view: &ChannelView, me: UserId) -> String {
    let name = name_of(view, me);
    if view.channel.name.is_some() { format!("#{name}") } else { name }
}

impl<'a> Header<'a> {
    /// Of a channel that stands at `path`.
    pub(crate) fn new(
        view: &'a ChannelView,
        me: UserId,
        back: &'a str,
        path: &'a str,
        pane_open: bool,
    ) -> Self {
        let direct = matches!(view.channel.kind, ChannelKind::Dm | ChannelKind::GroupDm);
        let people = others(view, me);
        let avatar = direct.then(|| match people.as_slice() {
            [one] => Avatar::of(one).sized("s"),
            more => Avatar::of_group(view.channel.id, more.len()).sized("s"),
        });
        Self {
            back,
            path,
            title: name_of(view, me),
            icon: (!direct).then(|| icon_of(view.channel.visibility)),
            avatar,
            topic: view.channel.topic.as_deref().unwrap_or_default(),
            members: view.member_count,
            leave: (view.joined && !direct).then_some(view.channel.id),
            pane_open,
        }
    }
}
