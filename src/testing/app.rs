//! An application under test, served on loopback.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use tokio::{net::TcpListener, task::JoinHandle};

use super::TestClient;

/// A router that is served on loopback until the value is dropped.
///
/// ```
/// use authlayer::testing::TestApp;
/// use axum::Router;
///
/// async fn responds(router: Router) -> bool {
///     let app = TestApp::serve(router).await;
///     app.client().get("/health").await.status == 200
/// }
/// ```
#[derive(Debug)]
pub struct TestApp {
    address: SocketAddr,
    server: JoinHandle<()>,
}

impl TestApp {
    /// Serves a router on a free port.
    pub async fn serve(router: Router) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has a free port");
        Self::serve_on(listener, router)
    }

    /// Serves a router on a bound listener.
    pub fn serve_on(listener: TcpListener, router: Router) -> Self {
        let address = listener.local_addr().expect("a bound socket has an address");
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let server = tokio::spawn(async move {
            axum::serve(listener, service).await.expect("serving does not end");
        });
        Self { address, server }
    }

    /// Returns the address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns a client without credentials that stores cookies as a browser does.
    pub fn client(&self) -> TestClient {
        TestClient::connect(self.address)
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.server.abort();
    }
}
