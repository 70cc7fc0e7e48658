//! A state machine test: random operations on the sessions of a user, with the pure decision
//! function and with both databases, compared with an independent model of the rules.
//!
//! The following properties hold at every step (they are those at the end of the list of
//! attacks): a family has one leaf, and every use of one token leads to the same one; after
//! theft, sign-out, revocation or a ban none of its tokens authenticates; no token outlives the
//! absolute timeout; a replaced token is never accepted outside its windows; and a rejected
//! request changes nothing.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use authlayer::{
    Factor, SessionId, Transport, User, UserId, UserStatus,
    clock::Clock,
    crypto::token::{AccessToken, RefreshToken},
    model::{ClientInfo, RefreshDecision, RefreshPolicy, RefreshState, TokenAge},
    session::IssuedTokens,
};
use jiff::{SignedDuration, Timestamp};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::json;
use tokio::{runtime::Runtime, task::JoinSet};

use crate::support::{Bed, On};

const ACCESS: i64 = 900;
const GRACE: i64 = 10;
const LOST: i64 = 900;
const IDLE: i64 = 30 * 86_400;
const LIFETIME: i64 = 90 * 86_400;
const ROTATIONS: usize = 12;

#[derive(Clone, Debug)]
enum Op {
    SignIn,
    RefreshDecision(usize, Which),
    Burst(usize, usize),
    Use(usize, usize),
    SignOut(usize, usize),
    SignOutByRefresh(usize, usize),
    Revoke(usize),
    RevokeAll,
    Ban,
    Clock(i64),
}

/// Which token of a family: one that is this many generations old, or a forged one.
#[derive(Clone, Debug)]
enum Which {
    Old(usize),
    Forged(u32),
}

fn op() -> impl Strategy<Value = Op> {
    let family = 0..4usize;
    let age = prop_oneof![6 => Just(0usize), 3 => Just(1usize), 1 => 2..6usize];
    let which = prop_oneof![
        9 => age.clone().prop_map(Which::Old),
        1 => prop_oneof![0..15u32, Just(u32::MAX)].prop_map(Which::Forged),
    ];
    let seconds = prop_oneof![
        Just(1),
        Just(GRACE - 1),
        Just(GRACE),
        Just(LOST - 1),
        Just(LOST),
        Just(86_400),
        Just(IDLE - 1),
        Just(IDLE),
    ];
    prop_oneof![
        3 => Just(Op::SignIn),
        12 => (family.clone(), which).prop_map(|(family, which)| Op::RefreshDecision(family, which)),
        3 => (family.clone(), age.clone()).prop_map(|(family, age)| Op::Burst(family, age)),
        6 => (family.clone(), age.clone()).prop_map(|(family, age)| Op::Use(family, age)),
        1 => (family.clone(), age.clone()).prop_map(|(family, age)| Op::SignOut(family, age)),
        1 => (family.clone(), age).prop_map(|(family, age)| Op::SignOutByRefresh(family, age)),
        1 => family.prop_map(Op::Revoke),
        1 => Just(Op::RevokeAll),
        1 => Just(Op::Ban),
        8 => seconds.prop_map(Op::Clock),
    ]
}

/// The model of one token family; generations are indexes of `access_ends`.
#[derive(Debug)]
struct Family {
    live: bool,
    access_ends: Vec<Timestamp>,
    rotated_at: Option<Timestamp>,
    confirmed: bool,
    idle_end: Timestamp,
    end: Timestamp,
}

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    New,
    Same,
    Refused,
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now + SignedDuration::from_secs(seconds)
}

impl Family {
    fn begin(now: Timestamp) -> Self {
        Self {
            live: true,
            access_ends: vec![later(now, ACCESS)],
            rotated_at: None,
            confirmed: false,
            idle_end: later(now, IDLE),
            end: later(now, LIFETIME),
        }
    }

    fn generation(&self) -> usize {
        self.access_ends.len() - 1
    }

