//! Text as it is, and anything else in a fence.

use serde_json::Value;

use super::body::Body;
use super::escape::{fence, shorten};
use super::json::{clean, is_empty};
use super::{Refusal, Said};

/// Characters of a fenced body that are shown. Source: what fits on a few screens; the sender's own page shows the rest.
const SHOWN_MAX: usize = 4_000;

/// A text is a message; JSON and XML stand in a fence.
pub(super) fn read(body: &Body) -> Result<Said, Refusal> {
    match (&body.text, body.language) {
        (Some(text), None) => Said::line(text),
        (Some(text), Some(language)) => Said::line(&fenced(text, language)),
        (None, _) if is_empty(&body.value) => Err(Refusal::NoText),
        (None, _) => Said::line(&fenced(&pretty(&body.value), "json")),
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Text in a fence, cut with a note.
fn fenced(text: &str, language: &str) -> String {
    let text = clean(text);
    let all = text.chars().count();
    let shown = fence(&shorten(&text, SHOWN_MAX), language);
    if all > SHOWN_MAX { format!("{shown}\n(cut: it had {all} characters)") } else { shown }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn json(value: Value) -> Result<Said, Refusal> {
        read(&Body { value, ..Body::default() })
    }

    #[test]
    fn strange_json_is_shown_as_it_is() {
        let said = json(json!({ "build": 7, "log": "a```b\u{1b}" })).unwrap();
        let expected = "````json\n{\n  \"build\": 7,\n  \"log\": \"a```b\\u001b\"\n}\n````";
        assert_eq!(said.text_md, expected);
        assert_eq!(said.fallback_md, expected);
    }

    #[test]
    fn much_is_cut_with_a_note() {
        let said = json(json!(vec!["word"; 5_000])).unwrap();
        assert!(said.text_md.chars().count() < SHOWN_MAX + 100);
        assert!(said.text_md.ends_with("```\n(cut: it had 50002 characters)"), "{}", said.text_md);
    }

    #[test]
    fn nothing_is_no_message() {
        for empty in [json!(null), json!({}), json!([]), json!(" ")] {
            assert_eq!(json(empty), Err(Refusal::NoText));
        }
        let blank = Body { text: Some(" \n".to_owned()), ..Body::default() };
        assert_eq!(read(&blank), Err(Refusal::NoText));
    }
}
