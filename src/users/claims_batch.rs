//! Queries of a [`ClaimsSource`](super::ClaimsSource) in batches.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::oneshot;

use super::{erased::AnyClaimsSource, ports::Claims, time_limit::TimeLimited};
use crate::{model::UserId, store::StoreError};

/// Batches concurrent queries: all users that wait are fetched with one call, one call at a time.
#[derive(Clone)]
pub(super) struct Batch {
    pub(super) source: Arc<TimeLimited<dyn AnyClaimsSource>>,
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting {
    users: HashMap<UserId, Vec<oneshot::Sender<Option<Claims>>>>,
    is_asking: bool,
}

impl Batch {
    pub(super) fn new(source: Arc<TimeLimited<dyn AnyClaimsSource>>) -> Self {
        Self { source, waiting: Arc::default() }
    }

    /// Returns the claims of a user.
    pub(super) async fn claims(&self, user: &UserId) -> Result<Claims, StoreError> {
        let (sender, answer) = oneshot::channel();
        let begin = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.users.entry(user.clone()).or_default().push(sender);
            !std::mem::replace(&mut waiting.is_asking, true)
        };
        if begin {
            // A separate task, so that the other callers get their result if the first one is
            // cancelled.
            tokio::spawn(self.clone().ask());
        }
        match answer.await {
            Ok(Some(claims)) => Ok(claims),
            _ => Err(StoreError::new("the ClaimsSource failed")),
        }
    }

    async fn ask(self) {
        loop {
            let asked = {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                waiting.is_asking = !waiting.users.is_empty();
                if !waiting.is_asking {
                    return;
                }
                std::mem::take(&mut waiting.users)
            };
            let users: Vec<UserId> = asked.keys().cloned().collect();
            let source = Arc::clone(&self.source);
            // A separate task, so that a panic of the source fails only this call.
            let found = tokio::spawn(async move { source.claims_batch(&users).await }).await;
            let mut found = match found {
                Ok(Ok(found)) => Some(found),
                Ok(Err(error)) => {
                    tracing::warn!(cause = %error, "the ClaimsSource failed");
                    None
                }
                Err(error) => {
                    tracing::warn!(cause = %error, "the ClaimsSource panicked");
                    None
                }
            };
            for (user, senders) in asked {
                let claims = found.as_mut().map(|all| all.remove(&user).unwrap_or_default());
                for sender in senders {
                    let _gone = sender.send(claims.clone());
                }
            }
        }
    }
}
