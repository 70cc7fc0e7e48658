//! Confirmations and passwords.

use std::io::{self, BufRead, IsTerminal};

use crate::{
    args::Global,
    failure::{Failure, print_error},
    text::clean,
};

/// The longest line of a password in bytes, which is more than a password can have.
const MAX_LINE: u64 = 8192;

/// Asks for the confirmation of a change that cannot be undone, unless `--yes` is given.
pub(crate) fn confirm(global: &Global, change: &str) -> Result<(), Failure> {
    if global.yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!("{change}: pass --yes to confirm, without a terminal")));
    }
    print_error(&format!("{}? [y/N] ", clean(change)));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::failed("not_confirmed", "not confirmed; nothing was changed")),
    }
}

/// Reads a new password, without an echo from the terminal or from the first line of standard input.
pub(crate) fn new_password(from_stdin: bool) -> Result<String, Failure> {
    if from_stdin {
        let mut line = Vec::new();
        io::Read::take(io::stdin().lock(), MAX_LINE).read_until(b'\n', &mut line)?;
        let text = String::from_utf8(line)
            .map_err(|_| Failure::usage("the password on standard input is not UTF-8"))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        return match text {
            "" => Err(Failure::usage("standard input has no password")),
            text => Ok(text.to_owned()),
        };
    }
    let read = |prompt: &str| {
        rpassword::prompt_password(prompt).map_err(|error| {
            Failure::usage(format!("no terminal for the password, use --password-stdin: {error}"))
        })
    };
    let password = read("New password: ")?;
    if read("Repeat it: ")? != password {
        return Err(Failure::failed("different_passwords", "the two passwords differ"));
    }
    Ok(password)
}
