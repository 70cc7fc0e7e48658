//! Code that the examples share: the port and the server, models of users, and a service that
//! stores users.

pub(crate) mod people;
pub(crate) mod users;

use std::{error::Error, fmt, net::SocketAddr};

use axum::Router;

pub(crate) type Outcome<T = ()> = Result<T, Failure>;

/// The error of a `main`, which Rust prints by `Debug`: the text of the error, followed by the text
/// of each source that it does not contain.
pub(crate) struct Failure(Box<dyn Error>);

impl<E: Error + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        f.write_str(&text)?;
        let sources = std::iter::successors(self.0.source(), |error| (**error).source());
        for source in sources.map(ToString::to_string).filter(|source| !text.contains(source)) {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

pub(crate) fn port() -> Outcome<u16> {
    Ok(std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?)
}

pub(crate) async fn serve(port: u16, app: Router) -> Outcome {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?)
}
