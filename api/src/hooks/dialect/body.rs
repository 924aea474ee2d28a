//! Bytes to a value: every way in which senders wrap their JSON (section 4.1, a to f).

use std::borrow::Cow;

use axum::http::{HeaderMap, header};
use serde_json::{Map, Value};

use super::Refusal;
use super::json::clean;

/// Containers inside containers; no sender we know of needs more than ten.
const DEPTH_MAX: usize = 32;
/// Parts of a multipart body. Discord sends ten files and one JSON.
const PARTS_MAX: usize = 32;
/// Characters of a boundary (RFC 2046 section 5.1.1).
const BOUNDARY_MAX: usize = 70;

/// A decoded body.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Body {
    /// The JSON, or the fields of a form; null for text.
    pub(super) value: Value,
    /// The text of a `text/plain` body, or of one that is nothing we know.
    pub(super) text: Option<String>,
    /// What the text is, for the fence around it: `xml`; none for a text that is a message.
    pub(super) language: Option<&'static str>,
    /// The JSON inside `payload=`, byte for byte: what Gitea signs.
    pub(super) payload: Option<Vec<u8>>,
    /// Names of files that came along.
    pub(super) files: Vec<String>,
}

impl Body {
    fn json(text: &str) -> Result<Self, Refusal> {
        Ok(Self { value: parse(text)?, ..Self::default() })
    }
}

/// Decodes a body by its content type, and where senders lie about that, by how it begins.
pub(super) fn decode(headers: &HeaderMap, bytes: &[u8]) -> Result<Body, Refusal> {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .trim();
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "multipart/form-data" {
        let boundary = parameter(content_type, "boundary")
            .filter(|boundary| boundary.len() <= BOUNDARY_MAX)
            .ok_or(Refusal::InvalidPayload)?;
        return multipart(bytes, &boundary);
    }
    let text = characters(bytes, parameter(content_type, "charset").as_deref())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let start = text.trim_start();
    if start.is_empty() {
        return Err(Refusal::NoText);
    }
    match kind.as_str() {
        "text/plain" => Ok(Body { text: Some(clean(text)), ..Body::default() }),
        // What `curl -d '{"text":"hi"}'` sends.
        "application/x-www-form-urlencoded" if !start.starts_with(['{', '[']) => form(text),
        "" if start.starts_with("payload=") => form(text),
        "" if !start.starts_with(['{', '[']) => {
            Ok(Body { text: Some(clean(text)), ..Body::default() })
        }
        kind if kind.ends_with("/xml") || kind.ends_with("+xml") => {
            Ok(Body { text: Some(clean(text)), language: Some("xml"), ..Body::default() })
        }
        _ => Body::json(text),
    }
}

/// JSON of bounded depth. The bound comes first, so that no parser ever sees a bomb.
pub(super) fn parse(text: &str) -> Result<Value, Refusal> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => depth += 1,
            b'}' | b']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(Refusal::InvalidPayload);
        }
    }
    serde_json::from_str(text).map_err(|_| Refusal::InvalidPayload)
}

/// The body's characters, in the character set it names.
fn characters<'a>(bytes: &'a [u8], charset: Option<&str>) -> Result<Cow<'a, str>, Refusal> {
    match charset.map(str::to_ascii_lowercase).as_deref() {
        None | Some("utf-8" | "utf8" | "us-ascii") => {
            std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Refusal::InvalidPayload)
        }
        Some("iso-8859-1" | "latin1") => Ok(bytes.iter().map(|byte| char::from(*byte)).collect()),
        Some(_) => Err(Refusal::InvalidPayload),
    }
}

/// A parameter of a header: `charset` of `application/json; charset="utf-8"`.
fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim()
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().trim_matches('"').to_owned())
            .filter(|value| !value.is_empty())
    })
}

