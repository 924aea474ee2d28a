//! Colours by role (design/tui.md section 6): the same picture in truecolor, 256 colours, 16 colours and without any.
//!
//! A sign or a word always says what a colour says. The terminal's own background is never painted; only rows that stand out and
//! code have one of their own, and only where the terminal can show a faint one.

use ratatui::style::{Color, Modifier, Style};

use crate::args::ColorWhen;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Depth {
    /// 24 bits.
    True,
    /// The palette of 256.
    Indexed,
    /// The terminal's own 16 colours.
    #[default]
    Ansi,
    /// None: bold, dim, reversed and underlined only.
    Mono,
}

/// What the text stands on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ground {
    /// Light text.
    #[default]
    Dark,
    /// Dark text.
    Light,
}

/// What a piece of the screen is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// What people read.
    Text,
    /// Times and notes.
    Text2,
    /// Hints and placeholders.
    Text3,
    /// Lines between things.
    Rule,
    /// Selection, links, what is mine.
    Accent,
    /// Mentions, what is new, counts.
    Signal,
    /// It went well.
    Ok,
    /// Take care.
    Warn,
    /// It went wrong.
    Bad,
}

/// Names, lightness .80 on dark: `oklch(.80 .10 H)` with the twelve angles of the web's stylesheet.
const NAMES_DARK: [u32; 12] = [
    0x00f7_a3a9,
    0x00f6_a88d,
    0x00eb_b077,
    0x00d2_bd70,
    0x00af_c981,
    0x0088_d1a2,
    0x0067_d2cc,
    0x0069_cee6,
    0x0086_c5fa,
    0x00b1_b7fd,
    0x00d6_aaea,
    0x00ed_a4cc,
];
/// Names, lightness .45 on light; chroma is less where sRGB has no .10.
const NAMES_LIGHT: [u32; 12] = [
    0x0083_3b43,
    0x0083_3f27,
    0x007a_4702,
    0x0065_5401,
    0x0049_5e16,
    0x0017_653c,
    0x0003_635f,
    0x0002_6071,
    0x0018_5a89,
    0x004b_4d8b,
    0x006a_427b,
    0x007b_3c62,
];
/// Names with 16 colours.
const NAMES_ANSI: [Color; 6] =
    [Color::Cyan, Color::Green, Color::Yellow, Color::Blue, Color::Magenta, Color::Red];

/// How everything is coloured on this terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Theme {
    depth: Depth,
    ground: Ground,
}

