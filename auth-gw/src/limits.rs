//! Rate limits (delivery-and-security.md section 3.7): token buckets in memory, by policy and key.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ajet_shared::id::{SessionId, UserId};
use ajet_shared::rate::{LimitMode, Rate};
use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};

use crate::policy::{LimitSettings, Policy};

/// What a limit counts by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// An address, or rather its [`household`].
    Ip(IpAddr),
    /// An account.
    User(UserId),
    /// A session.
    Session(SessionId),
    /// Something named in the path, hashed.
    Thing(u64),
}

/// What counts as one address: of IPv6 the /64, which is what one household has.
pub(crate) fn household(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v6) => IpAddr::from((u128::from(v6) >> 64 << 64).to_be_bytes()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

impl Key {
    pub(crate) fn ip(ip: IpAddr) -> Self {
        Self::Ip(household(ip))
    }

    pub(crate) fn thing(name: &str, hasher: &RandomState) -> Self {
        Self::Thing(hasher.hash_one(name))
    }
}

/// How a request stands to a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The limit.
    pub(crate) policy: Policy,
    /// It lets the request through.
    pub(crate) allowed: bool,
    rate: Rate,
    remaining: u32,
    /// Until all requests are free again, or, if refused, until the next one.
    wait: Duration,
}

impl Verdict {
    /// A verdict of a counter that is not kept here.
    pub(crate) const fn counted(
        policy: Policy,
        rate: Rate,
        remaining: u32,
        allowed: bool,
        wait: Duration,
    ) -> Self {
        Self { policy, allowed, rate, remaining, wait }
    }

    /// `RateLimit-Policy`, a structured field: `"msg";q=10;w=10`.
    pub(crate) fn policy_field(&self) -> String {
        format!("\"{}\";q={};w={}", self.policy.name(), self.rate.count, self.rate.window.as_secs())
    }

    /// `RateLimit`, a structured field: `"msg";r=7;t=4`.
    pub(crate) fn state_field(&self) -> String {
        format!("\"{}\";r={};t={}", self.policy.name(), self.remaining, self.wait_seconds())
    }

    /// The wait in whole seconds, rounded up.
    pub(crate) fn wait_seconds(&self) -> u32 {
        let seconds = self.wait.as_secs() + u64::from(self.wait.subsec_nanos() > 0);
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }
}

type Bucket =
    RateLimiter<Key, DefaultKeyedStateStore<Key>, DefaultClock, StateInformationMiddleware>;

/// All limits of this process.
pub(crate) struct Limits {
    buckets: Vec<(Policy, Rate, Bucket)>,
    clock: DefaultClock,
    locked_out: Mutex<HashMap<Key, Instant>>,
    streams: Mutex<HashMap<Key, u32>>,
    settings: LimitSettings,
    hasher: RandomState,
}

/// An address with too many wrong credentials is refused for this long.
const LOCKED_OUT_FOR: Duration = Duration::from_mins(5);

impl Limits {
    /// The limits of these settings.
    pub(crate) fn new(mut settings: LimitSettings, mode: LimitMode) -> Self {
        let buckets = Policy::ALL
            .iter()
            .map(|policy| {
                let rate = policy.rate(&settings).at(mode);
                let quota = Quota::with_period(rate.window / rate.count.get().max(1))
                    .unwrap_or_else(|| Quota::per_second(NonZeroU32::MAX))
                    .allow_burst(rate.burst);
                (*policy, rate, RateLimiter::keyed(quota).with_middleware())
            })
            .collect();
        for most in [
            &mut settings.streams_per_session,
            &mut settings.streams_per_user,
            &mut settings.streams_per_ip,
            &mut settings.connections_per_ip,
            &mut settings.connections,
        ] {
            *most = most.saturating_mul(mode.factor().get());
        }
        Self {
            buckets,
            clock: DefaultClock::default(),
            locked_out: Mutex::default(),
            streams: Mutex::default(),
            settings,
            hasher: RandomState::new(),
        }
    }

    /// Connections of one address at most.
    pub(crate) const fn connections_per_ip(&self) -> u32 {
        self.settings.connections_per_ip
    }

    /// Connections at most.
    pub(crate) const fn connections(&self) -> u32 {
        self.settings.connections
    }

    /// A key for something named in a path.
    pub(crate) fn thing(&self, name: &str) -> Key {
        Key::thing(name, &self.hasher)
    }

    /// The rate of a policy.
    pub(crate) fn rate(&self, policy: Policy) -> Rate {
        self.bucket(policy).1
    }

    fn bucket(&self, policy: Policy) -> &(Policy, Rate, Bucket) {
        // One bucket per policy, in the order of the enumeration.
        &self.buckets[policy as usize]
    }

