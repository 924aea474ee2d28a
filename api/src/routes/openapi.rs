//! The description of the api, generated from its code.

use axum::response::IntoResponse;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "ajet-chat",
        description = "Every read and write of a chat. Errors are RFC 9457 problem details; times are RFC 3339 UTC; lists are `{items, next, prev}`.",
    ),
    components(schemas(ajet_shared::problem::Problem)),
    modifiers(&Bearer),
    security(("bearer" = [])),
)]
struct Document;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components
            .add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// The document before the routes add themselves.
pub(super) fn base() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// The whole document (OpenAPI 3.1), for the route and for the tests that hold the routes to it.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    super::resources().split_for_parts().1
}

pub(super) async fn serve() -> impl IntoResponse {
    // The same for everybody and as old as the build; made once.
    static DOCUMENT: std::sync::LazyLock<bytes::Bytes> = std::sync::LazyLock::new(|| {
        serde_json::to_vec(&openapi()).map(bytes::Bytes::from).unwrap_or_default()
    });
    ([(axum::http::header::CONTENT_TYPE, "application/json")], DOCUMENT.clone())
}