impl Theme {
    /// As flag, settings (`[ui] theme`: auto, dark, light or ansi) and environment (`NO_COLOR`, `TERM`, `COLORTERM`, `COLORFGBG`) say.
    pub(crate) fn resolve(
        color: ColorWhen,
        setting: Option<&str>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Self {
        let term = env("TERM").unwrap_or_default();
        let refused = match color {
            ColorWhen::Always => false,
            ColorWhen::Never => true,
            ColorWhen::Auto => {
                env("NO_COLOR").is_some_and(|value| !value.is_empty()) || term == "dumb"
            }
        };
        let depth = match setting {
            _ if refused => Depth::Mono,
            Some("ansi") => Depth::Ansi,
            _ => depth(&term, env("COLORTERM").as_deref()),
        };
        let ground = match setting {
            Some("light") => Ground::Light,
            Some("dark") => Ground::Dark,
            _ => env("COLORFGBG").and_then(|value| ground(&value)).unwrap_or_default(),
        };
        Self { depth, ground }
    }

    /// A theme made by hand.
    #[cfg(test)]
    pub(crate) const fn new(depth: Depth, ground: Ground) -> Self {
        Self { depth, ground }
    }

    /// Whether only bold, dim, reversed and underlined are left, and signs must say the rest.
    pub(crate) const fn is_mono(self) -> bool {
        matches!(self.depth, Depth::Mono)
    }

    /// How a role looks.
    pub(crate) fn role(self, role: Role) -> Style {
        let plain = Style::new();
        let Some((dark, light, ansi)) = shade(role) else { return plain };
        match (self.depth, role) {
            (Depth::Mono, Role::Text2 | Role::Text3) | (Depth::Ansi, Role::Text2) => {
                plain.add_modifier(Modifier::DIM)
            }
            (Depth::Mono, Role::Accent) => plain.add_modifier(Modifier::UNDERLINED),
            (Depth::Mono, Role::Signal) => plain.add_modifier(Modifier::BOLD | Modifier::REVERSED),
            (Depth::Mono, _) => plain,
            (Depth::Ansi, _) => plain.fg(ansi),
            _ => plain.fg(self.color(dark, light)),
        }
    }

    /// A role as a sign or a line of its own, where mono would underline or reverse nothing that is text.
    pub(crate) fn sign(self, role: Role) -> Style {
        let style = self.role(role);
        Style { add_modifier: style.add_modifier & Modifier::DIM, ..style }
    }

    /// The name of the owner of a hue: the same colour as in the web.
    pub(crate) fn name(self, hue: u8) -> Style {
        let index = usize::from(hue);
        let style = Style::new().add_modifier(Modifier::BOLD);
        match self.depth {
            Depth::Mono => style,
            Depth::Ansi => style.fg(NAMES_ANSI[index % NAMES_ANSI.len()]),
            _ => style.fg(self.color(NAMES_DARK[index % 12], NAMES_LIGHT[index % 12])),
        }
    }

    /// Code in a line. Without colour its backticks are shown instead.
    pub(crate) fn code(self) -> Style {
        match self.depth {
            Depth::Mono => Style::new(),
            Depth::Ansi => Style::new().fg(Color::Cyan),
            _ => Style::new()
                .fg(self.color(0x008d_ebe7, 0x0000_5b5f))
                .bg(self.color(0x001e_2729, 0x00f1_f5f6)),
        }
    }

    /// Lines of a code block: no background, which would be ragged at the right.
    pub(crate) fn code_block(self) -> Style {
        Style { bg: None, ..self.code() }
    }

    /// The row of the selected message.
    pub(crate) fn selected_row(self) -> Style {
        self.row(0x001e_2727, 0x00e7_f2f1)
    }

    /// The row of a message that mentions the reader.
    pub(crate) fn mention_row(self) -> Style {
        self.row(0x0036_211b, 0x00ff_f0e8)
    }

    /// The mark `▌` of what is selected.
    pub(crate) fn selection_mark(self) -> Style {
        match self.depth {
            Depth::Mono => Style::new().add_modifier(Modifier::REVERSED),
            _ => self.role(Role::Accent),
        }
    }

    fn row(self, dark: u32, light: u32) -> Style {
        match self.depth {
            Depth::True | Depth::Indexed => Style::new().bg(self.color(dark, light)),
            Depth::Ansi | Depth::Mono => Style::new(),
        }
    }

    fn color(self, dark: u32, light: u32) -> Color {
        let rgb = match self.ground {
            Ground::Dark => dark,
            Ground::Light => light,
        };
        let [_, red, green, blue] = rgb.to_be_bytes();
        match self.depth {
            Depth::Indexed => Color::Indexed(nearest_256([red, green, blue])),
            _ => Color::Rgb(red, green, blue),
        }
    }
}

/// A role on dark, on light, and in the 16 colours.
const fn shade(role: Role) -> Option<(u32, u32, Color)> {
    Some(match role {
        Role::Text => return None,
        Role::Text2 => (0x00ba_c0c5, 0x0041_4b52, Color::Reset),
        Role::Text3 => (0x0098_a0a5, 0x005a_656d, Color::DarkGray),
        Role::Rule => (0x003a_4544, 0x00c3_cccb, Color::DarkGray),
        Role::Accent => (0x006d_d9d5, 0x0000_6e73, Color::Cyan),
        Role::Signal => (0x00f8_8460, 0x00ca_341c, Color::LightRed),
        Role::Ok => (0x0052_cd86, 0x0012_6635, Color::Green),
        Role::Warn => (0x00f2_c86c, 0x007e_5104, Color::Yellow),
        Role::Bad => (0x00fe_9a9a, 0x00b7_162d, Color::Red),
    })
}

fn depth(term: &str, colorterm: Option<&str>) -> Depth {
    if matches!(colorterm, Some("truecolor" | "24bit")) || term.ends_with("-direct") {
        Depth::True
    } else if term.ends_with("-256color") {
        Depth::Indexed
    } else {
        Depth::Ansi
    }
}

/// `15;0` or `0;default;15`: the last number is the background among the 16 colours.
fn ground(colorfgbg: &str) -> Option<Ground> {
    let background: u8 = colorfgbg.rsplit(';').next()?.parse().ok()?;
    match background {
        7 | 9..=15 => Some(Ground::Light),
        0..=6 | 8 => Some(Ground::Dark),
        _ => None,
    }
}

/// The colour of the cube and the greys (16 to 255) that is nearest; the first 16 are whatever the user made of them.
fn nearest_256(rgb: [u8; 3]) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let step = |value: u8| {
        (0..6_u8).min_by_key(|&index| STEPS[usize::from(index)].abs_diff(value)).unwrap_or(0)
    };
    let [red, green, blue] = rgb.map(step);
    let cube = [red, green, blue].map(|index| STEPS[usize::from(index)]);
    let mean = rgb.iter().map(|&value| u16::from(value)).sum::<u16>() / 3;
    let shade = u8::try_from((mean.max(3) - 3) / 10).unwrap_or(23).min(23);
    let grey = [8 + 10 * shade; 3];
    if distance(rgb, grey) < distance(rgb, cube) {
        232 + shade
    } else {
        16 + 36 * red + 6 * green + blue
    }
}

