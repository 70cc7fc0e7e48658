//! Notices and links that a process did not deliver are delivered by the next one.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use authlayer::{
    Auth, AuthBuilder, Email, EmailCodes, EventKind, Password, PasswordReset, PgStore, RateLimits,
    UserStorage,
    crypto::password::{Argon2Params, PasswordHashing},
    flow::password::SignUp,
    mail::{DeliveryError, Mailer, Message, MessageKind},
    model::ClientInfo,
    testing::{EventRecorder, Mailbox, ManualClock},
    users::NewUser,
};

use crate::{
    places::Memory,
    support::{Database, On, PASSWORD, client_of, until},
    testbed::Store,
};

const EMAIL: &str = "ada@example.com";
const NEW_PASSWORD: &str = "kj4 vbn6 grape";
/// Longer than the lease of a process on a message.
const LEASE: Duration = Duration::from_secs(180);

/// How the tests open a database.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Sqlite,
    Postgres,
    Pooled,
}

/// A database, and what the processes on it have in common.
struct World {
    kind: Kind,
    database: Database,
    clock: ManualClock,
}

/// One process.
struct Process {
    auth: Auth,
    store: Store,
    events: EventRecorder,
}

/// Accepts no message: an attempt fails or never ends. It records the ids.
#[derive(Clone, Debug)]
struct Unreachable {
    hangs: bool,
    ids: Arc<Mutex<Vec<String>>>,
}

impl Unreachable {
    fn new(hangs: bool) -> Self {
        Self { hangs, ids: Arc::default() }
    }
}

impl Mailer for Unreachable {
    async fn send(&self, message: Message) -> Result<(), DeliveryError> {
        self.ids.lock().unwrap().push(message.id);
        if self.hangs {
            std::future::pending::<()>().await;
        }
        Err(DeliveryError::new("no connection"))
    }
}

impl World {
    async fn new(kind: Kind) -> Self {
        let on = if matches!(kind, Kind::Sqlite) { On::Sqlite } else { On::Postgres };
        Self { kind, database: Database::fresh(on).await, clock: ManualClock::running() }
    }

    async fn open(&self) -> Store {
        let url = self.database.url();
        match self.kind {
            Kind::Pooled => Store::Postgres(PgStore::pooled(&url).await.unwrap()),
            _ => Store::open(&url, 4).await.unwrap(),
        }
    }

    async fn start(&self, mailer: impl Mailer) -> Process {
        self.start_with(mailer, UserStorage::managed()).await
    }

    async fn start_with(&self, mailer: impl Mailer, users: UserStorage) -> Process {
        let store = self.open().await;
        let builder = match &store {
            Store::Sqlite(store) => Auth::builder(store.clone()),
            Store::Postgres(store) => Auth::builder(store.clone()),
        };
        let events = EventRecorder::default();
        let builder = builder.users(users).mailer(mailer).event_sink(events.clone());
        Process { auth: self.configure(builder).build().unwrap(), store, events }
    }

    fn configure(&self, builder: AuthBuilder) -> AuthBuilder {
        let cheap = PasswordHashing::argon2id_with(Argon2Params { m_kib: 64, t: 1, p: 1 });
        builder
            .origin("https://app.example.com")
            .clock(self.clock.clone())
            .max_clock_skew(None)
            .cleanup_interval(None)
            .rate_limits(RateLimits::disabled())
            .flow(Password::new().insecure_scheme(cheap))
            .flow(PasswordReset::new().resend_interval(Duration::ZERO))
    }

    async fn stored(&self) -> u32 {
        let count = self.database.text("SELECT CAST(COUNT(*) AS TEXT) FROM auth_outbox").await;
        count.parse().unwrap()
    }

    async fn until_stored(&self, count: u32) {
        until("the change of the stored messages", async || self.stored().await == count).await;
    }

    async fn remove(self) {
        self.database.remove().await;
    }
}

impl Process {
    async fn sign_up(&self, email: &str) -> authlayer::User {
        let service = self.auth.service::<Password>().unwrap();
        let (client, new) = (client_of(&self.auth), SignUp::new(email, PASSWORD));
        drop(service.sign_up(&client, new).await.unwrap());
        self.auth.users().find_by_email(email).await.unwrap().unwrap()
    }

