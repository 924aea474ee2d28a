//! What templates may apply to a value.

#![expect(
    unreachable_pub,
    clippy::inline_always,
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "what the attribute of the template engine makes of a filter"
)]

use std::fmt;

use ajet_shared::id::{ApiTokenId, ChannelId, CommunityId, MessageId, UserId, WebhookId};
use ajet_shared::markdown::SafeHtml;
use ajet_shared::position::Position;
use askama::filters::HtmlSafeOutput;

use crate::assets::ICONS;

/// A value that may stand in a `data-*` attribute. Datastar compiles some of those as expressions, and text by users would break out of
/// their quotes however it is escaped (delivery-and-security.md E15), so only ids, numbers and words of ours qualify; a test checks that every
/// template goes through [`ds`].
pub(crate) trait DsSafe: fmt::Display {}
impl DsSafe for ChannelId {}
impl DsSafe for CommunityId {}
impl DsSafe for MessageId {}
impl DsSafe for UserId {}
impl DsSafe for WebhookId {}
impl DsSafe for ApiTokenId {}
impl DsSafe for Position {}
impl DsSafe for i64 {}
impl DsSafe for usize {}
impl DsSafe for crate::view::activity::Show {}
impl DsSafe for crate::view::complete::Kind {}
impl DsSafe for crate::view::message::Calls<'_> {}
impl DsSafe for crate::view::reactions::Codes<'_> {}
impl DsSafe for crate::view::shell::StreamQuery {}
impl DsSafe for crate::view::shell::View {}
impl<T: DsSafe + ?Sized> DsSafe for &T {}

/// The one way into a `data-*` attribute.
#[askama::filter_fn]
pub(crate) fn ds<T: DsSafe>(
    value: T,
    _env: &dyn askama::Values,
) -> askama::Result<HtmlSafeOutput<String>> {
    Ok(HtmlSafeOutput(value.to_string()))
}

/// Markup that came out of the sanitiser, printed as it is: nothing else has that type, so no template needs the filter `safe`.
#[askama::filter_fn]
pub(crate) fn prose(
    html: &SafeHtml,
    _env: &dyn askama::Values,
) -> askama::Result<HtmlSafeOutput<String>> {
    Ok(HtmlSafeOutput(html.as_str().to_owned()))
}

/// A symbol of the sprite. It says nothing to a screen reader: words or a label always stand beside it.
#[askama::filter_fn]
pub(crate) fn icon(
    name: &str,
    _env: &dyn askama::Values,
) -> askama::Result<HtmlSafeOutput<String>> {
    Ok(HtmlSafeOutput(format!(
        r#"<svg class="i" aria-hidden="true"><use href="{}#i-{name}"/></svg>"#,
        ICONS.url
    )))
}

/// A symbol of the sprite at the size of small text.
#[askama::filter_fn]
pub(crate) fn icon_sm(
    name: &str,
    _env: &dyn askama::Values,
) -> askama::Result<HtmlSafeOutput<String>> {
    Ok(HtmlSafeOutput(format!(
        r#"<svg class="i sm" aria-hidden="true"><use href="{}#i-{name}"/></svg>"#,
        ICONS.url
    )))
}
