//! Sign-in providers: OAuth 2 with PKCE (delivery-and-security.md section 3.3).

use std::str::FromStr;
use std::time::Duration;

use ajet_shared::secret::Secret;
use anyhow::Context as _;
use futures::future::BoxFuture;
use futures::{FutureExt as _, TryFutureExt as _};
use oauth2::basic::{BasicClient, BasicTokenResponse};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken,
    EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, Scope, TokenResponse as _, TokenUrl,
};
use serde::Deserialize;
use url::Url;

/// How long a provider may take to answer. Source: delivery-and-security.md section 3.3.
const PROVIDER_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a provider's answer; a profile has a few thousand.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Which dialect a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderKind {
    /// GitHub, or GitHub Enterprise at a base URL.
    Github,
    /// A Gitea or Forgejo instance.
    Gitea,
    /// The development provider, shaped like Gitea.
    Dev,
}

/// The text is not a kind.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it is github, gitea or dev")]
pub struct ProviderKindError;

impl FromStr for ProviderKind {
    type Err = ProviderKindError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "github" => Ok(Self::Github),
            "gitea" => Ok(Self::Gitea),
            "dev" => Ok(Self::Dev),
            _ => Err(ProviderKindError),
        }
    }
}

impl ProviderKind {
    /// The name people know.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Github => "GitHub",
            Self::Gitea => "Gitea",
            Self::Dev => "the development provider",
        }
    }

    /// Its glyph in the icon sprite.
    const fn icon(self) -> &'static str {
        match self {
            Self::Github => "branch",
            Self::Gitea => "cup",
            Self::Dev => "users",
        }
    }

    const fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Github => &["read:user", "user:email"],
            Self::Gitea | Self::Dev => &["read:user"],
        }
    }
}

/// The settings of one provider.
#[derive(Clone, Debug)]
pub struct ProviderSettings {
    /// Its name in addresses and in the database; never change it.
    pub name: String,
    /// Its dialect.
    pub kind: ProviderKind,
    /// Its name on the button.
    pub title: String,
    /// What this server is registered as.
    pub client_id: String,
    /// The secret of that registration.
    pub client_secret: Secret,
    /// The instance.
    pub base_url: Option<Url>,
    /// Where browsers go, if not at the usual path.
    pub authorize_url: Option<Url>,
    /// Where codes are exchanged, if not at the usual path.
    pub token_url: Option<Url>,
    /// Where the profile is, if not at the usual path.
    pub user_url: Option<Url>,
}

type OauthClient =
    BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// A provider that people can sign in with.
pub(crate) struct Provider {
    /// Its name in addresses and in the database.
    pub(crate) name: String,
    /// Its name on the button.
    pub(crate) title: String,
    /// Its host, shown beside the button when it is not a public service.
    pub(crate) host: Option<String>,
    /// Its origin: where the form of the set-up is sent on to.
    pub(crate) origin: String,
    kind: ProviderKind,
    client: OauthClient,
    user_url: Url,
    http: Caller,
}

/// A sign-in that has begun.
pub(crate) struct Begun {
    /// Where the browser goes.
    pub(crate) authorize_url: Url,
    /// What comes back with the browser.
    pub(crate) state: String,
    /// What proves to the provider that the same one exchanges the code.
    pub(crate) pkce_verifier: String,
}

/// Who somebody is at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    /// The immutable id.
    pub(crate) id: String,
    /// The login name of today.
    pub(crate) login: String,
    /// The name shown.
    pub(crate) name: Option<String>,
    /// An address, verified or not.
    pub(crate) email: Option<String>,
}

/// The provider did not let somebody in, or did not answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ProviderError(String);

#[derive(Deserialize)]
struct UserAnswer {
    id: u64,
    login: String,
    name: Option<String>,
    full_name: Option<String>,
    email: Option<String>,
}

/// The client for all providers. It follows no redirects: a provider's answer must not make us call somebody else.
pub(crate) fn http_client() -> anyhow::Result<reqwest::Client> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PROVIDER_TIMEOUT)
        .user_agent(concat!("ajet-chat/", env!("CARGO_PKG_VERSION")))
        .build()
        .context("TLS")
}

