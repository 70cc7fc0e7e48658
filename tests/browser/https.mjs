// A server over https in front of the testbed, and a browser that trusts its certificate.

import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { chromium } from "playwright-core";

import { FLAGS, freePort, stop, testbed } from "./support.mjs";

const FEATURES = "DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting";

/** A certificate of `localhost`, and the certificate of its authority. */
function certificate(folder) {
  const at = (name) => join(folder, name);
  const openssl = (...all) => execFileSync("openssl", all, { stdio: ["ignore", "ignore", "pipe"] });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"];
  openssl("req", "-x509", ...key, "-keyout", at("ca.key"), "-out", at("ca.pem"), "-days", "30",
    "-subj", "/CN=authlayer tests", "-addext", "basicConstraints=critical,CA:TRUE");
  openssl("req", ...key, "-keyout", at("key.pem"), "-out", at("request.pem"), "-subj", "/CN=localhost");
  writeFileSync(at("extensions"), "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n");
  openssl("x509", "-req", "-in", at("request.pem"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"),
    "-CAcreateserial", "-out", at("certificate.pem"), "-days", "30", "-extfile", at("extensions"));
  return { key: readFileSync(at("key.pem")), cert: readFileSync(at("certificate.pem")), ca: at("ca.pem") };
}

/** Adds an authority to the certificate database of a home directory. */
function trust(home, authority) {
  const database = join(home, ".pki", "nssdb");
  execFileSync("mkdir", ["-p", database]);
  const certutil = (...all) => execFileSync("certutil", ["-d", `sql:${database}`, ...all]);
  certutil("-N", "--empty-password");
  certutil("-A", "-n", "authlayer tests", "-t", "C,,", "-i", authority);
}

/**
 * Forwards requests to a port, and records them with their responses, oldest first. The responses that
 * `lost` names, by status and path, do not arrive, each once.
 */
function proxy({ key, cert }, port, requests, lost) {
  return createServer({ key, cert }, (from, to) => {
    const { method, url, headers } = from;
    const forwarded = request({ host: "127.0.0.1", port, method, path: url, headers }, (answer) => {
      const chunks = [];
      answer.on("data", (chunk) => chunks.push(chunk));
      answer.on("end", () => {
        const body = Buffer.concat(chunks);
        const [status, answered] = [answer.statusCode, answer.headers];
        const isLost = lost.delete(`${status} ${url}`);
        requests.push({ method, path: url, headers, status, answered, body: body.toString(), isLost });
        if (isLost) to.destroy();
        else to.writeHead(status, answer.rawHeaders).end(body);
      });
    });
    forwarded.on("error", () => to.destroy());
    from.pipe(forwarded);
  });
}

/** The testbed behind a server with a certificate that `browser()` trusts. */
export async function secureTestbed(config = {}) {
  const folder = mkdtempSync(join(tmpdir(), "authlayer-https-"));
  const own = certificate(folder);
  const origin = `https://localhost:${await freePort()}`;
  const { origin: inner, server } = await testbed({ ...config, origin });
  const [requests, lost] = [[], new Set()];
  const https = proxy(own, new URL(inner).port, requests, lost);
  https.listen(new URL(origin).port, "127.0.0.1");
  await once(https, "listening");
  let homes = 0;
  /** A browser with a profile of its own, and a key store in software. */
  const browser = () => {
    homes += 1;
    const home = join(folder, `home-${homes}`);
    trust(home, own.ca);
    const { XDG_CONFIG_HOME: _, ...env } = process.env;
    return chromium.launchPersistentContext(join(home, "profile"), {
      executablePath: process.env.CHROMIUM,
      args: [...FLAGS, `--enable-features=${FEATURES}`],
      env: { ...env, HOME: home },
    });
  };
  const end = async () => {
    https.close();
    https.closeAllConnections();
    await stop(server);
    rmSync(folder, { recursive: true });
  };
  return { origin, inner, requests, lost, browser, end };
}