    fn refresh(&mut self, age: usize, now: Timestamp) -> Expected {
        if !self.live || now >= self.idle_end || age > self.generation() {
            return Expected::Refused;
        }
        let since = self.rotated_at.map_or(i64::MAX, |at| now.duration_since(at).as_secs());
        match age {
            0 if self.generation() >= ROTATIONS => Expected::Refused,
            0 => {
                self.access_ends.push(later(now, ACCESS).min(self.end));
                self.rotated_at = Some(now);
                self.confirmed = false;
                self.idle_end = later(now, IDLE).min(self.end);
                Expected::New
            }
            1 if since < GRACE || (!self.confirmed && since < LOST) => Expected::Same,
            _ => {
                self.live = false;
                Expected::Refused
            }
        }
    }

    /// Returns whether an access token that is `age` generations old is valid.
    fn admits(&self, age: usize, now: Timestamp) -> bool {
        let place = self.generation().checked_sub(age);
        let until = place.filter(|_| age <= 1).map(|place| self.access_ends[place]);
        self.live && now < self.end && until.is_some_and(|until| now < until)
    }
}

fn policy() -> RefreshPolicy {
    RefreshPolicy::default().max_rotations(u32::try_from(ROTATIONS).unwrap())
}

fn run(cases: u32, mut life: impl FnMut(Vec<Op>) -> usize) {
    let steps = AtomicUsize::new(0);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let lives = vec(op(), 40..100);
    let outcome = TestRunner::new(config).run(&lives, {
        let life = std::cell::RefCell::new(&mut life);
        let steps = &steps;
        move |ops| {
            let done =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (life.borrow_mut())(ops)));
            let done = done.map_err(|_| TestCaseError::fail("a property does not hold"))?;
            steps.fetch_add(done, Ordering::Relaxed);
            Ok(())
        }
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    let steps = steps.into_inner();
    println!("{steps} steps");
    assert!(steps >= 10_000, "only {steps} steps");
}

/// The decision function alone, without a store.
#[test]
fn refresh_decision_matches_the_model() {
    run(2_000, |ops| {
        let (mut now, policy) = (Timestamp::UNIX_EPOCH, policy());
        let mut families: Vec<(Family, RefreshState)> = Vec::new();
        for op in &ops {
            match op {
                Op::SignIn => {
                    let family = Family::begin(now);
                    let refresh_expires_at = family.idle_end;
                    let state = RefreshState {
                        generation: 0,
                        rotated_at: None,
                        confirmed: false,
                        refresh_expires_at,
                    };
                    families.push((family, state));
                }
                Op::Clock(seconds) => now = later(now, *seconds),
                Op::RefreshDecision(place, which) if !families.is_empty() => {
                    let place = place % families.len();
                    let (family, state) = &mut families[place];
                    if !family.live {
                        continue;
                    }
                    let (standing, age) = match which {
                        Which::Forged(_) => (TokenAge::Forged, usize::MAX),
                        Which::Old(0) => (TokenAge::Current, 0),
                        Which::Old(age) if *age > family.generation() => continue,
                        Which::Old(1) => (TokenAge::Predecessor, 1),
                        Which::Old(age) => (TokenAge::Older, *age),
                    };
                    let expected = family.refresh(age, now);
                    let decided = policy.decide(standing, state, now);
                    match decided {
                        RefreshDecision::Rotate => {
                            assert_eq!(expected, Expected::New);
                            state.generation += 1;
                            state.rotated_at = Some(now);
                            state.confirmed = false;
                            state.refresh_expires_at = family.idle_end;
                        }
                        RefreshDecision::Converge => assert_eq!(expected, Expected::Same),
                        RefreshDecision::Reuse => assert!(!family.live),
                        RefreshDecision::Refuse(_) => {
                            assert!(expected == Expected::Refused && family.live);
                        }
                        decided => panic!("{decided:?} while rotation is on"),
                    }
                }
                Op::Use(place, 0) if !families.is_empty() => {
                    let place = place % families.len();
                    let (family, state) = &mut families[place];
                    if family.admits(0, now) && family.generation() > 0 {
                        (family.confirmed, state.confirmed) = (true, true);
                    }
                }
                _ => {}
            }
        }
        ops.len()
    });
}

