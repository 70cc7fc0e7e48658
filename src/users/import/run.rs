//! Runs an import.

use jiff::Timestamp;
use serde_json::json;
use tokio::io::AsyncBufRead;

use super::{
    asp_net, auth0, axum_login, better_auth, devise, django,
    draft::{App, Draft, Identity, quoted},
    firebase, keycloak, laravel,
    records::Records,
    row::Row,
    source::ImportSource,
    supabase, word_press,
};
use crate::{
    clock::whole_millis,
    crypto::random,
    error::AuthError,
    model::{Email, User, UserId, UserStatus},
    store::{Credential, CredentialKind},
    users::{
        Users,
        lines::LONGEST,
        transfer::{Batch, ImportSummary, NewRecord, ParsedLine, TransferError, has_nul},
    },
};

impl Users {
    /// Imports users from a file of another system, and calls `progress` after every batch of at
    /// most 500 users. The [guide](crate::guide::migrate) has the command that exports the file, and
    /// what is taken over.
    ///
    /// The file has one JSON object per line, or is a JSON array of objects; for Firebase and
    /// Keycloak it is the object that has them as `users`. The number of a record is that of its
    /// line, or its position in the array.
    ///
    /// Ids are derived from those of the other system ([`ImportSource::user_id`]), so that the same
    /// file can be imported again after an interruption: users who exist are skipped and counted.
    /// An invalid record is rejected without affecting others. A hash in an unknown format, an
    /// identity at an unknown provider and other things that cannot be taken over are listed in
    /// [`ImportSummary::omissions`]; the user is imported without them.
    ///
    /// ```
    /// use authlayer::{Auth, import::{ImportSource, TransferError}};
    ///
    /// async fn migrate(auth: &Auth, file: &[u8]) -> Result<(), TransferError> {
    ///     let done = auth.users().import_from(ImportSource::Django, file, |_| {}).await?;
    ///     for (record, problem) in &done.refusals {
    ///         eprintln!("{record}: {problem}");
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TransferError`]; the users that were reported to `progress` remain.
    pub async fn import_from(
        &self,
        source: ImportSource,
        input: impl AsyncBufRead + Unpin + Send,
        mut progress: impl FnMut(&ImportSummary) + Send,
    ) -> Result<ImportSummary, TransferError> {
        let mut so_far = ImportSummary::default();
        let (mut batch, mut json) = (Batch::default(), Vec::new());
        let mut records = Records::new(input, source.is_document());
        loop {
            let number = records.next(&mut json).await?;
            if let Some(number) = number {
                so_far.lines += 1;
                match self.parse_record(&source, &json)? {
                    ParsedLine::Empty => {}
                    ParsedLine::User(new) => batch.push(number, json.len(), *new),
                    ParsedLine::Invalid(problem) => so_far.refuse(number, problem),
                }
            }
            if batch.is_full() || (number.is_none() && !batch.is_empty()) {
                for (number, user) in self.store_batch(&mut batch, &mut so_far).await? {
                    match self.why_not_imported(&user).await? {
                        None => so_far.skipped += 1,
                        Some(problem) => so_far.refuse(number, problem),
                    }
                }
                progress(&so_far);
            }
            if number.is_none() {
                return Ok(so_far);
            }
        }
    }

    /// Returns the problem of a user that was not created, or `None` if the user exists.
    async fn why_not_imported(&self, user: &User) -> Result<Option<&'static str>, TransferError> {
        if self.accounts.find_user(&user.id).await?.is_some() {
            return Ok(None);
        }
        if let Some(email) = &user.email
            && self.accounts.find_user_by_email(email).await?.is_some()
        {
            return Ok(Some("the email address is registered"));
        }
        Ok(Some("the username or a credential is not unique, or the user was rejected"))
    }

    fn parse_record(&self, source: &ImportSource, json: &[u8]) -> Result<ParsedLine, AuthError> {
        if *source == ImportSource::Authlayer {
            return self.read_line(json);
        }
        if json.iter().all(u8::is_ascii_whitespace) {
            return Ok(ParsedLine::Empty);
        }
        if json.len() as u64 > LONGEST {
            return Ok(ParsedLine::Invalid("the record is longer than 1 MiB".to_owned()));
        }
        if has_nul(json) {
            return Ok(ParsedLine::Invalid("the record contains the character U+0000".to_owned()));
        }
        match Row::parse(json).and_then(|row| map(source, row)) {
            Ok(draft) => self.complete(source, draft),
            Err(problem) => Ok(ParsedLine::Invalid(problem)),
        }
    }

    /// Turns a draft into a user with credentials.
    fn complete(&self, source: &ImportSource, draft: Draft) -> Result<ParsedLine, AuthError> {
        let now = whole_millis(self.clock.now());
        let email = match draft.email.as_deref().map(Email::parse).transpose() {
            Ok(email) => email,
            Err(_) => return Ok(ParsedLine::Invalid("invalid email address".to_owned())),
        };
        let created_at = draft.created_at.map_or(now, whole_millis);
        let verified_at = draft.verified_at.map_or(created_at, whole_millis);
        let id = source.user_id(&draft.id);
        let mut app_metadata = draft.app_metadata;
        app_metadata
            .insert("import".to_owned(), json!({ "source": source.name(), "id": draft.id }));
        let mut user = User {
            email_verified_at: email.as_ref().filter(|_| draft.is_verified).map(|_| verified_at),
            email,
            phone: draft.phone,
            phone_verified_at: draft.phone_verified_at.map(whole_millis),
            username: draft.username,
            display_name: draft.display_name,
            avatar_url: draft.avatar_url,
            roles: draft.roles,
            status: if draft.is_disabled { UserStatus::Disabled } else { UserStatus::Active },
            user_metadata: draft.user_metadata,
            app_metadata,
            updated_at: draft.updated_at.map_or(now, whole_millis),
            ..User::new(id.clone(), created_at)
        };
        let mut omissions = draft.omissions;
        let former = user.username.clone();
        if self.usernames.normalize(&mut user).is_err() {
            user.username = None;
            let name = former.as_deref().map(quoted).unwrap_or_default();
            omissions.push(format!("the username {name} is not valid here"));
        }
        if user.email.is_none() && user.username.is_none() {
            let problem = "neither an email address nor a valid username";
            return Ok(ParsedLine::Invalid(problem.to_owned()));
        }
        let mut credentials = Vec::new();
        match draft.hash {
            Some(hash) if self.understands(&hash) => {
                credentials.push(Credential::password(random::uuid_v7(now)?, &id, &hash, now));
            }
            Some(_) => omissions.push(
                "the password hash has no supported format, or needs a secret that is not configured"
                    .to_owned(),
            ),
            None => {}
        }
        for identity in draft.identities {
            credentials.push(linked(identity, &id, now)?);
        }
        for app in draft.apps {
            credentials.push(authenticator(app, &id, now)?);
        }
        Ok(ParsedLine::User(Box::new(NewRecord { user, credentials, omissions })))
    }
}

fn map(source: &ImportSource, row: Row) -> Result<Draft, String> {
    match source {
        ImportSource::Authlayer => Err("a line of an export is not mapped".to_owned()),
        ImportSource::BetterAuth => better_auth::map(&row),
        ImportSource::Auth0 => auth0::map(&row),
        ImportSource::Firebase { salt_separator, rounds, mem_cost } => {
            let (rounds, mem_cost) = (*rounds, *mem_cost);
            firebase::map(&row, &firebase::Scrypt { salt_separator, rounds, mem_cost })
        }
        ImportSource::Supabase => supabase::map(&row),
        ImportSource::Django => django::map(row),
        ImportSource::Devise { peppered } => devise::map(&row, *peppered),
        ImportSource::AspNet => asp_net::map(&row),
        ImportSource::Laravel => laravel::map(&row),
        ImportSource::WordPress => word_press::map(&row),
        ImportSource::Keycloak => keycloak::map(&row),
        ImportSource::AxumLogin => axum_login::map(&row),
    }
}

fn linked(identity: Identity, user: &UserId, now: Timestamp) -> Result<Credential, AuthError> {
    let Identity { provider, subject, email, username } = identity;
    let lookup = format!("{}\n{subject}", provider.issuer);
    let data = json!({
        "provider": provider.id,
        "issuer": provider.issuer,
        "subject": subject,
        "email": email,
        // The provider says so at the next sign-in.
        "email_verified": false,
        "username": username,
        "display_name": null,
        "avatar_url": null,
    });
    credential(CredentialKind::Identity, Some(lookup), data, user, now)
}

fn authenticator(app: App, user: &UserId, now: Timestamp) -> Result<Credential, AuthError> {
    let data = json!({ "name": app.name, "secret": app.secret, "last_step": 0 });
    credential(CredentialKind::Totp, None, data, user, now)
}

/// Creates a credential. Without a lookup key it is looked up by its id.
fn credential(
    kind: CredentialKind,
    lookup: Option<String>,
    data: serde_json::Value,
    user: &UserId,
    now: Timestamp,
) -> Result<Credential, AuthError> {
    let id = random::uuid_v7(now)?;
    Ok(Credential {
        lookup: lookup.unwrap_or_else(|| id.clone()),
        id,
        user_id: user.clone(),
        kind,
        data,
        created_at: now,
        updated_at: now,
        last_used_at: None,
    })
}

#[cfg(test)]
mod tests;
