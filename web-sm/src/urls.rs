//! The addresses of pages (decisions.md 29).

use std::fmt::Write as _;

use ajet_shared::channel::ChannelView;
use ajet_shared::id::{ChannelId, MessageId, WebhookId};
use ajet_shared::sync::CommunityView;

use crate::view::activity::Show;

/// `/c/{slug}`: the list of channels.
pub(crate) fn community(slug: &str) -> String {
    format!("/c/{}", segment(slug))
}

/// `/c/{slug}/channels/{name}`.
pub(crate) fn channel(slug: &str, name: &str) -> String {
    format!("/c/{}/channels/{}", segment(slug), segment(name))
}

/// The address of a channel, by its name in its community or as a direct message beside one.
pub(crate) fn of(view: &ChannelView, community: Option<&CommunityView>) -> String {
    match (&view.channel.name, community) {
        (Some(name), Some(community)) => channel(&community.community.slug, name),
        (_, community) => dm(view.channel.id, community.map(|view| view.community.slug.as_str())),
    }
}

/// `/dm/{id}`, with the community whose channels stand beside it.
pub(crate) fn dm(id: ChannelId, slug: Option<&str>) -> String {
    slug.map_or_else(|| format!("/dm/{id}"), |slug| format!("/dm/{id}?c={}", segment(slug)))
}

/// `/activity`, what of it is shown, and the community whose channels stand beside it.
pub(crate) fn activity(show: Show, slug: Option<&str>) -> String {
    let beside = slug.map(|slug| format!("c={}", segment(slug)));
    let shown = (show != Show::All).then(|| format!("show={show}"));
    let query: Vec<_> = shown.into_iter().chain(beside).collect();
    if query.is_empty() { "/activity".to_owned() } else { format!("/activity?{}", query.join("&")) }
}

/// The page around one message of the channel at `path`.
pub(crate) fn message(path: &str, id: MessageId) -> String {
    let path = path.split('?').next().unwrap_or_default();
    format!("{path}/m/{id}")
}

/// What came in by a webhook.
pub(crate) fn deliveries(slug: &str, id: WebhookId) -> String {
    format!("{}/settings/webhooks/{id}", community(slug))
}

/// `/login` that comes back here.
pub(crate) fn login(return_to: &str) -> String {
    format!("/login?return_to={}", segment(return_to))
}

/// One segment of a path, percent-encoded (RFC 3986 section 2.3 says what stays).
pub(crate) fn segment(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_script_make_an_address() {
        assert_eq!(channel("labs", "release-room"), "/c/labs/channels/release-room");
        assert_eq!(channel("labs", "田"), "/c/labs/channels/%E7%94%B0");
        assert_eq!(activity(Show::All, None), "/activity");
        assert_eq!(activity(Show::Mentions, Some("l&s")), "/activity?show=mentions&c=l%26s");
        assert_eq!(login("/c/x?a=1"), "/login?return_to=%2Fc%2Fx%3Fa%3D1");
    }
}
