//! Reads who there is: for the pane of members, for what completes names, and for the dots that say who is there.

use std::collections::HashMap;

use ajet_shared::channel::ChannelView;
use ajet_shared::client::ClientError;
use ajet_shared::community::{Member, Role};
use ajet_shared::id::{ChannelId, CommunityId, UserId};
use ajet_shared::limits::PAGE_SIZE_MAX;
use ajet_shared::page::{Page, PageQuery};
use ajet_shared::problem::Problem;
use ajet_shared::user::User;
use futures::future::join_all;

use crate::state::{App, Caller};
use crate::view::header::others;
use crate::view::shell::World;

/// Pages of people that are read for one view: a thousand people.
const PAGES_MAX: usize = 10;
/// People of direct messages who are asked for one by one, because they are not among the first members of the community.
const ASKED_MAX: usize = 30;

impl Caller {
    /// The members of a community, in the order of the api.
    pub(crate) async fn members(&self, app: &App, id: CommunityId) -> Result<Vec<Member>, Problem> {
        let members = all(|query| self.api.members(id, query)).await?;
        let names = members.iter().map(|member| (member.user.id, member.user.username.as_str()));
        app.directory.learn_names(names);
        Ok(members)
    }

    /// The people in a channel, in the order of the api.
    pub(crate) async fn channel_people(
        &self,
        app: &App,
        id: ChannelId,
    ) -> Result<Vec<User>, Problem> {
        let users = all(|query| self.api.channel_members(id, query)).await?;
        app.directory.learn_names(users.iter().map(|user| (user.id, user.username.as_str())));
        Ok(users)
    }

    /// The same with their roles in the community on show.
    pub(crate) async fn people_with_roles(
        &self,
        app: &App,
        world: &World,
        id: ChannelId,
    ) -> Result<Vec<(User, Option<Role>)>, Problem> {
        let community = world.here.as_ref().and_then(|here| here.channel.community_id);
        let members = async {
            match community {
                Some(community) => self.members(app, community).await,
                None => Ok(Vec::new()),
            }
        };
        let (users, members) = tokio::try_join!(self.channel_people(app, id), members)?;
        let roles: HashMap<UserId, Role> =
            members.into_iter().map(|member| (member.user.id, member.role)).collect();
        let with_role = users.into_iter().map(|user| {
            let role = roles.get(&user.id).copied();
            (user, role)
        });
        Ok(with_role.collect())
    }

    /// Who is there, for the dots beside direct messages. It also tells whose handles are whose.
    pub(crate) async fn online(
        &self,
        app: &App,
        world: &World,
    ) -> Result<HashMap<UserId, bool>, Problem> {
        let mut online = HashMap::new();
        if let Some(view) = world.community() {
            let query = PageQuery { limit: Some(PAGE_SIZE_MAX), ..PageQuery::default() };
            let members = self.api.members(view.community.id, query).await?.items;
            app.directory.learn_names(
                members.iter().map(|member| (member.user.id, member.user.username.as_str())),
            );
            app.acquainted.note(view.community.id);
            online.extend(members.iter().map(|member| (member.user.id, member.user.online)));
        }
        Ok(self.presence_of(partners(world), online).await)
    }

    /// Who is there, for a stream: as this process has heard it, or else as the api says. `is_known` where the world knows it already,
    /// from a stream that broke off.
    pub(crate) async fn look_who_is_there(
        &self,
        app: &App,
        world: &mut World,
        is_known: bool,
    ) -> Result<(), Problem> {
        let heard = app.hub.online(&partners(world));
        let acquainted = is_known
            || world.community().is_none_or(|view| app.acquainted.knows(view.community.id));
        match heard {
            Some(heard) if acquainted => world.online.extend(heard),
            None if is_known => {}
            _ => world.online = self.online(app, world).await?,
        }
        Ok(())
    }

    /// What is known of who is there, and of these people as well. Who cannot be asked about counts as away.
    pub(crate) async fn presence_of(
        &self,
        mut people: Vec<UserId>,
        mut known: HashMap<UserId, bool>,
    ) -> HashMap<UserId, bool> {
        people.retain(|id| !known.contains_key(id));
        people.sort_unstable();
        people.dedup();
        people.truncate(ASKED_MAX);
        let asked = join_all(people.into_iter().map(|id| self.api.user(id))).await;
        known.extend(asked.into_iter().flatten().map(|user| (user.id, user.online)));
        known
    }
}

/// The other one of each direct message between two.
fn partners(world: &World) -> Vec<UserId> {
    let partner = |dm: &ChannelView| match others(dm, world.me.id)[..] {
        [one] => Some(one.id),
        _ => None,
    };
    world.sync.dms.iter().filter_map(partner).collect()
}

/// Page after page, up to [`PAGES_MAX`].
async fn all<T, F>(read: impl Fn(PageQuery) -> F) -> Result<Vec<T>, Problem>
where
    F: Future<Output = Result<Page<T>, ClientError>>,
{
    let mut items = Vec::new();
    let mut query = PageQuery { limit: Some(PAGE_SIZE_MAX), ..PageQuery::default() };
    for _ in 0..PAGES_MAX {
        let page = read(query).await?;
        items.extend(page.items);
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn people_are_read_to_the_last_page_but_not_for_ever() {
        let (asked, next) = (Cell::new(0), UserId::new().uuid());
        let pages = |more_after: usize| {
            let asked = &asked;
            move |query: PageQuery| {
                let n = asked.replace(asked.get() + 1);
                assert_eq!(query.after.is_some(), n > 0);
                let next = (n < more_after).then_some(next);
                std::future::ready(Ok(Page { items: vec![n], next, prev: None }))
            }
        };
        assert_eq!(all(pages(2)).await.unwrap(), [0, 1, 2]);
        asked.set(0);
        assert_eq!(all(pages(99)).await.unwrap().len(), PAGES_MAX);
    }
}
