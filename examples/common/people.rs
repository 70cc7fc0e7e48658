//! The models of an application that uses diesel.

use authlayer::{Email, User, UserId, UserStatus};
use diesel::{AsChangeset, Insertable, Queryable};

pub(crate) const TABLE: &str =
    "CREATE TABLE people (id TEXT PRIMARY KEY, email TEXT UNIQUE, name TEXT, active BOOLEAN)";

diesel::table! {
    people (id) { id -> Text, email -> Nullable<Text>, name -> Nullable<Text>, active -> Bool, }
}

/// A row of the table.
#[derive(Queryable, Insertable, AsChangeset)]
#[diesel(table_name = people, treat_none_as_null = true)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) active: bool,
}

impl From<Person> for User {
    fn from(person: Person) -> Self {
        let mut user = Self::new(UserId::new(person.id), jiff::Timestamp::UNIX_EPOCH);
        user.email = person.email.and_then(|email| Email::parse(&email).ok());
        user.display_name = person.name;
        user.status = if person.active { UserStatus::Active } else { UserStatus::Disabled };
        user
    }
}

impl From<&User> for Person {
    fn from(user: &User) -> Self {
        let email = user.email.as_ref().map(ToString::to_string);
        let (id, name, active) = (user.id.to_string(), user.display_name.clone(), user.is_active());
        Self { id, email, name, active }
    }
}
