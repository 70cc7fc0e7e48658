//! A TCP proxy in front of PostgreSQL that can stop forwarding, like a network that drops
//! packets: connections remain open and nothing arrives.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use crate::support::Database;

/// The ping that sqlx sends when a connection returns to its pool.
pub(crate) const SYNC: &[u8] = b"S\0\0\0\x04";

pub(crate) struct Proxy {
    address: SocketAddr,
    url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// A connection that was opened before the last silence never forwards again.
    epoch: AtomicU64,
    is_silent: AtomicBool,
    drops_pings: AtomicBool,
    /// The first message that was dropped in the last silence.
    first_dropped: Mutex<Option<Vec<u8>>>,
    dropped: Notify,
}

impl Proxy {
    /// Starts a proxy in front of the server of a database.
    pub(crate) async fn before(database: &Database) -> Self {
        let server: PgConnectOptions = database.url().parse().unwrap();
        let server = (server.get_host().to_owned(), server.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, shared) = (listener.local_addr().unwrap(), Arc::<Shared>::default());
        let host = format!("{}:{}", server.0, server.1);
        assert!(database.url().contains(&host), "TEST_DATABASE_URL names host and port");
        let url = database.url().replace(&host, &address.to_string());
        let all = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((server.0.as_str(), server.1)).await.unwrap();
                tokio::spawn(forward(Arc::clone(&all), client, server));
            }
        });
        Self { address, url, shared }
    }

    /// Returns the URL of the database through the proxy.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        let options: PgConnectOptions = self.url.parse().unwrap();
        assert_eq!(options.get_port(), self.address.port());
        options
    }

    /// Stops forwarding permanently on all connections, and on new ones until [`Self::restore`].
    pub(crate) fn silence(&self) {
        *self.shared.first_dropped.lock().unwrap() = None;
        self.shared.epoch.fetch_add(1, Ordering::SeqCst);
        self.shared.is_silent.store(true, Ordering::SeqCst);
    }

    /// Stops forwarding permanently on a connection at its next ping. New connections still work.
    pub(crate) fn silence_at_ping(&self) {
        *self.shared.first_dropped.lock().unwrap() = None;
        self.shared.drops_pings.store(true, Ordering::SeqCst);
    }

    /// Forwards new connections again.
    pub(crate) fn restore(&self) {
        self.shared.is_silent.store(false, Ordering::SeqCst);
        self.shared.drops_pings.store(false, Ordering::SeqCst);
    }

    /// Waits until a message of the client was dropped, and returns the first one.
    pub(crate) async fn dropped(&self) -> Vec<u8> {
        loop {
            if let Some(message) = self.shared.first_dropped.lock().unwrap().clone() {
                return message;
            }
            self.shared.dropped.notified().await;
        }
    }
}

async fn forward(shared: Arc<Shared>, mut client: TcpStream, mut server: TcpStream) {
    let epoch = shared.epoch.load(Ordering::SeqCst);
    let mut is_silent = shared.is_silent.load(Ordering::SeqCst);
    let (mut sent, mut answered) = (vec![0; 65536], vec![0; 65536]);
    loop {
        let silent = |is_silent| is_silent || shared.epoch.load(Ordering::SeqCst) != epoch;
        tokio::select! {
            size = client.read(&mut sent) => {
                let Ok(size @ 1..) = size else { return };
                let is_ping = sent[..size] == *SYNC && shared.drops_pings.load(Ordering::SeqCst);
                is_silent = silent(is_silent || is_ping);
                if is_silent {
                    let mut first = shared.first_dropped.lock().unwrap();
                    first.get_or_insert_with(|| sent[..size].to_vec());
                    shared.dropped.notify_one();
                } else if server.write_all(&sent[..size]).await.is_err() {
                    return;
                }
            }
            size = server.read(&mut answered), if !is_silent => {
                let Ok(size @ 1..) = size else { return };
                is_silent = silent(is_silent);
                if !is_silent && client.write_all(&answered[..size]).await.is_err() {
                    return;
                }
            }
        }
    }
}
