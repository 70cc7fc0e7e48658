//! The state shared by the connections of one session.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Notify;

use crate::model::Subject;

/// The subject of a watched session, for its connections.
#[derive(Debug)]
pub(super) struct Slot {
    state: Mutex<State>,
    notify: Notify,
}

#[derive(Clone, Debug)]
struct State {
    version: u64,
    /// `None` after the session has ended.
    subject: Option<Arc<Subject>>,
}

impl Slot {
    pub(super) fn new(subject: Subject) -> Self {
        let state = Mutex::new(State { version: 0, subject: Some(Arc::new(subject)) });
        Self { state, notify: Notify::new() }
    }

    fn with<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        read(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the version and the subject, which is `None` after the session has ended.
    pub(super) fn read(&self) -> (u64, Option<Arc<Subject>>) {
        self.with(|state| (state.version, state.subject.clone()))
    }

    /// Waits until the session has ended.
    pub(super) async fn ended(&self) {
        self.wait_until(|state| state.subject.is_none()).await;
    }

    /// Waits until the session has ended or has a later version.
    pub(super) async fn later_than(&self, version: u64) {
        self.wait_until(|state| state.subject.is_none() || state.version > version).await;
    }

    async fn wait_until(&self, is_so: impl Fn(&State) -> bool) {
        loop {
            let mut notified = pin!(self.notify.notified());
            notified.as_mut().enable();
            if self.with(|state| is_so(state)) {
                return;
            }
            notified.await;
        }
    }

    pub(super) fn update(&self, subject: Subject) {
        self.with(|state| {
            if state.subject.as_deref().is_some_and(|before| *before != subject) {
                state.version += 1;
                state.subject = Some(Arc::new(subject));
                self.notify.notify_waiters();
            }
        });
    }

    pub(super) fn end(&self) {
        self.with(|state| state.subject = None);
        self.notify.notify_waiters();
    }
}
