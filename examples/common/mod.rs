//! What the examples of storage modes share: a port to listen at, models, and a service
//! that has users.

pub(crate) mod people;
pub(crate) mod users;

use axum::Router;

pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

pub(crate) fn port() -> Outcome<u16> {
    Ok(std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?)
}

pub(crate) async fn serve(port: u16, app: Router) -> Outcome {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}