    /// Counts a request.
    pub(crate) fn check(&self, policy: Policy, key: &Key) -> Verdict {
        let (_, rate, bucket) = self.bucket(policy);
        let one = rate.window / rate.count.get().max(1);
        match bucket.check_key(key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let used = rate.burst.get().saturating_sub(remaining);
                Verdict {
                    policy,
                    allowed: true,
                    rate: *rate,
                    remaining,
                    wait: one.saturating_mul(used),
                }
            }
            Err(not_until) => {
                let wait = not_until.wait_time_from(self.clock.now()).max(Duration::from_millis(1));
                Verdict { policy, allowed: false, rate: *rate, remaining: 0, wait }
            }
        }
    }

    /// Notes wrong credentials from an address. Returns true when that locks it out just now.
    pub(crate) fn wrong_credentials(&self, ip: IpAddr) -> bool {
        let key = Key::ip(ip);
        if self.check(Policy::BadToken, &key).allowed {
            return false;
        }
        let mut locked_out = self.locked_out.lock().unwrap_or_else(PoisonError::into_inner);
        locked_out.insert(key, Instant::now() + LOCKED_OUT_FOR).is_none()
    }

    /// If an address is locked out: for how long still.
    pub(crate) fn locked_out(&self, ip: IpAddr) -> Option<Duration> {
        let mut locked_out = self.locked_out.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Key::ip(ip);
        let left = locked_out.get(&key)?.saturating_duration_since(Instant::now());
        if left.is_zero() {
            locked_out.remove(&key);
            return None;
        }
        Some(left)
    }

    /// Opens a stream, unless the session, user or address has too many open.
    pub(crate) fn open_stream(
        self: &std::sync::Arc<Self>,
        ip: IpAddr,
        user: UserId,
        session: Option<SessionId>,
    ) -> Option<OpenStream> {
        let mut keys = vec![
            (Key::ip(ip), self.settings.streams_per_ip),
            (Key::User(user), self.settings.streams_per_user),
        ];
        keys.extend(
            session.map(|session| (Key::Session(session), self.settings.streams_per_session)),
        );
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.iter().any(|(key, most)| streams.get(key).copied().unwrap_or(0) >= *most) {
            return None;
        }
        let keys: Vec<Key> = keys.into_iter().map(|(key, _)| key).collect();
        for key in &keys {
            *streams.entry(key.clone()).or_default() += 1;
        }
        Some(OpenStream { limits: self.clone(), keys })
    }

    /// How many streams are open.
    #[cfg(test)]
    fn open_streams(&self) -> usize {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Forgets what has recovered, so that memory does not grow with every address ever seen.
    pub(crate) fn sweep(&self) {
        for (_, _, bucket) in &self.buckets {
            bucket.retain_recent();
        }
        let now = Instant::now();
        self.locked_out
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|_, until| *until > now);
    }
}

/// A stream that counts as open until this is dropped.
pub(crate) struct OpenStream {
    limits: std::sync::Arc<Limits>,
    keys: Vec<Key>,
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut streams = self.limits.streams.lock().unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            if let Some(count) = streams.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    streams.remove(key);
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use clap::{Args as _, FromArgMatches as _};

    use super::*;

    pub(crate) fn settings() -> LimitSettings {
        let command = LimitSettings::augment_args(clap::Command::new("test"));
        LimitSettings::from_arg_matches(&command.try_get_matches_from(["test"]).unwrap()).unwrap()
    }

    #[test]
    fn every_policy_finds_its_bucket() {
        let limits = Limits::new(settings(), LimitMode::Default);
        for policy in Policy::ALL {
            assert_eq!(limits.bucket(*policy).0, *policy);
        }
    }

    #[test]
    fn the_burst_is_spent_and_the_fields_say_so() {
        let limits = Limits::new(settings(), LimitMode::Default);
        let key = Key::User(UserId::new());
        let first = limits.check(Policy::Message, &key);
        assert!(first.allowed);
        assert_eq!(first.policy_field(), "\"msg\";q=10;w=10");
        assert_eq!(first.state_field(), "\"msg\";r=19;t=1");
        for _ in 1..20 {
            assert!(limits.check(Policy::Message, &key).allowed);
        }
        let refused = limits.check(Policy::Message, &key);
        assert!(!refused.allowed);
        assert_eq!(refused.state_field(), "\"msg\";r=0;t=1");
        assert!(
            limits.check(Policy::Message, &Key::User(UserId::new())).allowed,
            "others are not affected"
        );
    }

    #[test]
    fn relaxed_is_a_thousand_times_more() {
        let limits = Limits::new(settings(), LimitMode::Relaxed);
        let key = Key::ip("10.0.0.1".parse().unwrap());
        assert!((0..5_000).all(|_| limits.check(Policy::Auth, &key).allowed));
        assert_eq!(limits.connections_per_ip(), 64_000);
    }

    #[test]
    fn wrong_credentials_lock_an_address_out_once() {
        let limits = Limits::new(settings(), LimitMode::Default);
        let ip = "10.0.0.1".parse().unwrap();
        assert!((0..20).all(|_| !limits.wrong_credentials(ip)));
        assert!(limits.locked_out(ip).is_none());
        assert!(limits.wrong_credentials(ip));
        assert!(!limits.wrong_credentials(ip), "told once");
        assert!(limits.locked_out(ip).is_some());
        assert!(limits.locked_out("10.0.0.2".parse().unwrap()).is_none());
    }

    #[test]
    fn streams_are_counted_while_they_are_open() {
        let limits = Arc::new(Limits::new(settings(), LimitMode::Default));
        let (ip, user, session) = ("10.0.0.1".parse().unwrap(), UserId::new(), SessionId::new());
        let open: Vec<_> =
            (0..8).map(|_| limits.open_stream(ip, user, Some(session)).unwrap()).collect();
        assert!(limits.open_stream(ip, user, Some(session)).is_none(), "eight per session");
        let more: Vec<_> =
            (0..8).map(|_| limits.open_stream(ip, user, Some(SessionId::new())).unwrap()).collect();
        assert!(limits.open_stream(ip, user, None).is_none(), "sixteen per user");
        drop((open, more));
        assert_eq!(limits.open_streams(), 0);
    }

    #[test]
    fn one_ipv6_household_is_one_key() {
        let key = |text: &str| Key::ip(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::2"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:10.0.0.1"), key("10.0.0.1"));
    }
}
