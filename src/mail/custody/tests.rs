//! Tests of the custody of messages.

use async_trait::async_trait;
use jiff::SignedDuration;

use super::*;
use crate::{
    crypto::{
        digest::Digest,
        handle::{OneTimeToken, TokenPurpose},
    },
    store::sealed::Sealed,
};

/// A store of one message.
#[derive(Default)]
struct One(Mutex<Option<StoredMail>>);

impl One {
    fn due_at(&self) -> Option<Timestamp> {
        self.0.lock().unwrap().as_ref().map(|own| own.due_at)
    }
}

impl Sealed for One {}

#[async_trait]
impl MailStore for One {
    fn keeps_mails(&self) -> bool {
        true
    }

    async fn insert_mail(&self, mail: &StoredMail) -> Result<(), StoreError> {
        self.0.lock().unwrap().get_or_insert_with(|| mail.clone());
        Ok(())
    }

    async fn claim_mails(
        &self,
        _: Timestamp,
        _: Timestamp,
        _: u32,
    ) -> Result<Vec<StoredMail>, StoreError> {
        Ok(Vec::new())
    }

    async fn reschedule_mail(
        &self,
        _: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut own = self.0.lock().unwrap();
        let own = own.as_mut().filter(|own| own.due_at == from);
        Ok(own.map(|own| own.due_at = to).is_some())
    }

    async fn remove_mail(&self, _: &str) -> Result<(), StoreError> {
        self.0.lock().unwrap().take();
        Ok(())
    }

    async fn copy_link(
        &self,
        _: &UserId,
        _: &Digest,
        _: &Digest,
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn replace_link(
        &self,
        _: &str,
        _: &Digest,
        _: &Digest,
        _: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn sweep_mails(&self, _: Timestamp, _: u32) -> Result<u64, StoreError> {
        Ok(0)
    }
}

#[derive(Debug)]
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

const START: Timestamp = Timestamp::UNIX_EPOCH;

/// Returns the custody of a message that was created at the start, some seconds later.
fn custody(store: &Arc<One>, attempts: u32, seconds: i64, is_stored: bool) -> Custody {
    let mails: Arc<dyn MailStore> = Arc::clone(store) as Arc<dyn MailStore>;
    let clock: Arc<dyn Clock> = Arc::new(At(START + SignedDuration::from_secs(seconds)));
    let letter =
        MailContent::new(MessageKind::PasswordChanged, Email::parse("ada@example.com").unwrap());
    let row = to_stored(&letter, "id", None, START).unwrap();
    let row = StoredMail { attempts, ..row };
    if is_stored {
        *store.0.lock().unwrap() = Some(row.clone());
    }
    Custody::new(&mails, &clock, row, is_stored)
}

fn after_start(seconds: i64) -> Option<Timestamp> {
    Some(START + SignedDuration::from_secs(seconds))
}

#[tokio::test]
async fn pauses_grow_until_the_message_is_a_day_old() {
    const HOUR: i64 = 3600;
    let store = Arc::new(One::default());
    for (attempts, at, due_at) in [
        (0, 800, 800 + HOUR / 4),
        (1, 1700, 1700 + HOUR / 2),
        (2, 2 * HOUR, 3 * HOUR),
        (5, 3 * HOUR, 11 * HOUR),
        (40, 3 * HOUR, 11 * HOUR),
        (5, 20 * HOUR, 24 * HOUR),
    ] {
        assert!(custody(&store, attempts, at, true).defer().await);
        assert_eq!(store.due_at(), after_start(due_at), "{attempts} attempts");
    }
    assert!(!custody(&store, 5, 24 * HOUR, true).defer().await);
    assert_eq!(store.due_at(), None, "it is given up");
}

#[tokio::test]
async fn lease_is_lost_to_another_process() {
    let store = Arc::new(One::default());
    let own = custody(&store, 0, 5, false);
    assert!(!own.defer().await, "it is only in memory");
    own.store().await;
    assert_eq!(store.due_at(), after_start(125));
    own.pause(Duration::from_secs(600)).await;
    assert_eq!(store.due_at(), after_start(725));
    assert!(own.renew().await);
    store.0.lock().unwrap().as_mut().unwrap().due_at = START;
    assert!(!own.renew().await);
    assert_eq!(store.due_at(), Some(START));
}

#[test]
fn messages_with_secrets_are_not_stored() {
    let letter = || {
        let to = Email::parse("ada@example.com").unwrap();
        MailContent::new(MessageKind::ResetLink, to)
    };
    let stored = |letter: &MailContent| to_stored(letter, "id", None, START);
    assert!(stored(&letter().with_code("012345", 10)).is_none());
    assert!(stored(&letter().with_link("https://a.example/#token=x".to_owned(), 10)).is_none());
    let token = OneTimeToken::random(TokenPurpose::Link).unwrap();
    let text = token.to_token();
    let link = format!("https://a.example/#token={}", text.expose());
    let row = stored(&letter().with_token_link(link, 10, &token)).unwrap();
    assert!(!row.content.to_string().contains(text.expose()));
    assert_eq!(row.link.map(Digest::to_base64), Some(token.digest().to_base64()));
    let read = of_stored(&row, |name| (name == "reset_link").then_some(MessageKind::ResetLink));
    let read = read.unwrap();
    assert_eq!(read.challenge.unwrap().start, "https://a.example/#token=");
    assert_eq!((read.to, read.link, read.minutes), (letter().to, None, 10));
}
