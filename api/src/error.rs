//! Every way a request can fail, and what the caller is told.

use ajet_shared::actions::{Decision, DenyReason};
use ajet_shared::db;
use ajet_shared::db::invites::RedeemError;
use ajet_shared::page::PageError;
use ajet_shared::problem::Problem;
use ajet_shared::verify::VerifyError;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::limits::UsedUp;

/// What a handler answers.
pub(crate) type ApiResult<T> = Result<T, ApiError>;

/// Every way a request can fail. The variant is the contract; the text is for people.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// No valid credentials.
    #[error("authentication is required")]
    Unauthenticated,
    /// The thing does not exist, or the caller may not know that it does.
    #[error("not found")]
    NotFound,
    /// The caller may see it and may not do this.
    #[error("{0}")]
    Denied(DenyReason),
    /// Some value cannot be used.
    #[error("{0}")]
    Validation(String),
    /// Something is there already or must stay.
    #[error("{1}")]
    Conflict(&'static str, &'static str),
    /// Too much in a short time.
    #[error("{0}")]
    Limited(UsedUp),
    /// Anything else that is answered with a problem of its own.
    #[error("{0}")]
    Refused(Problem),
    /// The database said no. The source is logged, never sent.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// NATS or the object store is not reachable. The source is logged, never sent.
    #[error("unavailable: {0:#}")]
    Unavailable(anyhow::Error),
    /// Anything unforeseen. The source is logged, never sent.
    #[error("internal: {0:#}")]
    Internal(anyhow::Error),
}

impl ApiError {
    /// The same error unless the statement violated `constraint`: then what `instead` says.
    pub(crate) fn on_constraint(
        error: sqlx::Error,
        constraint: &str,
        instead: impl FnOnce() -> Self,
    ) -> Self {
        if db::constraint(&error) == Some(constraint) { instead() } else { Self::Database(error) }
    }

    fn problem(&self) -> Problem {
        match self {
            Self::Unauthenticated => Problem::unauthenticated(),
            Self::NotFound => Problem::not_found(),
            Self::Denied(reason) => Problem::new(403, reason.slug(), "You may not do this")
                .with_detail(sentence(&reason.to_string())),
            Self::Validation(detail) => {
                Problem::new(422, "validation", "The request has a value that cannot be used")
                    .with_detail(sentence(detail))
            }
            Self::Conflict(slug, detail) => {
                Problem::new(409, slug, "This cannot be done as things stand")
                    .with_detail(sentence(detail))
            }
            Self::Limited(used_up) => used_up.problem(),
            Self::Refused(problem) => problem.clone(),
            Self::Database(error) if db::is_unavailable(error) => Problem::unavailable(),
            Self::Unavailable(_) => Problem::unavailable(),
            Self::Database(_) | Self::Internal(_) => Problem::internal(),
        }
    }
}

/// Our error texts are lower case without a full stop; people get a sentence.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(char::to_uppercase).into_iter().flatten();
    first.chain(chars).chain(std::iter::once('.')).collect()
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl From<VerifyError> for ApiError {
    fn from(error: VerifyError) -> Self {
        if error.is_unavailable() {
            Self::Unavailable(error.into())
        } else {
            Self::Internal(error.into())
        }
    }
}

impl From<PageError> for ApiError {
    fn from(error: PageError) -> Self {
        Self::Validation(error.to_string())
    }
}

impl From<DenyReason> for ApiError {
    fn from(reason: DenyReason) -> Self {
        Self::Denied(reason)
    }
}

impl From<RedeemError> for ApiError {
    fn from(error: RedeemError) -> Self {
        let problem = |status, slug| {
            Self::Refused(
                Problem::new(status, slug, "The invite cannot be used")
                    .with_detail(sentence(&error.to_string())),
            )
        };
        match &error {
            RedeemError::Used => problem(410, "invite-used"),
            RedeemError::Expired => problem(410, "invite-expired"),
            RedeemError::Banned => problem(403, "banned"),
            RedeemError::Database(_) => match error {
                RedeemError::Database(error) => Self::Database(error),
                _ => Self::NotFound,
            },
        }
    }
}

/// What `authorize` said, as a result.
pub(crate) fn permit(decision: Decision) -> ApiResult<()> {
    match decision {
        Decision::Allow => Ok(()),
        Decision::Deny(reason) => Err(ApiError::Denied(reason)),
        Decision::Hide => Err(ApiError::NotFound),
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match &self {
            Self::Database(error) if db::is_unavailable(error) => {
                tracing::warn!(%error, "database unavailable");
            }
            Self::Database(error) => tracing::error!(%error, "database error"),
            Self::Unavailable(error) => {
                tracing::warn!(error = format!("{error:#}"), "dependency unavailable");
            }
            Self::Internal(error) => {
                tracing::error!(error = format!("{error:#}"), "internal error");
            }
            _ => {}
        }
        let mut response = self.problem().into_response();
        if let Self::Limited(used_up) = &self {
            used_up.put_headers(response.headers_mut());
        }
        if matches!(self, Self::Unauthenticated) {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::ApiError;

    #[test]
    fn details_are_sentences_and_sources_stay_inside() {
        let problem =
            ApiError::Conflict("last-owner", "a community keeps at least one owner").problem();
        assert_eq!(problem.detail.as_deref(), Some("A community keeps at least one owner."));
        let problem = ApiError::Internal(anyhow::anyhow!("secret detail")).problem();
        assert_eq!((problem.status, problem.detail), (500, None));
        assert_eq!(ApiError::Database(sqlx::Error::PoolTimedOut).problem().retry_after, Some(2));
    }
}
