//! What is drawn: one file per part of the page. Every part is a template of its own, which the page contains and a patch sends alone.

pub(crate) mod activity;
pub(crate) mod answer;
pub(crate) mod avatar;
pub(crate) mod card;
pub(crate) mod complete;
pub(crate) mod composer;
pub(crate) mod divider;
pub(crate) mod emoji;
pub(crate) mod filters;
pub(crate) mod header;
pub(crate) mod members;
pub(crate) mod message;
pub(crate) mod names;
pub(crate) mod pages;
pub(crate) mod profile;
pub(crate) mod reactions;
pub(crate) mod settings;
pub(crate) mod shell;
pub(crate) mod sidebar;
#[cfg(test)]
mod tests;
pub(crate) mod thread;
pub(crate) mod timeline;
pub(crate) mod times;
pub(crate) mod typing;

/// Marks templates as HTML, so that a template may contain another one without escaping it again.
macro_rules! fragments {
    ($($part:ty),+ $(,)?) => {$(
        impl askama::filters::HtmlSafe for $part {}
    )+};
}
pub(crate) use fragments;

/// The markup of a part. Writing into a `String` cannot fail; should a template ever refuse, the part is left out and logged.
pub(crate) fn render(part: &impl askama::Template) -> String {
    part.render().unwrap_or_else(|error| {
        tracing::error!(%error, "a template refused");
        String::new()
    })
}
