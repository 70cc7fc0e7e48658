//! A user service with JSON over HTTP, as another team might operate it, and its client.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::get,
};
use serde::{Deserialize, Serialize};

/// A user of the service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Person {
    pub(crate) key: String,
    pub(crate) mail: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) confirmed: bool,
    pub(crate) blocked: bool,
}

/// The client of the service.
pub(crate) struct Service {
    http: reqwest::Client,
    url: String,
}

impl Service {
    pub(crate) fn at(url: String) -> Self {
        Self { http: reqwest::Client::new(), url }
    }

    pub(crate) async fn get(&self, key: &str) -> reqwest::Result<Option<Person>> {
        read(self.http.get(format!("{}/people/{key}", self.url)).send().await?).await
    }

    pub(crate) async fn by_mail(&self, mail: &str) -> reqwest::Result<Option<Person>> {
        let asked = self.http.get(format!("{}/people", self.url)).query(&[("mail", mail)]);
        read(asked.send().await?).await
    }

    /// Returns 201 for a new user, 200 for an existing one, 409 if another has the email address.
    pub(crate) async fn put(&self, person: &Person) -> reqwest::Result<StatusCode> {
        let url = format!("{}/people/{}", self.url, person.key);
        Ok(self.http.put(url).json(person).send().await?.status())
    }

    pub(crate) async fn delete(&self, key: &str) -> reqwest::Result<bool> {
        let answer = self.http.delete(format!("{}/people/{key}", self.url)).send().await?;
        Ok(answer.status() == StatusCode::NO_CONTENT)
    }
}

async fn read(answer: reqwest::Response) -> reqwest::Result<Option<Person>> {
    match answer.status() {
        StatusCode::NOT_FOUND => Ok(None),
        _ => answer.error_for_status()?.json().await.map(Some),
    }
}

type People = Arc<Mutex<BTreeMap<String, Person>>>;

#[derive(Deserialize)]
struct Asked {
    mail: String,
}

/// Starts the service on loopback with these users, and returns its URL.
pub(crate) async fn start(people: Vec<Person>) -> std::io::Result<String> {
    let people = people.into_iter().map(|person| (person.key.clone(), person)).collect();
    let people: People = Arc::new(Mutex::new(people));
    let app = Router::new()
        .route("/people", get(by_mail))
        .route("/people/{key}", get(by_key).put(put).delete(remove))
        .with_state(people);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(format!("http://{address}"))
}

async fn by_key(
    State(people): State<People>,
    Path(key): Path<String>,
) -> Result<Json<Person>, StatusCode> {
    let people = people.lock().unwrap_or_else(PoisonError::into_inner);
    people.get(&key).cloned().map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn by_mail(
    State(people): State<People>,
    Query(asked): Query<Asked>,
) -> Result<Json<Person>, StatusCode> {
    let people = people.lock().unwrap_or_else(PoisonError::into_inner);
    let mut all = people.values();
    let found = all.find(|person| person.mail.as_ref() == Some(&asked.mail));
    found.cloned().map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn put(
    State(people): State<People>,
    Path(key): Path<String>,
    Json(person): Json<Person>,
) -> StatusCode {
    let mut people = people.lock().unwrap_or_else(PoisonError::into_inner);
    let mut others = people.values().filter(|other| other.key != key);
    if person.mail.is_some() && others.any(|other| other.mail == person.mail) {
        return StatusCode::CONFLICT;
    }
    match people.insert(key, person) {
        None => StatusCode::CREATED,
        Some(_) => StatusCode::OK,
    }
}

async fn remove(State(people): State<People>, Path(key): Path<String>) -> StatusCode {
    let mut people = people.lock().unwrap_or_else(PoisonError::into_inner);
    match people.remove(&key) {
        None => StatusCode::NOT_FOUND,
        Some(_) => StatusCode::NO_CONTENT,
    }
}
