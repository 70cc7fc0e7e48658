//! Failed attempts: of an account, from a network, and in the whole application.

use std::time::Duration;

use super::{HOUR, Limits, key, window};
use crate::{
    crypto::digest::Digest,
    error::{AuthError, ErrorKind, after_commit},
    store::{ChallengeKind, Count, GrowingDelay, LimitRule},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The kind of an attempt, which selects its counters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Guess {
    /// A password at sign-in.
    Password,
    /// A password at sign-in from a device that signed in to the account before.
    PasswordFrom(Digest),
    /// The current password, on a session of the user.
    OwnPassword,
    /// A code.
    Code(ChallengeKind),
    /// An answer to a second factor at a sign-in, by its name.
    Factor(&'static str),
    /// An answer to a second factor at a step-up, by its name.
    OwnFactor(&'static str),
    /// A secret of a flow outside this crate, by the name of its limit.
    Flow(&'static str),
    /// The same, from a device that signed in to the account before.
    FlowFrom(&'static str, Digest),
}

impl Guess {
    /// Returns whether the attempt needs neither a first factor nor a session.
    fn is_open(self) -> bool {
        matches!(
            self,
            Self::Password
                | Self::Code(ChallengeKind::SignUp | ChallengeKind::Custom(_))
                | Self::Flow(_)
        )
    }

    pub(super) fn key(self, account: &str) -> Digest {
        match self {
            Self::Password => key("password of", account),
            Self::PasswordFrom(device) => {
                key("password from", &format!("{}\0{account}", device.to_base64()))
            }
            Self::OwnPassword => key("own password of", account),
            Self::Code(kind) => key("codes of", &format!("{}\0{account}", kind.as_str())),
            Self::Factor(name) => key("answers of", &format!("{name}\0{account}")),
            Self::OwnFactor(name) => key("own answers of", &format!("{name}\0{account}")),
            Self::Flow(name) => key("guesses of", &format!("{name}\0{account}")),
            Self::FlowFrom(name, device) => {
                let device = device.to_base64();
                key("guesses from", &format!("{name}\0{device}\0{account}"))
            }
        }
    }
}

/// An attempt that was counted.
#[derive(Debug, Default)]
#[must_use = "a success must reset the counters"]
pub(crate) struct Counted {
    pub(super) account: Option<(Digest, Guess)>,
    pub(super) shared: Vec<Digest>,
    pub(super) is_last: bool,
}

impl Counted {
    /// Returns whether a failure of this attempt locks password sign-in for a day.
    pub(crate) fn locks_account(&self) -> bool {
        self.is_last && matches!(self.account, Some((_, Guess::Password)))
    }
}

impl Limits {
    /// Counts an attempt before any work is done for it. `account` is the submitted text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooManyAttempts`] with `retry_after`; no counter is changed then.
    pub(crate) async fn guess(
        &self,
        guess: Guess,
        account: &str,
        ip: Option<&str>,
    ) -> Result<Counted, AuthError> {
        let counted = self.guess_from(guess, ip).await?;
        self.guess_of(counted, guess, account, ip).await
    }

    /// Counts an attempt for the network of the client and for the application, before its account
    /// is looked up.
    ///
    /// # Errors
    ///
    /// As [`guess`](Self::guess).
    pub(crate) async fn guess_from(
        &self,
        guess: Guess,
        ip: Option<&str>,
    ) -> Result<Counted, AuthError> {
        let options = &self.options;
        let mut counted = Counted::default();
        if !options.enabled {
            return Ok(counted);
        }
        let from = if guess.is_open() { "failures from" } else { "failures inside from" };
        let shared = [
            self.network(ip).map(|network| (key(from, &network), options.network_failures)),
            options.all_failures.map(|most| (key("failures", ""), most)),
        ];
        for (key, most) in shared.into_iter().flatten() {
            if let Some(until) = self.refused(&key, &window(most, HOUR)).await? {
                self.uncount(counted).await?;
                return Err(self.refuse(ErrorKind::TooManyAttempts, until, ip));
            }
            counted.shared.push(key);
        }
        Ok(counted)
    }

    /// Counts an attempt for its account, after [`guess_from`](Self::guess_from).
    ///
    /// # Errors
    ///
    /// As [`guess`](Self::guess).
    pub(crate) async fn guess_of(
        &self,
        mut counted: Counted,
        guess: Guess,
        account: &str,
        ip: Option<&str>,
    ) -> Result<Counted, AuthError> {
        if !self.options.enabled {
            return Ok(counted);
        }
        let rule = match guess {
            Guess::Code(_) | Guess::Factor(_) | Guess::OwnFactor(_) => {
                window(self.options.wrong_codes, HOUR)
            }
            _ => self.growing(),
        };
        let key = guess.key(account);
        match self.store.count(&key, &rule, self.clock.now()).await? {
            Count::Counted(count) => {
                counted.is_last = count >= rule.most;
                counted.account = Some((key, guess));
                Ok(counted)
            }
            Count::Refused(until) => {
                self.uncount(counted).await?;
                Err(self.refuse(ErrorKind::TooManyAttempts, until, ip))
            }
        }
    }

    /// Takes back what [`guess_from`](Self::guess_from) counted.
    pub(crate) async fn uncount(&self, counted: Counted) -> Result<(), AuthError> {
        for key in &counted.shared {
            self.store.uncount(key).await?;
        }
        Ok(())
    }

    /// Resets the counters of an attempt that succeeded. If the store fails, the attempt stays
    /// counted.
    pub(crate) async fn succeeded(&self, counted: Counted) {
        let what = "a successful attempt stays counted";
        if let Some((key, guess)) = counted.account {
            let given_back = match guess {
                Guess::Code(_) | Guess::Factor(_) | Guess::OwnFactor(_) => self.store.uncount(&key),
                _ => self.store.forget(&key),
            };
            after_commit(what, given_back).await;
        }
        for key in counted.shared {
            after_commit(what, self.store.uncount(&key)).await;
        }
    }

    /// Deletes the failures of an account, whose user authenticated in another way.
    pub(crate) async fn forget_password(&self, account: &str) {
        let key = Guess::Password.key(account);
        after_commit("the failures of a password stay counted", self.store.forget(&key)).await;
    }

    fn growing(&self) -> LimitRule {
        LimitRule {
            most: self.options.most_failures,
            window: DAY,
            since_last: true,
            delays: Some(GrowingDelay {
                free: self.options.free_failures,
                first: self.options.first_delay,
                longest: self.options.longest_delay,
            }),
        }
    }
}