impl Provider {
    /// A provider of these settings that sends browsers back to this site.
    pub(crate) fn new(
        settings: ProviderSettings,
        public_url: &Url,
        http: reqwest::Client,
    ) -> anyhow::Result<Self> {
        let github: Url = "https://github.com".parse()?;
        let base = settings.base_url.clone().unwrap_or_else(|| github.clone());
        let default_user = match settings.kind {
            ProviderKind::Github if base == github => "https://api.github.com/user".parse()?,
            ProviderKind::Github => under(&base, "api/v3/user")?,
            ProviderKind::Gitea | ProviderKind::Dev => under(&base, "api/v1/user")?,
        };
        let authorize_url =
            settings.authorize_url.map_or_else(|| under(&base, "login/oauth/authorize"), Ok)?;
        let token_url =
            settings.token_url.map_or_else(|| under(&base, "login/oauth/access_token"), Ok)?;
        let redirect_url = public_url.join(&format!("auth/callback/{}", settings.name))?;
        let client = BasicClient::new(ClientId::new(settings.client_id))
            .set_client_secret(ClientSecret::new(settings.client_secret.expose().to_owned()))
            .set_auth_uri(AuthUrl::from_url(authorize_url.clone()))
            .set_token_uri(TokenUrl::from_url(token_url))
            .set_redirect_uri(RedirectUrl::from_url(redirect_url))
            .set_auth_type(AuthType::RequestBody);
        Ok(Self {
            host: settings
                .base_url
                .and_then(|url| url.host_str().map(ToOwned::to_owned))
                .filter(|_| settings.kind != ProviderKind::Dev),
            name: settings.name,
            title: settings.title,
            origin: authorize_url.origin().ascii_serialization(),
            kind: settings.kind,
            client,
            user_url: settings.user_url.unwrap_or(default_user),
            http: Caller(http),
        })
    }

    /// Its glyph in the icon sprite.
    pub(crate) const fn icon(&self) -> &'static str {
        self.kind.icon()
    }

    /// Begins a sign-in.
    pub(crate) fn begin(&self) -> Begun {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request =
            self.client.authorize_url(CsrfToken::new_random).set_pkce_challenge(challenge);
        for scope in self.kind.scopes() {
            request = request.add_scope(Scope::new((*scope).to_owned()));
        }
        let (authorize_url, state) = request.url();
        Begun { authorize_url, state: state.into_secret(), pkce_verifier: verifier.into_secret() }
    }

    /// Exchanges a code for the provider's token. Not an `async fn`: inside one the compiler cannot see that the crate's future is
    /// `Send` (its lifetimes are higher-ranked there).
    fn exchange(
        &self,
        code: String,
        pkce_verifier: String,
    ) -> BoxFuture<'_, Result<BasicTokenResponse, ProviderError>> {
        self.client
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(PkceCodeVerifier::new(pkce_verifier))
            .request_async(&self.http)
            .map_err(|error| ProviderError(format!("the code was not taken: {error}")))
            .boxed()
    }

    /// Exchanges a code and reads who it is, both together within [`PROVIDER_TIMEOUT`]: somebody waits for the page.
    pub(crate) async fn finish(
        &self,
        code: String,
        pkce_verifier: String,
    ) -> Result<Profile, ProviderError> {
        tokio::time::timeout(PROVIDER_TIMEOUT, self.ask(code, pkce_verifier))
            .await
            .unwrap_or_else(|_| Err(ProviderError("the provider takes too long".to_owned())))
    }

    /// Exchanges a code and reads who it is. The provider's token is dropped right after.
    async fn ask(&self, code: String, pkce_verifier: String) -> Result<Profile, ProviderError> {
        let tokens = self.exchange(code, pkce_verifier).await?;
        let mut request = HttpRequest::new(Vec::new());
        *request.uri_mut() = self
            .user_url
            .as_str()
            .parse()
            .map_err(|_| ProviderError("the address of the profile is wrong".into()))?;
        let authorization = format!("Bearer {}", tokens.access_token().secret());
        let authorization =
            authorization.parse().map_err(|_| ProviderError("the token cannot be sent".into()))?;
        request.headers_mut().insert(http::header::AUTHORIZATION, authorization);
        request
            .headers_mut()
            .insert(http::header::ACCEPT, http::HeaderValue::from_static("application/json"));
        let answer = self.http.send(request).await?;
        if !answer.status().is_success() {
            return Err(ProviderError(format!(
                "the profile was refused with status {}",
                answer.status()
            )));
        }
        let user: UserAnswer = serde_json::from_slice(answer.body())
            .map_err(|error| ProviderError(format!("the profile cannot be read: {error}")))?;
        let filled = |text: Option<String>| {
            text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
        };
        Ok(Profile {
            id: user.id.to_string(),
            login: user.login,
            name: filled(user.name).or_else(|| filled(user.full_name)),
            email: filled(user.email).filter(|email| email.chars().count() <= 320),
        })
    }
}