    async fn request_reset(&self, email: &str) {
        let service = self.auth.service::<PasswordReset>().unwrap();
        service.request(email, &ClientInfo::default()).await.unwrap();
    }

    async fn reset(&self, token: &str) -> bool {
        let service = self.auth.service::<PasswordReset>().unwrap();
        service.reset(token, NEW_PASSWORD, &ClientInfo::default()).await.is_ok()
    }

    /// Waits until the process has looked for messages that are due, and has sent them.
    async fn until_polled(&self) {
        let polled = async || self.store.statements().background > 0;
        until("the search for messages that are due", polled).await;
        self.auth.shutdown(Duration::from_secs(10)).await;
    }

    /// Ends the process without delivering anything.
    async fn end(self) {
        let Self { auth, store, .. } = self;
        drop(auth);
        store.close().await;
    }
}

fn token(message: &Message) -> String {
    let link = message.link.clone().expect("a link");
    link.split_once("token=").expect("a token").1.to_owned()
}

async fn arrived(mailbox: &Mailbox, count: usize) -> Vec<Message> {
    until("the delivery", async || mailbox.all().len() >= count).await;
    mailbox.all()
}

/// A process ends while the mail server does not respond. The next one sends the link, with a new
/// token in it, and both nodes together send it once.
async fn link_of_an_ended_process_arrives_once(world: &World) {
    let unreachable = Unreachable::new(true);
    let first = world.start(unreachable.clone()).await;
    first.sign_up(EMAIL).await;
    first.request_reset(EMAIL).await;
    world.until_stored(1).await;
    let row = world.database.text("SELECT content FROM auth_outbox").await;
    assert!(row.contains("reset_link") && row.contains(EMAIL), "{row}");
    assert!(!row.contains("alk_"), "{row}");
    first.end().await;

    let mailbox = Mailbox::default();
    let early = world.start(mailbox.clone()).await;
    early.until_polled().await;
    assert!(mailbox.all().is_empty(), "the lease of the first process has not ended");
    early.end().await;
    world.clock.advance(LEASE);
    let (one, other) = tokio::join!(world.start(mailbox.clone()), world.start(mailbox.clone()));
    world.until_stored(0).await;
    for process in [&one, &other] {
        process.auth.shutdown(Duration::from_secs(10)).await;
        assert_eq!(process.events.count(EventKind::MailFailed), 0);
    }
    let all = arrived(&mailbox, 1).await;
    assert_eq!(all.len(), 1, "one delivery");
    assert_eq!(vec![all[0].id.clone()], *unreachable.ids.lock().unwrap(), "the same message");
    assert_eq!((all[0].kind, all[0].to.as_str()), (MessageKind::ResetLink, EMAIL));
    let token = token(&all[0]);
    assert!(!String::from_utf8_lossy(&world.database.dump().await).contains(&token));
    assert!(one.reset(&token).await);
    assert!(!one.reset(&token).await, "a link is used once");
    assert_eq!(arrived(&mailbox, 2).await[1].kind, MessageKind::PasswordChanged);
    one.end().await;
    other.end().await;
}

/// Many messages, which two processes share.
async fn each_of_many_messages_is_delivered_by_one_process(world: &World) {
    const COUNT: u32 = 24;
    let first = world.start(Unreachable::new(true)).await;
    for number in 0..COUNT {
        first.sign_up(&format!("ada-{number}@example.com")).await;
        first.request_reset(&format!("ada-{number}@example.com")).await;
    }
    world.until_stored(COUNT).await;
    first.end().await;
    world.clock.advance(LEASE);
    let mailboxes = [Mailbox::default(), Mailbox::default()];
    let [one, other] = mailboxes.clone();
    let (one, other) = tokio::join!(world.start(one), world.start(other));
    world.until_stored(0).await;
    let all = mailboxes.iter().flat_map(Mailbox::all);
    let mut to: Vec<_> = all.map(|message| message.to.to_string()).collect();
    to.sort();
    let mut expected: Vec<_> = (0..COUNT).map(|own| format!("ada-{own}@example.com")).collect();
    expected.sort();
    assert_eq!(to, expected);
    one.end().await;
    other.end().await;
}