/// `payload=<json>`, or fields that are one object.
fn form(text: &str) -> Result<Body, Refusal> {
    let mut fields = Map::new();
    for pair in text.trim().split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decoded(value)?;
        match percent_decoded(key)?.as_str() {
            "payload" => {
                let inside = value.strip_prefix('\u{feff}').unwrap_or(&value);
                if inside.trim().is_empty() {
                    return Err(Refusal::NoText);
                }
                return Ok(Body {
                    payload: Some(value.clone().into_bytes()),
                    ..Body::json(inside)?
                });
            }
            key => drop(fields.insert(key.to_owned(), Value::String(value))),
        }
    }
    Ok(Body { value: Value::Object(fields), ..Body::default() })
}

fn percent_decoded(text: &str) -> Result<String, Refusal> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let (high, low) = digit(*high).zip(digit(*low)).ok_or(Refusal::InvalidPayload)?;
                bytes.push(u8::try_from(high * 16 + low).map_err(|_| Refusal::InvalidPayload)?);
                rest = after;
            }
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| Refusal::InvalidPayload)
}

/// `payload_json`, other fields, and names of files.
fn multipart(bytes: &[u8], boundary: &str) -> Result<Body, Refusal> {
    let mut body = Body::default();
    let mut fields = Map::new();
    for part in parts(bytes, boundary)? {
        let (head, content) = split_once(part, b"\r\n\r\n").ok_or(Refusal::InvalidPayload)?;
        let head = std::str::from_utf8(head).map_err(|_| Refusal::InvalidPayload)?;
        let disposition = head
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))
            .ok_or(Refusal::InvalidPayload)?;
        if let Some(file) = parameter(disposition, "filename") {
            body.files.push(super::escape::one_line(&clean(&file), 100));
            continue;
        }
        let name = parameter(disposition, "name").ok_or(Refusal::InvalidPayload)?;
        let content = std::str::from_utf8(content).map_err(|_| Refusal::InvalidPayload)?;
        match name.as_str() {
            "payload_json" | "payload" => body.value = parse(content)?,
            _ => drop(fields.insert(name, Value::String(content.to_owned()))),
        }
    }
    if body.value.is_null() && !(fields.is_empty() && body.files.is_empty()) {
        body.value = Value::Object(fields);
    }
    Ok(body)
}

/// What stands between the boundaries.
fn parts<'a>(bytes: &'a [u8], boundary: &str) -> Result<Vec<&'a [u8]>, Refusal> {
    let mark = format!("--{boundary}");
    let (_, mut rest) = split_once(bytes, mark.as_bytes()).ok_or(Refusal::InvalidPayload)?;
    let between = format!("\r\n{mark}");
    let mut parts = Vec::new();
    while !rest.starts_with(b"--") {
        let (part, after) = split_once(rest, between.as_bytes()).ok_or(Refusal::InvalidPayload)?;
        if parts.len() == PARTS_MAX {
            return Err(Refusal::InvalidPayload);
        }
        parts.push(part.strip_prefix(b"\r\n").ok_or(Refusal::InvalidPayload)?);
        rest = after;
    }
    Ok(parts)
}

