//! `authlayer completions` and `authlayer man`.

use clap::CommandFactory;
use serde_json::json;

use crate::{
    args::{Cli, Completions, Man},
    failure::Failure,
    output::Output,
};

pub(crate) fn completions(options: &Completions, output: &mut Output) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "authlayer", &mut script);
    output.raw(&script)
}

pub(crate) fn man(options: &Man, output: &mut Output) -> Result<(), Failure> {
    std::fs::create_dir_all(&options.directory)?;
    clap_mangen::generate_to(Cli::command(), &options.directory)?;
    let directory = options.directory.display().to_string();
    output
        .result(&format!("wrote the man pages to {directory}"), &json!({ "directory": directory }))
}
