//! What Datastar understands, as bytes of an event stream.

use std::fmt::{self, Write as _};

use bytes::Bytes;

use ajet_shared::position::Position;
use askama::Template;

use crate::view::render;

/// Where elements go, relative to what the selector finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Into it.
    Inner,
    /// At its end.
    Append,
    /// At its beginning.
    Prepend,
    /// Behind it.
    After,
    /// Before it.
    Before,
    /// In its place, as a whole.
    Outer,
}

impl Mode {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Inner => "inner",
            Self::Append => "append",
            Self::Prepend => "prepend",
            Self::After => "after",
            Self::Before => "before",
            Self::Outer => "outer",
        }
    }
}

/// Events on their way to a browser.
#[derive(Debug, Default)]
pub(crate) struct Frames(String);

impl Frames {
    /// Elements that take the place of those with the same ids.
    pub(crate) fn outer(&mut self, part: &impl Template) -> &mut Self {
        self.outer_html(&render(part))
    }

    /// As [`Self::outer`], from markup.
    pub(crate) fn outer_html(&mut self, html: &str) -> &mut Self {
        self.0.push_str("event: datastar-patch-elements\n");
        self.elements(html)
    }

    /// Elements somewhere. The selector is ours: it never holds text by users.
    pub(crate) fn patch(
        &mut self,
        mode: Mode,
        selector: impl fmt::Display,
        html: &str,
    ) -> &mut Self {
        let _ = write!(
            self.0,
            "event: datastar-patch-elements\ndata: selector {selector}\ndata: mode {}\n",
            mode.as_str()
        );
        self.elements(html)
    }

    /// Takes elements away.
    pub(crate) fn remove(&mut self, selector: impl fmt::Display) -> &mut Self {
        let _ = write!(
            self.0,
            "event: datastar-patch-elements\ndata: selector {selector}\ndata: mode remove\n\n"
        );
        self
    }

    /// Sets signals.
    pub(crate) fn signals(&mut self, signals: &serde_json::Value) -> &mut Self {
        let _ = write!(self.0, "event: datastar-patch-signals\ndata: signals {signals}\n\n");
        self
    }

    /// Bytes made before.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        // Only frames are ever passed here, and those are text.
        self.0.push_str(&String::from_utf8_lossy(bytes));
        self
    }

    /// From here the browser continues after a break. Said twice: Datastar keeps the id to itself, and the page opens streams by itself.
    pub(crate) fn at(&mut self, position: Position) -> &mut Self {
        let _ = write!(
            self.0,
            "event: datastar-patch-signals\ndata: signals {{\"_at\":\"{position}\"}}\nid: {position}\n\n"
        );
        self
    }

    /// The first bytes of a stream: as [`Self::retry`], and a comment.
    pub(crate) fn begin(&mut self, ms: u128) -> &mut Self {
        let _ = write!(self.0, "retry: {ms}\n: ajet-chat\n\n");
        self
    }

    /// How long the browser waits before it comes back, in milliseconds.
    pub(crate) fn retry(&mut self, ms: u128) -> &mut Self {
        let _ = write!(self.0, "retry: {ms}\n\n");
        self
    }

    fn elements(&mut self, html: &str) -> &mut Self {
        // A lone carriage return ends a line in an event stream as well.
        for line in html.split(['\n', '\r']) {
            let _ = writeln!(self.0, "data: elements {line}");
        }
        self.0.push('\n');
        self
    }

    /// How many bytes wait.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_markup_is_a_line_of_data() {
        let mut frames = Frames::default();
        frames
            .patch(Mode::Append, "#messages", "<pre>a\n\nb\rid: 9</pre>")
            .at(Position { epoch: 1, seq: 7 });
        let text = String::from_utf8(frames.into_bytes().to_vec()).unwrap();
        assert_eq!(
            text,
            "event: datastar-patch-elements\ndata: selector #messages\ndata: mode append\ndata: elements <pre>a\ndata: elements \n\
             data: elements b\ndata: elements id: 9</pre>\n\nevent: datastar-patch-signals\ndata: signals {\"_at\":\"1.7\"}\n\
             id: 1.7\n\n"
        );
    }
}
