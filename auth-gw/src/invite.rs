//! The page behind an invite link. Looking at it uses nothing up.

use ajet_shared::db::invites::{self, RedeemError};
use ajet_shared::problem::Problem;
use http::StatusCode;

use crate::answer::{Answer, see_other};
use crate::csrf;
use crate::forms::Form;
use crate::gateway::Gateway;
use crate::pages::{self, Invite};
use crate::policy::Policy;
use crate::sign_in::{find_invite, home, usable_invite};
use crate::visit::{Caller, Visit};

/// Why an invite lets nobody in.
pub(crate) fn problem(error: &RedeemError) -> Problem {
    match error {
        RedeemError::Used => Problem::new(410, "invite-used", "This invite has been used up")
            .with_detail("Ask whoever sent it for a new one."),
        RedeemError::Expired => {
            Problem::new(410, "invite-expired", "This invite is no longer valid")
                .with_detail("Ask whoever sent it for a new one.")
        }
        RedeemError::Banned => Problem::new(403, "banned", "You cannot join this community")
            .with_detail("You are banned from it. Its owners can lift that."),
        RedeemError::Database(error) if ajet_shared::db::is_unavailable(error) => {
            Problem::unavailable()
        }
        RedeemError::Database(_) => Problem::internal(),
    }
}

/// `GET /invite/{code}`
pub(crate) async fn page(
    gateway: &Gateway,
    visit: &Visit,
    code: &str,
    caller: Option<&Caller>,
) -> Answer {
    gateway.limit_by_ip(visit, Policy::InviteRedeem)?;
    let offer = usable_invite(gateway, code).await?;
    let page = Invite {
        community: offer.community_name,
        invited_by: offer.invited_by,
        role: offer.role.as_str(),
        buttons: pages::buttons(&gateway.providers, Some(("invite", code))),
        joining: caller.map(|caller| csrf::token(caller.token())),
        action: visit.path.clone(),
    };
    pages::page(StatusCode::OK, &page, &[])
}

/// `POST /invite/{code}`: somebody who is signed in joins.
pub(crate) async fn join(
    gateway: &Gateway,
    visit: &Visit,
    code: &str,
    caller: &Caller,
    form: &Form,
) -> Answer {
    gateway.limit_by_ip(visit, Policy::InviteRedeem)?;
    gateway.require_own_form(visit, caller, form.get("csrf")).await?;
    let offer = find_invite(gateway, code).await?;
    let (_turn, mut tx) = gateway.begin().await?;
    let cause = visit.cause(Some(caller.user_id()));
    let joined =
        invites::redeem(&mut tx, &cause, offer.id, caller.user_id()).await.map_err(|error| {
            if let RedeemError::Database(error) = &error {
                tracing::warn!(%error, "cannot redeem an invite");
            }
            problem(&error)
        })?;
    tx.commit().await?;
    see_other(&home(&joined.slug))
}
