//! Colours and other looks of text on a terminal. The sign beside a text always says the same as its colour.

use ajet_shared::markdown::Style;

/// Writes escape codes, or leaves text as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint(bool);

/// Twelve hues for people and channels, as colours of the 256-colour palette that read on light and dark.
const HUES: [u8; 12] = [168, 173, 172, 142, 71, 72, 37, 38, 75, 105, 134, 169];

impl Paint {
    #[cfg(test)]
    pub(crate) const OFF: Self = Self(false);

    /// Painting, or not.
    pub(crate) const fn new(on: bool) -> Self {
        Self(on)
    }

    fn with(self, codes: &str, text: &str) -> String {
        if self.0 && !text.is_empty() {
            format!("\x1b[{codes}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    /// A name in the hue of its owner.
    pub(crate) fn hue(self, hue: u8, text: &str) -> String {
        self.with(&format!("1;38;5;{}", HUES[usize::from(hue) % HUES.len()]), text)
    }

    /// What was searched for.
    pub(crate) fn found(self, text: &str) -> String {
        self.with("1;33", text)
    }

    /// A piece of a message.
    pub(crate) fn styled(self, style: Style, text: &str) -> String {
        const LOOKS: [(Style, &str); 9] = [
            (Style::BOLD, "1"),
            (Style::ITALIC, "3"),
            (Style::STRIKE, "9"),
            (Style::LINK, "4"),
            (Style::CODE, "36"),
            (Style::MENTION, "1;33"),
            (Style::QUOTE, "2"),
            (Style::MARK, "2"),
            (Style::HEADING, "1"),
        ];
        let codes: Vec<&str> =
            LOOKS.iter().filter(|(look, _)| style.contains(*look)).map(|(_, code)| *code).collect();
        if codes.is_empty() { text.to_owned() } else { self.with(&codes.join(";"), text) }
    }
}
