//! Names that look alike (delivery-and-security.md section 3.11): a webhook or a bot may not pass itself off as a member.
//!
//! A small skeleton in the spirit of UTS #39: letters of other scripts and styles that are drawn like Latin ones become these, case and
//! accents go, and what separates words or is not seen falls out.

use crate::names::is_invisible;

/// Skeletons of words that would make people trust or obey what is written.
const POSING: &[&str] = &[
    "admin",
    "administrator",
    "moderator",
    "owner",
    "root",
    "system",
    "everyone",
    "channel",
    "here",
    "ajet",
    "ajet chat",
];

/// What is drawn like a Latin letter: the letter, then what looks like it in any case.
const LOOKALIKES: &[(char, &str)] = &[
    ('a', "àáâãäåāăąǎɑаαӓÀÁÂÃÄÅĀĂĄАΑᴀ@4"),
    ('b', "ЬьвВβΒƄʙ8"),
    ('c', "çćĉċčсϲÇĆĈĊČСϹⅽᴄ"),
    ('d', "ďđԁⅾĎĐᴅ"),
    ('e', "èéêëēĕėęěеёєεÈÉÊËĒĔĖĘĚЕЁΕᴇ3"),
    ('f', "ƒϜ"),
    ('g', "ĝğġģɡĜĞĠĢԌ"),
    ('h', "ĥħһнΗНʜĤĦ"),
    // One group, because capital I, small l and the digit are drawn the same in many fonts.
    ('i', "ìíîïĩīĭįıіїιӏlLłĺļľⅼÌÍÎÏĨĪĬĮİІЇΙӀŁĹĻĽ1|!ɪ"),
    ('j', "ĵјЈϳ"),
    ('k', "ķкκΚКĶᴋ"),
    ('m', "мΜМⅿᴍ"),
    ('n', "ñńņňпηΝÑŃŅŇɴ"),
    ('o', "òóôõöøōŏőоοσӧÒÓÔÕÖØŌŎŐОΟᴏ0"),
    ('p', "рρΡРᴘ"),
    ('q', "ԛԚ"),
    ('r', "ŕŗřгŔŖŘʀ"),
    ('s', "śŝşšѕșŚŜŞŠЅȘꜱ5$"),
    ('t', "ţťŧтτΤТŢŤŦᴛ7"),
    ('u', "ùúûüũūŭůűųυцÙÚÛÜŨŪŬŮŰŲᴜ"),
    ('v', "ѵνⅴᴠ"),
    ('w', "ŵԝωŴԜᴡ"),
    ('x', "хχΧХⅹ"),
    ('y', "ýÿŷуγΥУÝŸŶʏ"),
    ('z', "źżžΖŹŻŽᴢ2"),
];

/// What a name looks like. Names of one skeleton are hard to tell apart.
#[must_use]
pub fn skeleton(name: &str) -> String {
    name.chars()
        .filter(|c| !is_dropped(*c))
        .map(|c| latin(styled(c)))
        .flat_map(char::to_lowercase)
        .filter(|c| !is_dropped(*c))
        .collect()
}

/// A word that nobody may go by.
#[must_use]
pub fn is_posing(name: &str) -> bool {
    let look = skeleton(name);
    POSING.iter().any(|word| skeleton(word) == look)
}

/// Separates, decorates or is not seen.
fn is_dropped(c: char) -> bool {
    c.is_whitespace()
        || is_invisible(c)
        || matches!(c, '.' | '-' | '_' | '\'' | '"' | '`' | '·' | '\u{300}'..='\u{36f}' | '\u{fe00}'..='\u{fe0f}' | '\u{2010}'..='\u{2019}')
}

fn latin(c: char) -> char {
    LOOKALIKES.iter().find(|(_, alike)| alike.contains(c)).map_or(c, |(letter, _)| *letter)
}

/// A full-width, circled or mathematical letter as the plain one.
fn styled(c: char) -> char {
    let code = u32::from(c);
    let offset = match code {
        0xff21..=0xff3a => code - 0xff21,
        0xff41..=0xff5a => code - 0xff41,
        0x24b6..=0x24cf => code - 0x24b6,
        0x24d0..=0x24e9 => code - 0x24d0,
        // Thirteen alphabets of capitals and small letters, one after the other.
        0x1d400..=0x1d6a3 => (code - 0x1d400) % 26,
        _ => return c,
    };
    u8::try_from(offset).map_or(c, |offset| char::from(b'a' + offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_alike_has_one_skeleton() {
        for (one, other) in [
            ("admin", "Admin"),
            ("admin", "аdmіn"),
            ("admin", "adm1n"),
            ("admin", "a.d-m_i n"),
            ("admin", "ａｄｍｉｎ"),
            ("admin", "𝐚𝐝𝐦𝐢𝐧"),
            ("admin", "Ⓐⓓⓜⓘⓝ"),
            ("admin", "ádmin"),
            ("admin", "a\u{301}dmin"),
            ("Ola Nord", "0la N0rd"),
            ("paypal", "раураl"),
            ("Ilya", "lIya"),
            ("mara\u{200d}", "mara"),
        ] {
            assert_eq!(skeleton(one), skeleton(other), "{one} {other}");
        }
        for (one, other) in [("ola", "mara"), ("deploy", "deploys"), ("田辺", "田中")] {
            assert_ne!(skeleton(one), skeleton(other), "{one} {other}");
        }
    }

    #[test]
    fn nobody_goes_by_a_word_of_authority() {
        for bad in ["admin", "ADMIN", "sуstem", "@dmin", "Ajet Chat", "r00t"] {
            assert!(is_posing(bad), "{bad}");
        }
        for good in ["GitHub", "Alertmanager", "Administration bot", "CI", "🚀"] {
            assert!(!is_posing(good), "{good}");
        }
    }
}
