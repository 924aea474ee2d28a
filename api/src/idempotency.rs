//! The header `Idempotency-Key`: repeating a POST that creates gives the first answer (decisions.md 14).

use ajet_shared::db::idempotency::{self, Known};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::auth::{Caller, Tx};
use crate::error::{ApiError, ApiResult};

/// The client's key for this request, if it sent one.
#[derive(Clone, Debug)]
pub(crate) struct IdempotencyKey {
    key: Option<Uuid>,
    /// Method and path: a key is for one thing only.
    route: String,
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let key = parts
            .headers
            .get("idempotency-key")
            .map(|value| {
                value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(not_a_key)
            })
            .transpose()?;
        Ok(Self { key, route: format!("{} {}", parts.method, parts.uri.path()) })
    }
}

fn not_a_key() -> ApiError {
    ApiError::Validation("an Idempotency-Key is a UUID".to_owned())
}

impl IdempotencyKey {
    /// A key that came otherwise than in the header.
    pub(crate) fn of(key: Option<Uuid>, route: &str) -> Self {
        Self { key, route: route.to_owned() }
    }

    /// Status and body of the first answer, if this request was answered before. A second request at the same time waits for the
    /// first one.
    pub(crate) async fn known(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        request: &impl Serialize,
    ) -> ApiResult<Option<(StatusCode, serde_json::Value)>> {
        let Some(key) = self.key else { return Ok(None) };
        let request =
            serde_json::to_vec(request).map_err(|error| ApiError::Internal(error.into()))?;
        let known = idempotency::take(
            tx,
            caller.user_id(),
            key,
            &self.route,
            Sha256::digest(request).into(),
        )
        .await?;
        match known {
            Known::Fresh => Ok(None),
            Known::Answered { status, response } => {
                let status = u16::try_from(status)
                    .ok()
                    .and_then(|status| StatusCode::from_u16(status).ok())
                    .unwrap_or(StatusCode::OK);
                Ok(Some((status, response)))
            }
            Known::Secret => Err(ApiError::Conflict(
                "already-created",
                "this was created before, and its secret is shown once only",
            )),
            Known::Mismatch => Err(ApiError::Refused(ajet_shared::problem::Problem::new(
                422,
                "idempotency-mismatch",
                "The key was used for something else",
            ))),
        }
    }

    /// The first answer as a response.
    pub(crate) async fn replay(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        request: &impl Serialize,
    ) -> ApiResult<Option<Response>> {
        Ok(self.known(tx, caller, request).await?.map(|(status, response)| {
            let mut answer = (status, axum::Json(response)).into_response();
            answer.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
            answer
        }))
    }

    /// Answers with what was done, and keeps the answer for repetitions.
    pub(crate) async fn done(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        body: &impl Serialize,
    ) -> ApiResult<Response> {
        self.answer(tx, caller, StatusCode::OK, body).await
    }

    /// Answers with something new, and keeps the answer for repetitions.
    pub(crate) async fn created(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        body: &impl Serialize,
    ) -> ApiResult<Response> {
        self.answer(tx, caller, StatusCode::CREATED, body).await
    }

    async fn answer(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        status: StatusCode,
        body: &impl Serialize,
    ) -> ApiResult<Response> {
        let body = serde_json::to_value(body).map_err(|error| ApiError::Internal(error.into()))?;
        self.keep(tx, caller, status, Some(body.clone())).await?;
        Ok((status, axum::Json(body)).into_response())
    }

    /// Answers with something new that holds a secret: a repetition is refused.
    pub(crate) async fn created_secret(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        body: &impl Serialize,
    ) -> ApiResult<Response> {
        let body = serde_json::to_value(body).map_err(|error| ApiError::Internal(error.into()))?;
        self.keep(tx, caller, StatusCode::CREATED, None).await?;
        Ok((StatusCode::CREATED, axum::Json(body)).into_response())
    }

    /// Keeps an answer for repetitions; none where it holds a secret.
    pub(crate) async fn keep(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        status: StatusCode,
        response: Option<serde_json::Value>,
    ) -> ApiResult<()> {
        if let Some(key) = self.key {
            let status = i16::try_from(status.as_u16()).unwrap_or_default();
            idempotency::answer(tx, caller.user_id(), key, status, response).await?;
        }
        Ok(())
    }
}
