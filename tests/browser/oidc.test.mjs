// The certified oidc-provider: through its login pages in a browser, and by HTTP only.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import * as oauth from "oauth4webapi";

import { freePort, launch, start, stop, testbed } from "./support.mjs";
import { Visitor } from "./visitor.mjs";

const PROVIDER = fileURLToPath(new URL("../../examples/oidc/", import.meta.url));

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

async function signInThere(page, name) {
  await page.getByPlaceholder("Enter any login").fill(name);
  await page.getByPlaceholder("and password").fill("anything");
  await page.getByRole("button", { name: "Sign-in" }).click();
  await page.getByRole("button", { name: "Continue" }).click();
}

test("sign-in by the provider, sign-out at the provider, and back-channel logout", async () => {
  const [port, providerPort] = [await freePort(), await freePort()];
  const environment = { PORT: String(port), PROVIDER_PORT: String(providerPort) };
  const server = await start("oidc", environment);
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const home = `http://localhost:${port}/`;
    await page.goto(home);
    await page.getByRole("link", { name: "Sign in by the provider" }).click();
    await signInThere(page, "ada");
    await page.getByText("Hello, ada").waitFor();
    assert.equal(page.url(), home);
    const names = (await context.cookies(home)).map(({ name }) => name);
    assert.ok(names.includes("auth") && !names.some((name) => name.startsWith("auth-flow")));

    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Yes, sign me out" }).click();
    await page.getByRole("link", { name: "Sign in by the provider" }).waitFor();
    assert.equal(page.url(), home);

    await page.getByRole("link", { name: "Sign in by the provider" }).click();
    await signInThere(page, "ada");
    await page.getByText("Hello, ada").waitFor();
    await page.goto(`http://localhost:${providerPort}/session/end`);
    await page.getByRole("button", { name: "Yes, sign me out" }).click();
    await page.waitForURL(/session\/end\/success/);
    await page.goto(home);
    await page.getByRole("link", { name: "Sign in by the provider" }).waitFor();
  } finally {
    await context.close();
    server.kill("SIGINT");
    await once(server, "exit");
  }
});

/** The code of an authenticator app (RFC 6238) for a secret in base32. */
function totp(base32, second) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...base32].map((c) => alphabet.indexOf(c).toString(2).padStart(5, "0")).join("");
  const secret = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const step = Buffer.alloc(8);
  step.writeBigUInt64BE(BigInt(Math.floor(second / 30)));
  const tag = createHmac("sha1", secret).update(step).digest();
  const word = tag.readUInt32BE(tag[19] & 15) & 0x7fffffff;
  return String(word % 1_000_000).padStart(6, "0");
}

test("by HTTP: a second factor that the trusted provider states in amr is accepted", async () => {
  const providerPort = await freePort();
  const issuer = `http://localhost:${providerPort}`;
  const client_secret = "not-a-secret-outside-this-example";
  // Without `max_age`, a sign-in proves no time, and an enrollment requires a code by email.
  const corp = { id: "corp", issuer, client_id: "corp", client_secret, max_age_s: 3600 };
  for (const trusted of [true, false]) {
    const { origin, server } = await testbed({ oidc: [{ ...corp, trust_second_factor: trusted }] });
    const provider = spawn("node", ["provider.mjs"], {
      cwd: PROVIDER,
      env: { ...process.env, APP: origin, PROVIDER_PORT: String(providerPort) },
      stdio: ["ignore", "pipe", "ignore"],
    });
    await once(provider.stdout, "data");
    const signIn = async (login) => {
      const visitor = new Visitor();
      const page = await visitor.follow(`${origin}/auth/oauth/corp/start?redirect_to=/public`);
      const consent = await visitor.submit(page, { login, password: "anything" });
      const done = await visitor.submit(consent, {});
      assert.equal(done.url, `${origin}/public`, done.text);
      return visitor;
    };
    for (const login of ["mfa-bob", "bob"]) {
      const visitor = await signIn(login);
      const post = async (path, body) => {
        const headers = { "content-type": "application/json", origin };
        const sent = { method: "POST", headers, body: JSON.stringify(body) };
        return visitor.send(`${origin}/auth${path}`, sent);
      };
      const started = await (await post("/totp/register/start", {})).json();
      const code = totp(started.secret, Date.now() / 1000);
      const done = await post("/totp/register/finish", { challenge: started.challenge, code });
      assert.equal(done.status, 201, await done.text());

      const again = await signIn(login);
      const me = await again.send(`${origin}/me`);
      const isAccepted = trusted && login === "mfa-bob";
      assert.equal(me.status, isAccepted ? 200 : 401, `${login}, trusted: ${trusted}`);
      const cookies = [...again.jars.get(origin).keys()];
      assert.equal(cookies.includes("auth-pending"), !isAccepted, cookies.join());
    }
    provider.kill();
    await once(provider, "exit");
    await stop(server);
  }
});

test("by HTTP: RS256 with the secret in the header, ES256 with it in the body", async () => {
  const providerPort = await freePort();
  const issuer = `http://localhost:${providerPort}`;
  const client_secret = "not-a-secret-outside-this-example";
  const bed = await testbed({
    oidc: [
      { id: "corp", issuer, client_id: "corp", client_secret },
    ],
  });
  const es = await testbed({
    oidc: [
      { id: "corp-es", issuer, client_id: "corp-es", client_secret, algorithms: ["ES256"], client_secret_post: true },
    ],
  });
  for (const [id, { origin }] of [["corp", bed], ["corp-es", es]]) {
    const provider = spawn("node", ["provider.mjs"], {
      cwd: PROVIDER,
      env: { ...process.env, APP: origin, PROVIDER_PORT: String(providerPort) },
      stdio: ["ignore", "pipe", "ignore"],
    });
    await once(provider.stdout, "data");
    const visitor = new Visitor();
    const login = await visitor.follow(`${origin}/auth/oauth/${id}/start?redirect_to=/public`);
    const consent = await visitor.submit(login, { login: "bob", password: "anything" });
    const done = await visitor.submit(consent, {});
    assert.equal(done.url, `${origin}/public`, done.text);
    const me = await (await visitor.send(`${origin}/me`)).json();
    assert.equal(me.email, "bob@example.com");
    assert.equal(me.email_verified, true);
    provider.kill();
    await once(provider, "exit");
  }
  await stop(bed.server);
  await stop(es.server);
});

