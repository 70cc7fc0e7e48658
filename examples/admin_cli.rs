//! Administration of users from the command line.
//!
//! ```sh
//! DATABASE_URL=postgres://… cargo run --example admin_cli --features postgres -- list admin
//! ```

use std::{env, time::Duration};

use authlayer::{
    Auth, Email, NewUser, Password, PasswordReset, PgStore, StderrMailer, User, users::UserQuery,
};

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let auth = Auth::builder(PgStore::connect(&env::var("DATABASE_URL")?).await?)
        .origin("https://app.example.com")
        .mailer(StderrMailer)
        .flow(Password::new())
        .flow(PasswordReset::new())
        // The processes that serve requests delete expired rows.
        .cleanup_interval(None)
        .build()?;
    let command: Vec<String> = env::args().skip(1).collect();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    run(&auth, &command).await?;
    // Security emails are sent before the process exits.
    auth.shutdown(Duration::from_secs(10)).await;
    Ok(())
}

async fn run(auth: &Auth, command: &[&str]) -> Result<(), Failure> {
    let users = auth.users();
    match *command {
        ["create", email, role] => {
            let new = NewUser::with_email(Email::parse(email)?).role(role);
            println!("created {}", users.create(new).await?.id);
        }
        ["invite", email, role] => {
            let new = NewUser::with_email(Email::parse(email)?).role(role);
            println!("invited {}", users.invite(new).await?.id);
        }
        ["search", text] => {
            let page = users.list(&UserQuery::new().search(text)).await?;
            page.users.iter().for_each(|user| println!("{} {:?}", user.id, user.email));
        }
        ["list", role] => {
            let mut query = UserQuery::new().role(role).limit(200);
            loop {
                let page = users.list(&query).await?;
                page.users.iter().for_each(|user| println!("{} {:?}", user.id, user.status));
                let Some(cursor) = page.next_cursor else { break };
                query = query.cursor(cursor);
            }
        }
        ["grant", email, role] => {
            let user = find(auth, email).await?;
            users.edit(&user.id, |user| user.roles.push(role.to_owned())).await?;
        }
        ["disable", email] => drop(users.disable(&find(auth, email).await?.id).await?),
        ["sign-out", email] => {
            let revoked = auth.sessions().revoke_all(&find(auth, email).await?.id, None).await?;
            println!("revoked {revoked} sessions");
        }
        ["reset-password", email] => {
            users.send_password_reset(&find(auth, email).await?.id).await?;
        }
        ["reset-two-step", email] => {
            let user = find(auth, email).await?;
            for factor in users.factors(&user.id).await? {
                users.remove_factor(&user.id, &factor.id).await?;
            }
        }
        ["disclose", email] => {
            println!("{:#}", users.disclose(&find(auth, email).await?.id).await?);
        }
        _ => eprintln!(
            "usage: admin_cli create|invite|search|list|grant|disable|sign-out|reset-password|\
             reset-two-step|disclose …"
        ),
    }
    Ok(())
}

async fn find(auth: &Auth, email: &str) -> Result<User, Failure> {
    let user = auth.users().find_by_email(email).await?;
    Ok(user.ok_or_else(|| format!("no user has the email address {email}"))?)
}
