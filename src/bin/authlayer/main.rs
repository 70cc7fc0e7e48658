//! The command `authlayer`: administers the users of an application and checks its database.
//!
//! `authlayer help` and the guide on operations describe it.

mod app;
mod args;
mod ask;
mod calibrate;
mod doctor;
mod events;
mod failure;
mod generate;
mod log;
mod mailer;
mod migrate;
mod output;
mod sessions;
mod table;
mod target;
mod text;
mod transfer;
mod users;

use std::process::ExitCode;

use args::{Cli, Command, parse};
use failure::Failure;
use output::Output;

fn main() -> ExitCode {
    let cli = match parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    log::init();
    let json = cli.global.json;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => {
            let ended = runtime.block_on(run(cli));
            // A read of the terminal cannot be cancelled, so it must not delay the exit.
            runtime.shutdown_background();
            ended
        }
        Err(error) => Err(error.into()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(json),
    }
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { global, command } = cli;
    let mut output = Output::new(global.json);
    let ended = match command {
        Command::Migrate(options) => migrate::run(&global, &options, &mut output).await,
        Command::Users(command) => users::run(&global, command, &mut output).await,
        Command::Sessions(command) => sessions::run(&global, command, &mut output).await,
        Command::Factors(command) => sessions::factors(&global, command, &mut output).await,
        Command::Events(options) => events::run(&global, options, &mut output).await,
        Command::Export(options) => transfer::export(&global, &options, &mut output).await,
        Command::Import(options) => transfer::import(&global, &options, &mut output).await,
        Command::Calibrate(options) => calibrate::run(&options, &mut output),
        Command::Doctor => doctor::run(&global, &mut output).await,
        Command::Completions(options) => generate::completions(&options, &mut output),
        Command::Man(options) => generate::man(&options, &mut output),
    };
    let flushed = output.flush();
    ended.and(flushed)
}