/// A family with the tokens that were issued for it.
struct Held {
    id: SessionId,
    family: Family,
    pairs: Vec<(String, String)>,
}

/// The sessions of one user in a real store.
struct Life<'a> {
    bed: &'a Bed,
    user: User,
    held: Vec<Held>,
    /// Each refresh token leads to one pair.
    led_to: HashMap<String, (String, String)>,
}

fn pair(issued: &IssuedTokens) -> (String, String) {
    (issued.access.expose().to_owned(), issued.refresh.expose().to_owned())
}

impl<'a> Life<'a> {
    async fn begin(bed: &'a Bed) -> Self {
        let id = format!("user-{}", bed.bed.clock.now().as_millisecond());
        let user = User::new(UserId::new(id), bed.bed.clock.now());
        bed.bed.auth.users().create(&user).await.unwrap();
        Self { bed, user, held: Vec::new(), led_to: HashMap::new() }
    }

    fn now(&self) -> Timestamp {
        self.bed.bed.clock.now()
    }

    fn pick(&self, place: usize) -> Option<usize> {
        place.checked_rem(self.held.len())
    }

    async fn step(&mut self, op: &Op) {
        let sessions = self.bed.bed.auth.sessions();
        match *op {
            Op::SignIn => {
                let device = ClientInfo::default();
                let issued = sessions
                    .create(&self.user, Factor::Password, Transport::Bearer, device)
                    .await
                    .unwrap();
                let (id, pairs) = (issued.session.id, vec![pair(&issued)]);
                self.held.push(Held { id, family: Family::begin(self.now()), pairs });
            }
            Op::RefreshDecision(place, Which::Old(age)) => self.refresh(place, age, 1).await,
            Op::Burst(place, age) => self.refresh(place, age, 4).await,
            Op::RefreshDecision(place, Which::Forged(generation)) => {
                self.forge(place, generation).await
            }
            Op::Use(place, age) => self.use_access(place, age).await,
            Op::SignOut(place, age) => {
                let Some(place) = self.pick(place) else { return };
                let held = &mut self.held[place];
                let Some(at) = held.family.generation().checked_sub(age) else { return };
                let token = AccessToken::parse(&held.pairs[at].0).unwrap();
                sessions.revoke_by_access_token(&token).await.unwrap();
                // An older access token no longer identifies its session.
                held.family.live &= age > 1;
            }
            Op::SignOutByRefresh(place, age) => {
                let Some(place) = self.pick(place) else { return };
                let held = &mut self.held[place];
                let Some(at) = held.family.generation().checked_sub(age) else { return };
                // A refresh token of any age identifies its session.
                sessions.revoke_by_refresh_token(&held.pairs[at].1).await.unwrap();
                held.family.live = false;
            }
            Op::Revoke(place) => {
                let Some(place) = self.pick(place) else { return };
                let held = &mut self.held[place];
                assert_eq!(sessions.revoke(held.id).await.unwrap(), held.family.live);
                held.family.live = false;
            }
            Op::RevokeAll => {
                sessions.revoke_all(&self.user.id, None).await.unwrap();
                self.held.iter_mut().for_each(|held| held.family.live = false);
            }
            Op::Ban => {
                for status in [UserStatus::Disabled, UserStatus::Active] {
                    let ban = |user: &mut User| user.status = status;
                    self.bed.bed.auth.users().edit(&self.user.id, ban).await.unwrap();
                }
                self.held.iter_mut().for_each(|held| held.family.live = false);
            }
            Op::Clock(seconds) => {
                self.bed.bed.clock.advance(Duration::from_secs(seconds.try_into().unwrap()));
            }
        }
    }

