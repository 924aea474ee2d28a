//! What a sender presents to prove who it is (section 4.3). Whether it is right is checked by who knows the secret.

use super::body::Body;
use super::detect::header;
use super::{Incoming, Signed};

/// The first signature that is not empty. Gitea without a secret sends `X-Gitea-Signature:` and `X-Hub-Signature-256: sha256=`.
pub(super) fn signed(incoming: &Incoming<'_>, body: &Body) -> Signed {
    let headers = incoming.headers;
    let is_gitea = ["x-gitea-event", "x-forgejo-event", "x-gogs-event"]
        .into_iter()
        .any(|name| headers.contains_key(name));
    // In a form Gitea signs the JSON inside, GitHub the whole body.
    let over = match &body.payload {
        Some(payload) if is_gitea => payload.clone(),
        _ => incoming.body.to_vec(),
    };
    let bare = ["x-gitea-signature", "x-forgejo-signature"]
        .into_iter()
        .find_map(|name| header(headers, name));
    let hub = || header(headers, "x-hub-signature-256")?.strip_prefix("sha256=");
    if let Some(hex) = bare.or_else(hub).filter(|hex| !hex.is_empty()) {
        return Signed::Hmac { hex: hex.to_owned(), over };
    }
    if let Some(secret) = header(headers, "x-gitlab-token") {
        return Signed::Secret(secret.to_owned());
    }
    if let Some(hex) = header(headers, "x-grafana-alerting-signature") {
        let over = match header(headers, "x-grafana-alerting-timestamp") {
            Some(moment) => [moment.as_bytes(), b":", incoming.body].concat(),
            None => incoming.body.to_vec(),
        };
        return Signed::Hmac { hex: hex.to_owned(), over };
    }
    Signed::Nothing
}
