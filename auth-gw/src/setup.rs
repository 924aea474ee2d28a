//! The first-run set-up: whoever holds the set-up token names the first community and becomes its owner.

use ajet_shared::db::audit::Entry;
use ajet_shared::db::{communities, setup};
use ajet_shared::names::{CommunityName, CommunitySlug};
use ajet_shared::problem::Problem;
use ajet_shared::secret::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use sqlx::PgPool;
use url::Url;

use crate::answer::{Answer, Failure, see_other};
use crate::csrf;
use crate::forms::Form;
use crate::gateway::Gateway;
use crate::pages::{self, Setup};
use crate::policy::Policy;
use crate::sign_in::{self, Wish, digest, random};
use crate::visit::Visit;

/// Opens the set-up while there is no community: with the configured token, or with a new one whose link is printed.
pub(crate) async fn prepare(
    pool: &PgPool,
    configured: Option<&Secret>,
    public_url: &Url,
) -> Result<(), sqlx::Error> {
    let mut tx = pool.begin().await?;
    setup::lock(&mut tx).await?;
    if communities::any(&mut tx).await? {
        setup::set_token_hash(&mut tx, None).await?;
        return tx.commit().await;
    }
    let made = configured.is_none().then(random);
    let token = configured.map(Secret::expose).or(made.as_deref()).unwrap_or_default();
    setup::set_token_hash(&mut tx, Some(&hash(token))).await?;
    tx.commit().await?;
    if let Some(token) = made {
        // Printed, not logged: logs are kept and read by others.
        println!("This server has no community yet. Set it up at {public_url}setup?token={token}");
    }
    Ok(())
}

fn hash(token: &str) -> String {
    format!("sha256${}", URL_SAFE_NO_PAD.encode(digest(token)))
}

/// 409: somebody was faster.
pub(crate) fn done_before() -> Problem {
    Problem::new(409, "already-set-up", "This server is set up already")
        .with_detail("Sign in, or ask its owner for an invite.")
}

/// The token opens the set-up, which is still open.
async fn admit(gateway: &Gateway, visit: &Visit, token: &str) -> Result<(), Failure> {
    gateway.refuse_locked_out(visit)?;
    let mut conn = gateway.pool.acquire().await?;
    if communities::any(&mut conn).await? {
        return Err(done_before().into());
    }
    let expected = setup::token_hash(&mut conn).await?;
    drop(conn);
    if expected.is_some_and(|expected| expected == hash(token)) {
        return Ok(());
    }
    gateway.note_wrong_credentials(visit).await;
    gateway.audit(visit, None, &Entry::denied("setup.refused")).await;
    Err(Problem::new(403, "setup-token", "This set-up link is not valid")
        .with_detail("Use the link that the gateway printed when it started last, or the configured set-up token.")
        .into())
}

/// `GET /setup?token=…`
pub(crate) async fn page(gateway: &Gateway, visit: &Visit) -> Answer {
    gateway.limit_by_ip(visit, Policy::Auth)?;
    let token = visit.parameter("token").unwrap_or_default();
    match admit(gateway, visit, &token).await {
        Ok(()) => form(gateway, StatusCode::OK, token, String::new(), String::new(), None),
        Err(failure) if failure.problem.status == 409 && visit.wants_page => see_other("/login"),
        Err(failure) => Err(failure),
    }
}

fn form(
    gateway: &Gateway,
    status: StatusCode,
    token: String,
    name: String,
    slug: String,
    trouble: Option<String>,
) -> Answer {
    let page = Setup {
        token,
        trouble,
        name,
        slug,
        buttons: pages::buttons(&gateway.providers, None),
        site: gateway.host.clone(),
    };
    let targets: Vec<&str> =
        gateway.providers.iter().map(|provider| provider.origin.as_str()).collect();
    pages::page(status, &page, &targets)
}

/// `POST /setup`: on to the provider; the callback makes the community.
pub(crate) async fn submit(gateway: &Gateway, visit: &Visit, submitted: Form) -> Answer {
    csrf::not_cross_origin(visit, &gateway.origin)?;
    gateway.limit_sign_in(visit).await?;
    let token = submitted.get("token").to_owned();
    admit(gateway, visit, &token).await?;
    let (name, slug) = (submitted.get("name"), submitted.get("slug").trim());
    let parsed = name.parse::<CommunityName>().and_then(|name| {
        let slug = if slug.is_empty() { Ok(CommunitySlug::from_name(&name)) } else { slug.parse() };
        slug.map(|slug| (name, slug))
    });
    let community = match parsed {
        Ok(community) => community,
        Err(error) if visit.wants_page => {
            let trouble = Some(format!("{error}."));
            return form(
                gateway,
                StatusCode::UNPROCESSABLE_ENTITY,
                token,
                name.to_owned(),
                slug.to_owned(),
                trouble,
            );
        }
        Err(error) => {
            return Err(Problem::new(
                422,
                "validation",
                "The request has a value that cannot be used",
            )
            .with_detail(error.to_string())
            .into());
        }
    };
    let provider = gateway
        .provider(submitted.get("provider"))
        .or_else(|| gateway.providers.first())
        .ok_or_else(Problem::not_found)?;
    sign_in::begin(
        gateway,
        provider,
        Wish {
            return_to: "/".into(),
            invite_id: None,
            community: Some(community),
            // Without a community there are no accounts.
            replaces: None,
        },
    )
    .await
}