    /// Uses one token `uses` times concurrently.
    async fn refresh(&mut self, place: usize, age: usize, uses: usize) {
        let now = self.now();
        let Some(place) = self.pick(place) else { return };
        let held = &mut self.held[place];
        let Some(at) = held.family.generation().checked_sub(age) else { return };
        let token = held.pairs[at].1.clone();
        let mut burst = JoinSet::new();
        for _ in 0..uses {
            let (auth, token) = (self.bed.bed.auth.clone(), token.clone());
            burst.spawn(async move { auth.sessions().refresh(&token).await });
        }
        let answers = burst.join_all().await;
        let expected = held.family.refresh(age, now);
        for answer in &answers {
            let given = answer.as_ref().ok().map(|(_, issued)| pair(issued));
            assert_eq!(given.is_none(), expected == Expected::Refused, "{answer:?}");
            let Some(given) = given else { continue };
            let first = self.led_to.entry(token.clone()).or_insert_with(|| given.clone());
            assert_eq!(*first, given, "one token led to two pairs");
            if held.pairs.len() == held.family.generation() {
                held.pairs.push(given.clone());
            }
            assert_eq!(held.pairs.last(), Some(&given), "the returned pair is not the last one");
        }
        assert_eq!(held.pairs.len(), held.family.access_ends.len());
    }

    async fn forge(&self, place: usize, generation: u32) {
        let Some(place) = self.pick(place) else { return };
        let held = &self.held[place];
        let real = RefreshToken::parse(&held.pairs[0].1).unwrap();
        let other = self.bed.bed.auth.sessions();
        let (users, id) = (self.bed.bed.auth.users(), UserId::new("stranger"));
        let other_user = match users.find(&id).await.unwrap() {
            Some(other_user) => other_user,
            None => users.create(&User::new(id, self.now())).await.unwrap(),
        };
        let issued = other
            .create(&other_user, Factor::Password, Transport::Bearer, ClientInfo::default())
            .await
            .unwrap();
        let secret = RefreshToken::parse(issued.refresh.expose()).unwrap().secret;
        let forged = RefreshToken { session: real.session, generation, secret };
        assert!(other.refresh(forged.encode().expose()).await.is_err());
    }

    async fn use_access(&mut self, place: usize, age: usize) {
        let now = self.now();
        let Some(place) = self.pick(place) else { return };
        let held = &mut self.held[place];
        let Some(at) = held.family.generation().checked_sub(age) else { return };
        let token = AccessToken::parse(&held.pairs[at].0).unwrap();
        let admitted = self.bed.bed.auth.sessions().verify(&token).await.unwrap().is_valid();
        assert_eq!(admitted, held.family.admits(age, now));
        if admitted && age == 0 && at > 0 {
            while !self.bed.is_confirmed(held.id).await {
                tokio::task::yield_now().await;
            }
            held.family.confirmed = true;
        }
    }

    /// Checks that every issued access token is valid exactly if the model says so, and that every
    /// refresh token of a revoked family is rejected.
    async fn check(&self) {
        let (now, sessions) = (self.now(), self.bed.bed.auth.sessions());
        for held in &self.held {
            for (at, (access, refresh)) in held.pairs.iter().enumerate() {
                let age = held.family.generation() - at;
                let admits = held.family.admits(age, now);
                if age > 0 || !admits {
                    let token = AccessToken::parse(access).unwrap();
                    assert_eq!(sessions.verify(&token).await.unwrap().is_valid(), admits);
                }
                if !held.family.live || now >= held.family.end {
                    assert!(sessions.refresh(refresh).await.is_err());
                }
            }
        }
    }
}

fn store_matches_the_model(on: On) {
    let runtime = Runtime::new().unwrap();
    let bed = runtime.block_on(Bed::new(on, json!({ "max_rotations": ROTATIONS })));
    run(200, |ops| {
        runtime.block_on(async {
            bed.bed.clock.advance(Duration::from_millis(1));
            let mut life = Life::begin(&bed).await;
            for (number, op) in ops.iter().enumerate() {
                life.step(op).await;
                let ended = !matches!(
                    op,
                    Op::RefreshDecision(..) | Op::Use(..) | Op::SignIn | Op::Clock(_)
                );
                if ended || number + 1 == ops.len() {
                    life.check().await;
                }
            }
        });
        ops.len()
    });
    runtime.block_on(bed.remove());
}

#[test]
fn sqlite_matches_the_model() {
    store_matches_the_model(On::Sqlite);
}

#[test]
fn postgres_matches_the_model() {
    store_matches_the_model(On::Postgres);
}
