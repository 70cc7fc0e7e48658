//! `authlayer migrate`.

use serde_json::json;

use crate::{
    args::{Global, Migrate},
    failure::Failure,
    output::Output,
    target::Target,
};

pub(crate) async fn run(
    global: &Global,
    options: &Migrate,
    output: &mut Output,
) -> Result<(), Failure> {
    let target = Target::of(global)?;
    if !options.check && !options.print {
        let applied = target.upgrade().await?;
        for name in &applied {
            output.say(&format!("applied {name}"))?;
        }
        if applied.is_empty() {
            output.say("no migration is pending")?;
        }
        return output.document(&json!({ "applied": applied }));
    }
    let pending = target.pending().await?;
    if options.print {
        let script = target.script(&pending);
        return match output.is_json() {
            true => output.document(&json!({ "sql": script })),
            false => output.raw(script.as_bytes()),
        };
    }
    let names: Vec<&str> = pending.iter().map(|own| &*own.name).collect();
    for name in &names {
        output.say(&format!("pending {name}"))?;
    }
    if names.is_empty() {
        output.say("no migration is pending")?;
    }
    output.document(&json!({ "pending": names }))?;
    if names.is_empty() { Ok(()) } else { Err(Failure::silent()) }
}
