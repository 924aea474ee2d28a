//! Routes that say who may call them.
//!
//! A session manager registers its routes here and nowhere else, so none comes to be without a class; the nets in `e2e/nets` call every
//! one of them as everybody and hold the answers against it (delivery-and-security.md A51).

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, on};

/// Who may call a route, and what it answers everybody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Anybody, also without having signed in.
    Public,
    /// Whoever is signed in, by session or token. What it shows is the caller's own or what they may see.
    SignedIn,
    /// A session of a person; an API token gets 403.
    Session,
    /// Whoever owns the thing that the path names; for everybody else it does not exist.
    Own,
    /// Members of the community.
    CommunityRead,
    /// Members of the community, by a session or a token that may write.
    CommunityWrite,
    /// Admins and owners of the community; members get 403.
    CommunityAdmin,
    /// Owners of the community; members and admins get 403.
    CommunityOwner,
    /// Who may see the channel.
    ChannelRead,
    /// Who may see the channel, to come in or to leave: no membership of it is asked for.
    ChannelSeen,
    /// Members of the channel.
    ChannelWrite,
    /// Admins who may see the channel; members get 403.
    ChannelAdmin,
    /// Admins and owners of the community, for what belongs to a channel; a private one's is hidden from those who are not in it.
    IntegrationAdmin,
    /// Who may see the message.
    MessageRead,
    /// Members of the message's channel.
    MessageWrite,
    /// The author of the message; others who see it get 403.
    MessageAuthor,
    /// The author of the message and admins who see it; others who see it get 403.
    MessageAuthorOrAdmin,
}

/// A route as it is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// The path with its parameters in braces.
    pub path: &'static str,
    /// Who may call it.
    pub class: Class,
}

/// A router in the making, and what was registered.
#[derive(Clone, Debug)]
pub struct RouteTable<S = ()> {
    router: Router<S>,
    routes: Vec<Route>,
}

impl<S: Clone + Send + Sync + 'static> Default for RouteTable<S> {
    fn default() -> Self {
        Self { router: Router::new(), routes: Vec::new() }
    }
}

impl<S: Clone + Send + Sync + 'static> RouteTable<S> {
    /// Registers what reads.
    #[must_use]
    pub fn get<H: Handler<T, S>, T: 'static>(
        self,
        path: &'static str,
        class: Class,
        handler: H,
    ) -> Self {
        self.add(MethodFilter::GET, Route { method: "GET", path, class }, handler)
    }

    /// Registers what acts.
    #[must_use]
    pub fn post<H: Handler<T, S>, T: 'static>(
        self,
        path: &'static str,
        class: Class,
        handler: H,
    ) -> Self {
        self.add(MethodFilter::POST, Route { method: "POST", path, class }, handler)
    }

    /// The router.
    pub fn into_router(self) -> Router<S> {
        self.router
    }

    /// What was registered.
    #[must_use]
    pub fn into_routes(self) -> Vec<Route> {
        self.routes
    }

    fn add<H: Handler<T, S>, T: 'static>(
        mut self,
        method: MethodFilter,
        route: Route,
        handler: H,
    ) -> Self {
        self.routes.push(route);
        Self { router: self.router.route(route.path, on(method, handler)), ..self }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_registered_is_served_and_told() {
        let table =
            || {
                RouteTable::<()>::default()
                    .get("/things/{id}", Class::SignedIn, async || "read")
                    .post("/things/{id}", Class::Session, async || "done")
            };
        let told: Vec<_> = table().into_routes();
        assert_eq!(told[0], Route { method: "GET", path: "/things/{id}", class: Class::SignedIn });
        assert_eq!(told[1].class, Class::Session);
        for (method, status) in [("GET", 200), ("POST", 200), ("DELETE", 405)] {
            let request = Request::builder().method(method).uri("/things/1").body(Body::empty());
            let answer = table().into_router().oneshot(request.unwrap()).await.unwrap();
            assert_eq!(answer.status(), status, "{method}");
        }
    }
}
