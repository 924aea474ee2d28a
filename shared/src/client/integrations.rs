//! The api's routes for machines: webhooks and tokens.

use super::routes::{delete, get, paged, post};
use super::{ApiClient, Call, ClientError, Method};
use crate::api_token::{ApiToken, CreateToken, CreatedToken};
use crate::id::{ApiTokenId, CommunityId, WebhookId};
use crate::page::{Page, PageQuery};
use crate::webhook::{CreateWebhook, CreatedWebhook, Webhook, WebhookDelivery};

impl ApiClient {
    /// The webhooks of a community that post where the caller may look.
    pub async fn webhooks(&self, id: CommunityId) -> Result<Page<Webhook>, ClientError> {
        self.json(get(format!("/api/communities/{id}/webhooks"))).await
    }

    /// Makes a webhook. Its address is in the answer and never shown again.
    pub async fn create_webhook(
        &self,
        id: CommunityId,
        new: &CreateWebhook,
    ) -> Result<CreatedWebhook, ClientError> {
        self.json(post(format!("/api/communities/{id}/webhooks"), new)).await
    }

    /// Gives a webhook a new address; the old one stops working at once.
    pub async fn rotate_webhook(
        &self,
        id: CommunityId,
        webhook: WebhookId,
    ) -> Result<CreatedWebhook, ClientError> {
        let path = format!("/api/communities/{id}/webhooks/{webhook}/rotate");
        self.json(Call::new(Method::POST, path)).await
    }

    /// Ends a webhook.
    pub async fn revoke_webhook(
        &self,
        id: CommunityId,
        webhook: WebhookId,
    ) -> Result<(), ClientError> {
        self.done(delete(format!("/api/communities/{id}/webhooks/{webhook}"))).await
    }

    /// What came in by a webhook, newest first.
    pub async fn webhook_deliveries(
        &self,
        id: CommunityId,
        webhook: WebhookId,
        page: PageQuery,
    ) -> Result<Page<WebhookDelivery>, ClientError> {
        let path = format!("/api/communities/{id}/webhooks/{webhook}/deliveries");
        self.json(get(paged(path, page))).await
    }

    /// The tokens of a community's bots.
    pub async fn tokens(&self, id: CommunityId) -> Result<Page<ApiToken>, ClientError> {
        self.json(get(format!("/api/communities/{id}/tokens"))).await
    }

    /// Makes a token for a bot of that name. The secret is in the answer and never shown again.
    pub async fn create_token(
        &self,
        id: CommunityId,
        new: &CreateToken,
    ) -> Result<CreatedToken, ClientError> {
        self.json(post(format!("/api/communities/{id}/tokens"), new)).await
    }

    /// Ends a bot's token.
    pub async fn revoke_token(
        &self,
        id: CommunityId,
        token: ApiTokenId,
    ) -> Result<(), ClientError> {
        self.done(delete(format!("/api/communities/{id}/tokens/{token}"))).await
    }

    /// The caller's own tokens.
    pub async fn my_tokens(&self) -> Result<Page<ApiToken>, ClientError> {
        self.json(get("/api/me/tokens".to_owned())).await
    }

    /// Makes a token that acts as the caller. The secret is in the answer and never shown again.
    pub async fn create_my_token(&self, new: &CreateToken) -> Result<CreatedToken, ClientError> {
        self.json(post("/api/me/tokens", new)).await
    }

    /// Ends one of the caller's own tokens.
    pub async fn revoke_my_token(&self, token: ApiTokenId) -> Result<(), ClientError> {
        self.done(delete(format!("/api/me/tokens/{token}"))).await
    }
}