/** The provider for the testbed at an origin. */
async function provider(origin, port, environment = {}) {
  const running = spawn("node", ["provider.mjs"], {
    cwd: PROVIDER,
    env: { ...process.env, APP: origin, PROVIDER_PORT: String(port), ...environment },
    stdio: ["ignore", "pipe", "ignore"],
  });
  await once(running.stdout, "data");
  return running;
}

test("by HTTP: an application on a phone signs in with an ID token", async () => {
  const port = await freePort();
  const issuer = `http://localhost:${port}`;
  const client_secret = "not-a-secret-outside-this-example";
  const corp = { id: "corp", issuer, client_id: "corp", client_secret };
  const bed = await testbed({ oidc: [{ ...corp, id_token_audiences: ["phone"] }] });
  const running = await provider(bed.origin, port);
  const options = { [oauth.allowInsecureRequests]: true };
  try {
    const server = await oauth.processDiscoveryResponse(
      new URL(issuer),
      await oauth.discoveryRequest(new URL(issuer), options),
    );
    const phone = { client_id: "phone" };
    const redirect = "com.example.app:/signed-in";
    const visitor = new Visitor();
    const post = (path, body) => visitor.post(`${bed.origin}/auth/oauth/corp/${path}`, body);
    const newNonce = async () => (await (await post("nonce", {})).json()).nonce;

    /** Signs in at the provider as the application on the phone does. */
    const idToken = async (nonce) => {
      const verifier = oauth.generateRandomCodeVerifier();
      const url = new URL(server.authorization_endpoint);
      url.search = new URLSearchParams({
        client_id: phone.client_id,
        redirect_uri: redirect,
        response_type: "code",
        scope: "openid email profile",
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: "S256",
        nonce,
      });
      const isBack = (url) => url.startsWith(redirect);
      let page = await visitor.follow(url.href, {}, isBack);
      for (const fields of [{ login: "bob", password: "anything" }, {}]) {
        if (!isBack(page.url)) page = await visitor.submit(page, fields, isBack);
      }
      const answer = oauth.validateAuthResponse(server, phone, new URL(page.url));
      const tokens = await oauth.processAuthorizationCodeResponse(
        server,
        phone,
        await oauth.authorizationCodeGrantRequest(
          server, phone, oauth.None(), answer, redirect, verifier, options,
        ),
        { expectedNonce: nonce },
      );
      return tokens.id_token;
    };

    const nonce = await newNonce();
    const id_token = await idToken(nonce);
    const signedIn = await post("id-token", { id_token, nonce, display_name: "Bob B." });
    assert.equal(signedIn.status, 200, await signedIn.clone().text());
    const { user, session } = await signedIn.json();
    assert.equal(session.factors[0].method, "provider");
    // The ID token of this provider has the subject alone, so the user has no address.
    assert.deepEqual([user.email, user.display_name], [null, "Bob B."]);
    const me = await visitor.send(`${bed.origin}/me`);
    assert.equal((await me.json()).id, user.id);

    const code = async (answer) => [answer.status, (await answer.json()).code];
    assert.deepEqual(await code(await post("id-token", { id_token, nonce })), [400, "invalid_state"]);
    const next = await newNonce();
    const other = await code(await post("id-token", { id_token, nonce: next }));
    assert.deepEqual(other, [400, "invalid_id_token"], "the nonce of another sign-in");

    const hashed = await newNonce();
    const sha256 = createHash("sha256").update(hashed).digest("hex");
    const again = await post("id-token", { id_token: await idToken(sha256), nonce: hashed });
    assert.equal((await again.json()).user.id, user.id);
  } finally {
    running.kill();
    await once(running, "exit");
    await stop(bed.server);
  }
});

test("a response that the provider posts from another site signs in", async () => {
  const port = await freePort();
  // Cookies belong to a host whatever its port is, and these are two sites.
  const issuer = `http://127.0.0.1:${port}`;
  const client_secret = "not-a-secret-outside-this-example";
  const corp = { id: "corp", issuer, client_id: "corp", client_secret, form_post: true };
  for (const same_site of ["lax", "strict"]) {
    const bed = await testbed({ oidc: [corp], cookie: { same_site } });
    const running = await provider(bed.origin, port, { ISSUER: issuer });
    const context = await browser.newContext();
    try {
      const page = await context.newPage();
      const posts = [];
      page.on("request", (request) => {
        if (request.method() === "POST" && request.url().startsWith(bed.origin)) posts.push(request);
      });
      await page.goto(`${bed.origin}/auth/oauth/corp/start?redirect_to=/me`);
      await signInThere(page, "ada");
      await page.waitForURL(`${bed.origin}/me`);
      const me = JSON.parse(await page.locator("body").innerText());
      assert.equal(me.email, "ada@example.com");
      assert.equal(posts.length, 1);
      const headers = await posts[0].allHeaders();
      assert.equal(headers["sec-fetch-site"], "cross-site");
      assert.equal(headers.cookie, undefined);
    } finally {
      await context.close();
      running.kill();
      await once(running, "exit");
      await stop(bed.server);
    }
  }
});
