//! What the gateway asks before it does something for somebody: who they are, whether they meant it, how often they come.

use std::time::Duration;

use ajet_shared::db::audit::{self, Entry};
use ajet_shared::db::{api_tokens, rate_counters};
use ajet_shared::id::UserId;
use ajet_shared::token::{Token, TokenKind};
use ajet_shared::verify::{self, VerifyError};

use crate::answer::{Failure, unauthenticated};
use crate::csrf;
use crate::gateway::Gateway;
use crate::limits::{Key, Verdict, household};
use crate::policy::Policy;
use crate::visit::{Caller, Credentials, Visit};

/// The window of the limit that all gateways count together.
const HOUR: Duration = Duration::from_hours(1);
/// The use of a token that has ended is written down once in this time.
const ENDED_TOKEN_NOTED_EVERY: Duration = Duration::from_mins(10);

impl Gateway {
    /// Whoever the credentials belong to. Wrong bearer tokens are refused at once, a cookie that is over is the same as none.
    pub(crate) async fn caller(
        &self,
        visit: &Visit,
        credentials: Credentials,
    ) -> Result<Option<Caller>, Failure> {
        let Some(token) = credentials.token() else { return Ok(None) };
        // Only sessions live in cookies (A37).
        let possible = matches!(credentials, Credentials::Bearer(_)) || token.starts_with("ajs_");
        let identity = if possible { self.verifier.verify(token).await? } else { None };
        if let Some(identity) = identity {
            return Ok(Some(Caller { identity, credentials }));
        }
        match credentials {
            Credentials::Bearer(_) => {
                self.refuse_locked_out(visit)?;
                self.note_ended_token(visit, token).await;
                self.note_wrong_credentials(visit).await;
                Err(unauthenticated())
            }
            // Most likely a session that is over: not worth a lock-out, which would hit everybody behind the same address.
            _ => Ok(None),
        }
    }

    /// Refuses an address that sent too many wrong credentials.
    pub(crate) fn refuse_locked_out(&self, visit: &Visit) -> Result<(), Failure> {
        let Some(left) = self.limits.locked_out(visit.ip) else { return Ok(()) };
        let rate = self.limits.rate(Policy::BadToken);
        Err(Failure::limited(&Verdict::counted(Policy::BadToken, rate, 0, false, left)))
    }

    /// Counts wrong credentials of an address.
    pub(crate) async fn note_wrong_credentials(&self, visit: &Visit) {
        if self.limits.wrong_credentials(visit.ip) {
            self.audit(visit, None, &Entry::denied("address.locked_out")).await;
        }
    }

    /// Writes down that a token is used that is revoked or over, once in a while: somebody has it who should not, or did not notice.
    async fn note_ended_token(&self, visit: &Visit, text: &str) {
        let Ok(token) = Token::parse(TokenKind::Api, text) else { return };
        let noted = async {
            let mut conn = self.pool.acquire().await?;
            let Some(ended) = api_tokens::find_ended(&mut conn, token.selector()).await? else {
                return Ok(());
            };
            // Its first half is shown in lists: who knows no more than that shall not fill the log.
            if !verify::matches(&token, &ended.token_hash).await? {
                return Ok(());
            }
            let key = format!("token.refused:{}", ended.id);
            let (count, _) = rate_counters::hit(&mut conn, &key, ENDED_TOKEN_NOTED_EVERY).await?;
            if count == 1 {
                let entry =
                    Entry::denied("token.refused").within(ended.community_id).on("token", ended.id);
                audit::insert(&mut conn, &visit.cause(Some(ended.user_id)), &entry).await?;
            }
            Ok::<_, VerifyError>(())
        };
        if let Err(error) = noted.await {
            tracing::warn!(%error, "the use of a token that has ended is not written down");
        }
    }

    /// A request that the browser sends with the cookie comes from a script of our own page.
    pub(crate) async fn require_own_script(
        &self,
        visit: &Visit,
        caller: &Caller,
    ) -> Result<(), Failure> {
        let proved = csrf::same_origin(visit, &self.origin).and_then(|()| {
            if csrf::has_header(visit) {
                Ok(())
            } else {
                Err(Failure::csrf("The header X-Ajet-CSRF: 1 is missing."))
            }
        });
        self.audited(visit, caller, proved).await
    }

    /// A form that the browser sends with the cookie comes from a page that was made for this session.
    pub(crate) async fn require_own_form(
        &self,
        visit: &Visit,
        caller: &Caller,
        token: &str,
    ) -> Result<(), Failure> {
        if !caller.by_cookie() {
            return Ok(());
        }
        let proved = csrf::same_origin(visit, &self.origin).and_then(|()| {
            let genuine = csrf::is_token_of(caller.token(), token);
            if genuine {
                Ok(())
            } else {
                Err(Failure::csrf("The form is too old; open the page again."))
            }
        });
        self.audited(visit, caller, proved).await
    }

    async fn audited(
        &self,
        visit: &Visit,
        caller: &Caller,
        proved: Result<(), Failure>,
    ) -> Result<(), Failure> {
        if proved.is_err() {
            self.audit(visit, Some(caller.user_id()), &Entry::denied("csrf.refused")).await;
        }
        proved
    }

    /// Counts a request of an address.
    pub(crate) fn limit_by_ip(&self, visit: &Visit, policy: Policy) -> Result<(), Failure> {
        let verdict = self.limits.check(policy, &Key::ip(visit.ip));
        if verdict.allowed { Ok(()) } else { Err(Failure::limited(&verdict)) }
    }

    /// Counts a step of a sign-in: by the minute here, by the hour over all gateways.
    pub(crate) async fn limit_sign_in(&self, visit: &Visit) -> Result<(), Failure> {
        self.limit_by_ip(visit, Policy::Auth)?;
        let rate = self.limits.rate(Policy::AuthHour);
        let mut conn = self.pool.acquire().await?;
        let (count, left) =
            rate_counters::hit(&mut conn, &format!("auth:{}", household(visit.ip)), HOUR).await?;
        if u32::try_from(count).is_ok_and(|count| count <= rate.count.get()) {
            return Ok(());
        }
        let wait = Duration::from_secs_f64(left.clamp(1.0, HOUR.as_secs_f64()));
        Err(Failure::limited(&Verdict::counted(Policy::AuthHour, rate, 0, false, wait)))
    }

    /// Writes an audit line of its own. What was refused stays refused if that fails.
    pub(crate) async fn audit(&self, visit: &Visit, actor: Option<UserId>, entry: &Entry<'_>) {
        let written = async {
            let mut conn = self.pool.acquire().await?;
            audit::insert(&mut conn, &visit.cause(actor), entry).await
        };
        if let Err(error) = written.await {
            tracing::warn!(%error, action = entry.action, "cannot write the audit log");
        }
    }
}
