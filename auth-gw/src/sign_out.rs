//! Signing out.

use ajet_shared::problem::Problem;
use http::header::{self, HeaderName, HeaderValue};

use crate::answer::{Answer, no_content, see_other};
use crate::body::Body;
use crate::gateway::Gateway;
use crate::stranger::signed_out;
use crate::visit::{Caller, Visit};
use crate::{csrf, forms, session};

/// `POST /auth/logout`.
pub(crate) async fn sign_out(
    gateway: &Gateway,
    visit: &Visit,
    body: Body,
    caller: Option<Caller>,
) -> Answer {
    if let Some(caller) = &caller {
        if caller.by_cookie() && !csrf::has_header(visit) {
            let form = forms::read(visit, body).await.unwrap_or_default();
            gateway.require_own_form(visit, caller, form.get("csrf")).await?;
        } else if caller.by_cookie() {
            gateway.require_own_script(visit, caller).await?;
        }
        let Some(session_id) = caller.identity.session_id else {
            return Err(
                Problem::new(403, "session-required", "An API token cannot sign out").into()
            );
        };
        let (_turn, mut tx) = gateway.begin().await?;
        session::end(&mut tx, &visit.cause(Some(caller.user_id())), caller.user_id(), session_id)
            .await?;
        tx.commit().await?;
        gateway.verifier.forget(caller.token()).await;
    }
    let mut response = if visit.wants_page {
        see_other("/login")?
    } else if visit.is_datastar {
        signed_out()
    } else {
        no_content()
    };
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, gateway.cookies.clear_session());
    headers.insert(
        HeaderName::from_static("clear-site-data"),
        HeaderValue::from_static("\"cache\", \"storage\""),
    );
    Ok(response)
}