/// Calls providers.
struct Caller(reqwest::Client);

impl Caller {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
        let failed = |error: reqwest::Error| {
            ProviderError(format!("the provider does not answer: {}", error.without_url()))
        };
        let (head, body) = request.into_parts();
        let url = head.uri.to_string();
        let mut answer = self
            .0
            .request(head.method, url)
            .headers(head.headers)
            .body(body)
            .send()
            .await
            .map_err(failed)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_BYTES_MAX {
                return Err(ProviderError("the provider's answer is too large".into()));
            }
        }
        let mut response = HttpResponse::new(bytes);
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for Caller {
    type Error = ProviderError;
    type Future = BoxFuture<'c, Result<HttpResponse, ProviderError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        self.send(request).boxed()
    }
}

/// A path below a base URL, which may itself have a path.
fn under(base: &Url, path: &str) -> anyhow::Result<Url> {
    let mut base = base.clone();
    if !base.path().ends_with('/') {
        base.set_path(&format!("{}/", base.path()));
    }
    base.join(path).with_context(|| format!("{base} has no path {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(kind: ProviderKind, base: Option<&str>) -> Provider {
        let settings = ProviderSettings {
            name: "here".into(),
            kind,
            title: kind.title().into(),
            client_id: "id".into(),
            client_secret: Secret::from("secret".to_owned()),
            base_url: base.map(|base| base.parse().unwrap()),
            authorize_url: None,
            token_url: None,
            user_url: None,
        };
        Provider::new(
            settings,
            &"https://chat.example.org".parse().unwrap(),
            http_client().unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn a_sign_in_begins_with_state_and_pkce() {
        let begun = provider(ProviderKind::Github, None).begin();
        let pairs: std::collections::HashMap<_, _> =
            begun.authorize_url.query_pairs().into_owned().collect();
        assert!(
            begun.authorize_url.as_str().starts_with("https://github.com/login/oauth/authorize?")
        );
        assert_eq!(pairs["code_challenge_method"], "S256");
        assert_eq!(pairs["state"], begun.state);
        assert_eq!(pairs["redirect_uri"], "https://chat.example.org/auth/callback/here");
        assert_eq!(pairs["scope"], "read:user user:email");
        assert!(!begun.authorize_url.as_str().contains(&begun.pkce_verifier));
    }

    #[test]
    fn every_dialect_finds_the_profile() {
        assert_eq!(
            provider(ProviderKind::Github, None).user_url.as_str(),
            "https://api.github.com/user"
        );
        assert_eq!(
            provider(ProviderKind::Github, Some("https://ghe.example.org")).user_url.as_str(),
            "https://ghe.example.org/api/v3/user"
        );
        let gitea = provider(ProviderKind::Gitea, Some("https://example.org/git"));
        assert_eq!(gitea.user_url.as_str(), "https://example.org/git/api/v1/user");
        assert_eq!(gitea.origin, "https://example.org");
        assert_eq!(gitea.host.as_deref(), Some("example.org"));
    }
}