/// The notice is stored in the transaction of the change: it exists when the change returns.
async fn notice_is_stored_with_its_change(world: &World) {
    let mailbox = Mailbox::default();
    let first = world.start(mailbox.clone()).await;
    first.sign_up(EMAIL).await;
    first.request_reset(EMAIL).await;
    let token = token(&arrived(&mailbox, 1).await[0]);
    first.end().await;
    let unreachable = Unreachable::new(true);
    let second = world.start(unreachable.clone()).await;
    assert!(second.reset(&token).await);
    assert_eq!(world.stored().await, 1);
    let row = world.database.text("SELECT content FROM auth_outbox").await;
    assert!(row.contains("notice_password_changed"), "{row}");
    second.end().await;
    let mailbox = Mailbox::default();
    let third = world.start(mailbox.clone()).await;
    third.until_polled().await;
    assert_eq!(world.stored().await, 1, "the lease has not ended");
    world.clock.advance(LEASE);
    third.auth.sweep().await.unwrap();
    world.until_stored(0).await;
    let all = arrived(&mailbox, 1).await;
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].kind, all[0].to.as_str()), (MessageKind::PasswordChanged, EMAIL));
    assert!(all[0].about.at.is_some(), "the time is that of the change");
    third.end().await;
}

/// An invitation and the notice of a password that the application sets are not lost with the process.
async fn messages_of_the_administration_are_stored(world: &World) {
    let first = world.start(Unreachable::new(true)).await;
    let user = first.sign_up(EMAIL).await;
    first.auth.users().set_password(&user.id, NEW_PASSWORD).await.unwrap();
    assert_eq!(world.stored().await, 1, "in the transaction of the change");
    let eve = NewUser::with_email(Email::parse("eve@example.com").unwrap());
    drop(first.auth.users().invite(eve).await.unwrap());
    world.until_stored(2).await;
    first.end().await;
    world.clock.advance(LEASE);
    let mailbox = Mailbox::default();
    let second = world.start(mailbox.clone()).await;
    world.until_stored(0).await;
    let all = arrived(&mailbox, 2).await;
    let invitation = all.iter().find(|own| own.kind == MessageKind::Invitation).unwrap();
    assert!(all.iter().any(|own| own.kind == MessageKind::PasswordChanged));
    assert!(second.reset(&token(invitation)).await);
    second.end().await;
}

/// An orderly end loses no notice and no link, and the next process sends them at once. A code is
/// lost, and that is an event.
async fn shutdown_leaves_notices_and_links_to_the_next_process(world: &World) {
    let first = world.start(Unreachable::new(false)).await;
    first.sign_up(EMAIL).await;
    first.request_reset(EMAIL).await;
    first.auth.shutdown(Duration::from_secs(20)).await;
    assert_eq!(world.stored().await, 1);
    assert_eq!(first.events.count(EventKind::MailFailed), 0);
    first.end().await;
    let mailbox = Mailbox::default();
    let second = world.start(mailbox.clone()).await;
    let all = arrived(&mailbox, 1).await;
    assert!(second.reset(&token(&all[0])).await);
    second.end().await;
}

/// The deletion of a user deletes the messages to the user.
async fn messages_of_a_deleted_user_are_deleted(world: &World) {
    for users in [UserStorage::managed(), UserStorage::custom(Memory::default())] {
        let first = world.start_with(Unreachable::new(true), users).await;
        let user = first.sign_up(EMAIL).await;
        first.request_reset(EMAIL).await;
        world.until_stored(1).await;
        assert!(first.auth.users().delete(&user.id).await.is_ok());
        assert_eq!(world.stored().await, 0);
        first.end().await;
        world.clock.advance(LEASE);
        let mailbox = Mailbox::default();
        let second = world.start(mailbox.clone()).await;
        second.until_polled().await;
        assert!(mailbox.all().is_empty());
        second.end().await;
    }
}

