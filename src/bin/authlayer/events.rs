//! `authlayer events`.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use authlayer::{
    AuditLog, UserId,
    clock::{Clock, SystemClock},
    jiff::SignedDuration,
    store::{EventQuery, StoredEvent},
};
use serde_json::{Value, json};

use crate::{
    app::App, args::Events, args::Global, failure::Failure, output::Output, table::Table,
    target::Target,
};

const COLUMNS: &[&str] = &["TIME", "KIND", "USER", "ACTOR", "IP", "DETAIL"];
const PAGE: u32 = 1000;
/// The pause between two queries for new events.
const PAUSE: Duration = Duration::from_millis(500);
/// Events are written in batches and by several processes, so that an event can appear after a later
/// one: those of this time are queried again.
const OVERLAP: SignedDuration = SignedDuration::from_secs(60);

pub(crate) async fn run(
    global: &Global,
    options: Events,
    output: &mut Output,
) -> Result<(), Failure> {
    let database = Target::of(global)?.open().await?;
    let app = App::with_database(global, database).await?;
    let done = list(&app, options, output).await;
    let closed = app.close(output).await;
    done.and(closed)
}

async fn list(app: &App, options: Events, output: &mut Output) -> Result<(), Failure> {
    let Some(log) = app.auth.audit_log() else { return Ok(()) };
    let mut query = EventQuery::default();
    if let Some(name) = &options.user {
        // Events remain when their user is deleted.
        query.user = Some(match app.find(name).await {
            Ok(user) => user.id,
            Err(failure) if failure.is_not_found() => UserId::new(name),
            Err(failure) => return Err(failure),
        });
    }
    query.kind = options.kind;
    query.since = options.since;
    query.until = options.until;
    let mut table = Table::new(COLUMNS);
    let started = SystemClock.now();
    let events = latest(log, query.clone(), options.limit).await?;
    print(&events, &mut table, output)?;
    if !options.follow {
        return Ok(());
    }
    let mut seen = Seen::default();
    for own in &events {
        seen.is_new(own);
    }
    let mut from = started - OVERLAP;
    // Those before the start were not asked for.
    for own in latest(log, query.clone().since(from), usize::MAX).await? {
        if own.event.at < started {
            seen.is_new(&own);
        }
    }
    loop {
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            interrupted = tokio::signal::ctrl_c() => return interrupted.map_err(Failure::from),
        }
        let since = query.since.map_or(from, |since| since.max(from));
        let next = query.clone().since(since);
        let mut events = latest(log, next, usize::MAX).await?;
        events.retain(|own| seen.is_new(own));
        print(&events, &mut table, output)?;
        from = SystemClock.now() - OVERLAP;
    }
}

/// Returns the latest events of a query, the oldest first.
async fn latest(
    log: &AuditLog,
    mut query: EventQuery,
    limit: usize,
) -> Result<VecDeque<StoredEvent>, Failure> {
    let mut found = VecDeque::new();
    while found.len() < limit {
        let left = u32::try_from(limit - found.len()).unwrap_or(u32::MAX).min(PAGE);
        let page = log.query(&query, left).await?;
        let is_last = page.len() < left as usize;
        for stored in page {
            query.before = Some(stored.id.clone());
            found.push_front(stored);
        }
        if is_last {
            break;
        }
    }
    Ok(found)
}

fn print(
    events: &VecDeque<StoredEvent>,
    table: &mut Table,
    output: &mut Output,
) -> Result<(), Failure> {
    let rows = events.iter().map(|own| (json!(own), cells(own)));
    output.rows(table, rows.collect())?;
    output.flush()
}

fn cells(stored: &StoredEvent) -> Vec<String> {
    let event = &stored.event;
    let id = |id: &Option<UserId>| id.as_ref().map(ToString::to_string).unwrap_or_default();
    let detail = event.detail.iter().map(|(name, value)| match value {
        Value::String(text) => format!("{name}={text}"),
        value => format!("{name}={value}"),
    });
    vec![
        event.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        event.kind.as_str().to_owned(),
        id(&event.user_id),
        id(&event.actor_id),
        event.ip.clone().unwrap_or_default(),
        Vec::from_iter(detail).join(" "),
    ]
}

/// The events of the last minutes that were printed.
#[derive(Default)]
struct Seen {
    ids: BTreeSet<String>,
}

impl Seen {
    /// The number of ids after which the oldest ones are forgotten.
    const MAX: usize = 100_000;

    fn is_new(&mut self, stored: &StoredEvent) -> bool {
        let is_new = self.ids.insert(stored.id.clone());
        while self.ids.len() > Self::MAX {
            self.ids.pop_first();
        }
        is_new
    }
}