fn distance(one: [u8; 3], other: [u8; 3]) -> u32 {
    one.iter().zip(other).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: [Role; 8] = [
        Role::Text2,
        Role::Text3,
        Role::Rule,
        Role::Accent,
        Role::Signal,
        Role::Ok,
        Role::Warn,
        Role::Bad,
    ];

    fn resolve(color: ColorWhen, setting: Option<&str>, vars: &[(&str, &str)]) -> Theme {
        Theme::resolve(color, setting, &|name| {
            vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_says_what_the_terminal_can() {
        let theme = |vars| resolve(ColorWhen::Auto, None, vars);
        assert_eq!(theme(&[("NO_COLOR", "1"), ("COLORTERM", "truecolor")]).depth, Depth::Mono);
        assert_eq!(theme(&[("NO_COLOR", ""), ("COLORTERM", "truecolor")]).depth, Depth::True);
        assert_eq!(theme(&[("TERM", "dumb")]).depth, Depth::Mono);
        assert_eq!(theme(&[("TERM", "xterm-256color"), ("COLORTERM", "24bit")]).depth, Depth::True);
        assert_eq!(theme(&[("TERM", "tmux-256color")]).depth, Depth::Indexed);
        assert_eq!(theme(&[("TERM", "linux")]).depth, Depth::Ansi);
        assert_eq!(theme(&[]).ground, Ground::Dark);
        assert_eq!(theme(&[("COLORFGBG", "0;15")]).ground, Ground::Light);
        assert_eq!(theme(&[("COLORFGBG", "15;default;0")]).ground, Ground::Dark);
        assert_eq!(theme(&[("COLORFGBG", "nonsense")]).ground, Ground::Dark);
    }

    #[test]
    fn flag_and_setting_are_stronger_than_the_environment() {
        let no = [("NO_COLOR", "1")];
        let rich = [("COLORTERM", "truecolor"), ("COLORFGBG", "15;0")];
        assert_eq!(resolve(ColorWhen::Always, None, &no).depth, Depth::Ansi);
        assert_eq!(resolve(ColorWhen::Never, Some("ansi"), &rich).depth, Depth::Mono);
        assert_eq!(resolve(ColorWhen::Auto, Some("ansi"), &rich).depth, Depth::Ansi);
        assert_eq!(resolve(ColorWhen::Auto, Some("light"), &rich).ground, Ground::Light);
        assert_eq!(resolve(ColorWhen::Auto, Some("auto"), &rich).ground, Ground::Dark);
    }

    #[test]
    fn no_role_paints_the_background_and_mono_has_no_colour() {
        for depth in [Depth::True, Depth::Indexed, Depth::Ansi, Depth::Mono] {
            for ground in [Ground::Dark, Ground::Light] {
                let theme = Theme::new(depth, ground);
                for role in ROLES {
                    let style = theme.role(role);
                    assert_eq!(style.bg, None);
                    assert!(depth != Depth::Mono || style.fg.is_none(), "{role:?}");
                }
                for hue in 0..12 {
                    assert_eq!(theme.name(hue).fg.is_none(), depth == Depth::Mono);
                }
                let faint = matches!(depth, Depth::True | Depth::Indexed);
                assert_eq!(theme.selected_row().bg.is_some(), faint);
                assert_eq!(theme.mention_row().bg.is_some(), faint);
            }
        }
        let mono = Theme::new(Depth::Mono, Ground::Dark);
        assert_eq!(mono.role(Role::Signal).add_modifier, Modifier::BOLD | Modifier::REVERSED);
        assert_eq!(mono.sign(Role::Signal), Style::new());
    }

    #[test]
    fn the_palette_of_256_is_met_where_it_is_nearest() {
        assert_eq!(nearest_256([0, 0, 0]), 16);
        assert_eq!(nearest_256([255, 255, 255]), 231);
        assert_eq!(nearest_256([255, 0, 0]), 196);
        assert_eq!(nearest_256([128, 128, 128]), 244);
        assert_eq!(nearest_256([8, 8, 8]), 232);
        assert_eq!(nearest_256([0x6d, 0xd9, 0xd5]), 80);
    }

    #[test]
    fn text_keeps_its_contrast_on_both_grounds() {
        let linear = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let light = |[red, green, blue]: [u8; 3]| {
            0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue) + 0.05
        };
        let contrast = |style: Style, ground: [u8; 3]| {
            let Some(Color::Rgb(red, green, blue)) = style.fg else { return 21.0 };
            let (one, other) = (light([red, green, blue]), light(ground));
            if one > other { one / other } else { other / one }
        };
        for (ground, back) in [(Ground::Dark, [0x0c, 0x14, 0x13]), (Ground::Light, [255; 3])] {
            let theme = Theme::new(Depth::True, ground);
            let roles = ROLES.into_iter().filter(|role| *role != Role::Rule);
            let styles = roles.map(|role| theme.role(role));
            for style in styles.chain((0..12).map(|hue| theme.name(hue))) {
                assert!(contrast(style, back) >= 4.5, "{style:?} on {ground:?}");
            }
        }
    }
}