/// A link that was revoked in the meantime is not sent, and one that has expired is an event.
async fn revoked_and_expired_links_are_not_sent(world: &World) {
    let first = world.start(Unreachable::new(true)).await;
    first.sign_up(EMAIL).await;
    first.request_reset(EMAIL).await;
    world.until_stored(1).await;
    first.auth.sessions().revoke_everything().await.unwrap();
    first.sign_up("bob@example.com").await;
    first.end().await;
    world.clock.advance(LEASE);
    let mailbox = Mailbox::default();
    let second = world.start(mailbox.clone()).await;
    world.until_stored(0).await;
    assert_eq!(second.events.count(EventKind::MailFailed), 0);
    second.end().await;

    let third = world.start(Unreachable::new(true)).await;
    third.request_reset("bob@example.com").await;
    world.until_stored(1).await;
    third.end().await;
    world.clock.advance(Duration::from_secs(3600));
    let fourth = world.start(mailbox.clone()).await;
    world.until_stored(0).await;
    let failed = async || fourth.events.count(EventKind::MailFailed) == 1;
    until("the event of the expired link", failed).await;
    assert!(mailbox.all().is_empty());
    fourth.end().await;
}

/// The cost of a request for a link does not depend on the mail server, and a message that is
/// delivered at once is not stored.
async fn outbox_adds_no_statement_to_a_request(world: &World) {
    let mut costs = Vec::new();
    for hangs in [true, false] {
        let mailbox = Mailbox::default();
        let process = match hangs {
            true => world.start(Unreachable::new(true)).await,
            false => world.start(mailbox.clone()).await,
        };
        let email = format!("ada-{hangs}@example.com");
        process.sign_up(&email).await;
        let before = process.store.statements().request;
        process.request_reset(&email).await;
        costs.push(process.store.statements().request - before);
        if hangs {
            world.until_stored(1).await;
            world.database.run("DELETE FROM auth_outbox").await;
        } else {
            arrived(&mailbox, 1).await;
            assert_eq!(world.stored().await, 0);
        }
        process.end().await;
    }
    assert_eq!(costs[0], costs[1]);
}

macro_rules! on_every_database {
    ($($name:ident)*) => {$(
        mod $name {
            use super::{Kind, World};

            async fn on(kind: Kind) {
                let world = World::new(kind).await;
                super::$name(&world).await;
                world.remove().await;
            }

            #[tokio::test]
            async fn sqlite() {
                on(Kind::Sqlite).await;
            }

            #[tokio::test]
            async fn postgres() {
                on(Kind::Postgres).await;
            }

            #[tokio::test]
            async fn postgres_pooled() {
                on(Kind::Pooled).await;
            }
        }
    )*};
}

on_every_database! {
    link_of_an_ended_process_arrives_once
    each_of_many_messages_is_delivered_by_one_process
    notice_is_stored_with_its_change
    shutdown_leaves_notices_and_links_to_the_next_process
    messages_of_the_administration_are_stored
    messages_of_a_deleted_user_are_deleted
    revoked_and_expired_links_are_not_sent
    outbox_adds_no_statement_to_a_request
}

/// Codes are valid for minutes and can be sent again, so they are only in memory.
#[tokio::test]
async fn codes_are_not_stored_and_are_lost_with_the_process() {
    let world = World::new(Kind::Sqlite).await;
    let store = world.open().await;
    let Store::Sqlite(sqlite) = store else { panic!("it is opened as SQLite") };
    let events = EventRecorder::default();
    let unreachable = Unreachable::new(true);
    let builder = Auth::builder(sqlite.clone()).mailer(unreachable.clone());
    let builder = world.configure(builder.event_sink(events.clone()));
    let auth = builder.flow(EmailCodes::new().verify_email_on_sign_up(true)).build().unwrap();
    let service = auth.service::<Password>().unwrap();
    drop(service.sign_up(&client_of(&auth), SignUp::new(EMAIL, PASSWORD)).await.unwrap());
    until("an attempt", async || unreachable.ids.lock().unwrap().len() == 1).await;
    auth.shutdown(Duration::from_millis(400)).await;
    assert_eq!(world.stored().await, 0);
    assert_eq!(events.count(EventKind::MailFailed), 1);
    drop(auth);
    sqlite.close().await;
    world.remove().await;
}