fn split_once<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let found = bytes.windows(at.len()).position(|window| window == at)?;
    Some((&bytes[..found], &bytes[found + at.len()..]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(content_type: &str, body: &[u8]) -> Result<Body, Refusal> {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        }
        decode(&headers, body)
    }

    const FORM: &str = "application/x-www-form-urlencoded";

    #[test]
    fn every_wrapping_of_json_is_opened() {
        for (content_type, body) in [
            ("application/json", r#"{"text":"hé & +"}"#),
            ("application/json;charset=utf-8", r#"{"text":"hé & +"}"#),
            ("application/json; charset=\"UTF-8\"", "\u{feff} {\"text\":\"hé & +\"}\n"),
            ("Application/JSON", r#"{"text":"hé & +"}"#),
            ("application/vnd.api+json", r#"{"text":"hé & +"}"#),
            ("text/json", r#"{"text":"hé & +"}"#),
            (FORM, "payload=%7B%22text%22%3A%22h%C3%A9+%26+%2B%22%7D"),
            (FORM, r#"{"text":"hé & +"}"#),
            (FORM, "text=h%C3%A9+%26+%2B"),
            ("", r#"payload={"text":"hé %26 %2b"}"#),
            ("", r#"{"text":"hé & +"}"#),
            (
                "multipart/form-data; boundary=xx",
                "--xx\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\r\n{\"text\":\"hé & +\"}\r\n--xx--\r\n",
            ),
        ] {
            let value = read(content_type, body.as_bytes()).unwrap().value;
            assert_eq!(value, json!({ "text": "hé & +" }), "{content_type} {body}");
        }
    }

    #[test]
    fn text_is_text() {
        for content_type in ["text/plain", "text/plain; charset=utf-8", ""] {
            let body = read(content_type, b"built\r\n\x1b[31mred").unwrap();
            assert_eq!(body.text.as_deref(), Some("built\n[31mred"));
        }
        assert_eq!(read("text/plain", b"{\"a\":1}").unwrap().text.as_deref(), Some("{\"a\":1}"));
        assert_eq!(
            read("text/plain; charset=iso-8859-1", b"caf\xe9").unwrap().text.as_deref(),
            Some("café")
        );
        assert_eq!(read("application/xml", b"<a/>").unwrap().language, Some("xml"));
    }

    #[test]
    fn signed_bytes_are_kept_as_they_came() {
        let body = read(FORM, b"payload=%7B%22text%22%3A+%22x%22%7D").unwrap();
        assert_eq!(body.payload.as_deref(), Some(b"{\"text\": \"x\"}".as_slice()));
    }

    #[test]
    fn files_are_named() {
        let body = read(
            "multipart/form-data; boundary=\"b\"",
            b"preamble\r\n--b\r\ncontent-disposition: form-data; name=\"files[0]\"; filename=\"a.txt\"\r\n\r\nx\xff\r\n--b\r\nContent-Disposition: form-data; name=content\r\n\r\nhi\r\n--b--",
        )
        .unwrap();
        assert_eq!(
            (body.files, body.value),
            (vec!["a.txt".to_owned()], json!({ "content": "hi" }))
        );
    }

    #[test]
    fn a_boundary_is_short() {
        for (length, is_read) in [(70, true), (71, false), (16_000, false)] {
            let mark = "b".repeat(length);
            let part = "Content-Disposition: form-data; name=\"text\"";
            let body = format!("--{mark}\r\n{part}\r\n\r\nhi\r\n--{mark}--");
            let content_type = format!("multipart/form-data; boundary={mark}");
            assert_eq!(read(&content_type, body.as_bytes()).is_ok(), is_read, "{length}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        let deep = "[".repeat(10_000);
        let deep_enough = format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        assert!(read("application/json", deep_enough.as_bytes()).is_ok());
        for (content_type, body) in [
            ("application/json", "{".as_bytes()),
            ("application/json", b"hello"),
            ("application/json", b"{\"a\":1} trailing"),
            ("application/json", b"{\"a\":1e400}"),
            ("application/json", b"{\"a\":\"\\ud800\"}"),
            ("application/json", b"{\"a\":\"\xff\"}"),
            ("application/json; charset=utf-16", b"{}"),
            ("application/json", deep.as_bytes()),
            (FORM, b"payload=%zz"),
            (FORM, b"payload=%7"),
            (FORM, b"payload=nope"),
            ("multipart/form-data", b"x"),
            ("multipart/form-data; boundary=b", b"--b\r\n"),
            ("multipart/form-data; boundary=b", b"--b\r\nno head\r\n--b--"),
            ("text/plain", b"\xff"),
        ] {
            assert_eq!(
                read(content_type, body),
                Err(Refusal::InvalidPayload),
                "{content_type} {:?}",
                String::from_utf8_lossy(&body[..body.len().min(40)])
            );
        }
        for (content_type, body) in [("application/json", " \n"), (FORM, ""), (FORM, "payload=")] {
            assert_eq!(read(content_type, body.as_bytes()), Err(Refusal::NoText));
        }
    }
}
