//! Starts PgBouncer in front of the PostgreSQL server of the tests.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::support::{Database, On, execute, server};

/// A running PgBouncer, and a role with its own schema.
pub(crate) struct Pooler {
    child: Child,
    folder: PathBuf,
    pub(crate) url: String,
    pub(crate) database: Database,
    pub(crate) role: String,
}

impl Pooler {
    pub(crate) async fn start(mode: &str, settings: &[&str]) -> Self {
        let database = Database::fresh(On::Postgres).await;
        let Database::Schema { name: role } = &database else { panic!("PostgreSQL has schemas") };
        let role = role.clone();
        execute(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'secret'; ALTER ROLE {role} SET search_path = {role};
            GRANT ALL ON SCHEMA {role} TO {role}"
        ))
        .await;
        let folder = std::env::temp_dir().join(format!("{role}_pooler"));
        fs::create_dir_all(&folder).unwrap();
        for _ in 0..5 {
            let port = free_port().await;
            let mut child = spawn(&folder, &config(&role, port, mode, settings));
            let name = direct().get_database().unwrap_or("postgres").to_owned();
            let url = format!("postgres://{role}@127.0.0.1:{port}/{name}");
            for _ in 0..1000 {
                if child.try_wait().unwrap().is_some() {
                    break; // The port was taken in the meantime.
                }
                if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                    return Self { child, folder, url, database, role };
                }
                sleep(Duration::from_millis(10)).await;
            }
            let _ended = child.kill();
            child.wait().unwrap();
        }
        panic!("PgBouncer did not start: {}", fs::read_to_string(folder.join("log")).unwrap());
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        self.url.parse::<PgConnectOptions>().unwrap().extra_float_digits(None)
    }

    pub(crate) fn pool(&self, slots: u32) -> PgPool {
        PgPoolOptions::new().max_connections(slots).connect_lazy_with(self.options())
    }

    pub(crate) async fn remove(self) {
        let Self { mut child, folder, database, role, .. } = self;
        child.kill().unwrap();
        child.wait().unwrap();
        fs::remove_dir_all(folder).unwrap();
        database.remove().await;
        execute(&format!("DROP ROLE {role}")).await;
    }
}

pub(crate) fn direct() -> PgConnectOptions {
    server().parse().unwrap()
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

fn config(role: &str, port: u16, mode: &str, settings: &[&str]) -> String {
    let server = direct();
    let (host, server_port) = (server.get_host(), server.get_port());
    format!(
        "[databases]\n* = host={host} port={server_port} user={role} password=secret\n\
        [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
        auth_type = any\npool_mode = {mode}\n{}\n",
        settings.join("\n")
    )
}

/// PgBouncer does not run as root.
fn spawn(folder: &Path, config: &str) -> Child {
    let place = concat!(env!("CARGO_TARGET_TMPDIR"), "/pgbouncer");
    let program = std::env::var("PGBOUNCER").unwrap_or_else(|_| place.to_owned());
    let file = folder.join("pgbouncer.ini");
    fs::write(&file, config).unwrap();
    let id = Command::new("id").arg("-u").output().unwrap().stdout;
    let user: &[&str] = if id == b"0\n" { &["-u", "nobody"] } else { &[] };
    let log = File::create(folder.join("log")).unwrap();
    let mut command = Command::new(&program);
    command.args(user).arg(file).stdout(Stdio::null()).stderr(log);
    command.spawn().unwrap_or_else(|error| {
        panic!(
            "{program} does not start ({error}): run scripts/pgbouncer with the target directory"
        )
    })
}
