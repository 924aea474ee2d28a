//! Who is writing.

use askama::Template;

use super::fragments;

/// The inside of `#typing`.
#[derive(Template)]
#[template(path = "fragments/typing.html")]
pub(crate) struct Typing<'a> {
    first: Option<&'a str>,
    second: Option<&'a str>,
    count: usize,
}

/// A new message as a screen reader says it.
#[derive(Template)]
#[template(path = "fragments/announcement.html")]
pub(crate) struct Announcement<'a> {
    pub(crate) name: &'a str,
    pub(crate) text: &'a str,
}

fragments!(Typing<'_>, Announcement<'_>);

impl<'a> Typing<'a> {
    /// Up to two by name, more as a number.
    pub(crate) fn new(names: &[&'a str]) -> Self {
        Self { first: names.first().copied(), second: names.get(1).copied(), count: names.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_to_two_are_named() {
        let text = |names: &[&str]| super::super::render(&Typing::new(names));
        assert_eq!(text(&[]), "");
        assert!(text(&["Mara"]).ends_with("<span><b>Mara</b> is typing</span>"));
        assert!(
            text(&["Mara", "Sam"]).ends_with("<span><b>Mara</b> and <b>Sam</b> are typing</span>")
        );
        assert!(text(&["a", "b", "c"]).ends_with("<span>3 people are typing</span>"));
    }
}
