//! Warnings of the library, on standard error.

use std::{
    fmt::{self, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use crate::{failure::print_error, text::clean};

/// Whether the command ends, so that background work fails.
static IS_ENDING: AtomicBool = AtomicBool::new(false);

/// Prints warnings and errors of authlayer, but not the events of users.
struct Warnings;

pub(crate) fn init() {
    // It is set once.
    let _set_before = tracing::subscriber::set_global_default(Warnings);
}

/// Prints no further warnings: the processes of the application continue the background work.
pub(crate) fn silence() {
    IS_ENDING.store(true, Ordering::Relaxed);
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        // A failed attempt to deliver a message is reported with the result.
        let is_attempt = target == "authlayer::mail::queue" && *metadata.level() == Level::WARN;
        *metadata.level() <= Level::WARN
            && target.starts_with("authlayer")
            && target != "authlayer::event"
            && !is_attempt
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        if IS_ENDING.load(Ordering::Relaxed) {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        print_error(&format!("authlayer: {}{}\n", clean(&line.message), clean(&line.fields)));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _infallible = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, "; {name}: {value:?}"),
        };
    }
}
