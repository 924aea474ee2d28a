//! An account for somebody who signs in for the first time.

use ajet_shared::clock;
use ajet_shared::db::oauth;
use ajet_shared::db::users::{self, NewUser};
use ajet_shared::id::UserId;
use ajet_shared::names::{DisplayName, Username};
use ajet_shared::user::UserKind;
use sqlx::PgConnection;

use crate::oauth::Profile;

/// Names tried for one login: `ola`, `ola-2`, …
const NAMES_TRIED: u32 = 200;

/// Makes an account for an identity. The handle comes from the login name, the name shown from the profile; both can be changed later.
pub(crate) async fn create(
    conn: &mut PgConnection,
    provider: &str,
    profile: &Profile,
) -> Result<UserId, sqlx::Error> {
    let username = free_username(conn, &profile.login).await?;
    let display_name = profile.name.as_deref().and_then(|name| name.parse::<DisplayName>().ok());
    let display_name = match display_name {
        Some(name) => name,
        // A handle is always a name too.
        None => username
            .as_str()
            .parse()
            .map_err(|error: ajet_shared::names::NameError| sqlx::Error::Encode(error.into()))?,
    };
    let user = NewUser {
        id: UserId::new(),
        username,
        display_name,
        email: profile.email.clone(),
        // A picture at the provider would tell it about every reader; people upload their own.
        avatar_url: None,
        kind: UserKind::Human,
        created_at: clock::now(),
    };
    users::insert(conn, &user).await?;
    oauth::insert_account(conn, user.id, provider, &profile.id, &profile.login).await?;
    Ok(user.id)
}

async fn free_username(conn: &mut PgConnection, login: &str) -> Result<Username, sqlx::Error> {
    for username in candidates(login) {
        if users::find_by_username(conn, username.as_str()).await?.is_none() {
            return Ok(username);
        }
    }
    Err(sqlx::Error::RowNotFound)
}

/// Handles made from a login name, the nearest first.
fn candidates(login: &str) -> impl Iterator<Item = Username> {
    let kept: String = login
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .take(27)
        .collect();
    let base = kept.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned();
    let base = if base.is_empty() { "user".to_owned() } else { base };
    std::iter::once(base.clone())
        .chain((2..=NAMES_TRIED).map(move |n| format!("{base}-{n}")))
        .filter_map(|name| name.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::candidates;

    #[test]
    fn handles_come_from_logins() {
        let first = |login: &str| candidates(login).next().unwrap().to_string();
        assert_eq!(first("Ola"), "ola");
        assert_eq!(first("mara.voss"), "mara.voss");
        assert_eq!(first("-=jo=-"), "jo");
        assert_eq!(first("admin"), "admin-2", "reserved words are not given away");
        assert_eq!(first("x"), "x-2", "too short");
        assert_eq!(first("田辺"), "user");
        assert_eq!(first(&"x".repeat(60)), "x".repeat(27));
        let tried: Vec<_> = candidates("ola").take(3).map(|name| name.to_string()).collect();
        assert_eq!(tried, ["ola", "ola-2", "ola-3"]);
    }
}
