//! The built-in HTTP client and the certificate authority of a company.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use authlayer::outbound::{HttpClient, HttpsClient};

const SERVER: &str = "
    const { createServer } = require('node:https');
    const [cert, key] = process.argv.slice(1);
    const server = createServer({ cert, key }, (_, response) => response.end('hello'));
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));
";

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _waited = self.0.wait();
    }
}

fn serve(certificate: &str, key: &str) -> (Server, String) {
    let mut child = Command::new("node")
        .args(["-e", SERVER, "--", certificate, key])
        .stdout(Stdio::piped())
        .spawn()
        .expect("node runs");
    let mut port = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
    (Server(child), format!("https://localhost:{}/", port.trim()))
}

async fn get(client: &HttpsClient, url: &str) -> Result<Vec<u8>, String> {
    let request = http::Request::get(url).body(Vec::new()).unwrap();
    client.send(request).await.map(|answer| answer.into_body()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn server_of_another_authority_is_accepted_only_if_it_was_added() {
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (_server, url) = serve(&own.cert.pem(), &own.signing_key.serialize_pem());
    let client = HttpsClient::new().unwrap();
    assert!(get(&client, &url).await.is_err());
    let added = |pem: String| client.clone().add_root_certificate(pem.as_bytes());
    assert!(get(&added(other.cert.pem()).unwrap(), &url).await.is_err());
    assert_eq!(get(&added(own.cert.pem()).unwrap(), &url).await.unwrap(), b"hello");
    let both = added(other.cert.pem() + &own.cert.pem()).unwrap();
    assert_eq!(get(&both, &url).await.unwrap(), b"hello");
}

#[test]
fn text_without_a_certificate_is_rejected() {
    let client = HttpsClient::new().unwrap();
    for pem in ["", "a certificate", "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"]
    {
        assert!(client.clone().add_root_certificate(pem.as_bytes()).is_err(), "{pem}");
    }
}
