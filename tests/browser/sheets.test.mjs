// Sign-in with the sheet of a provider: One Tap and FedCM.

import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";

import { launch, open, stop, testbed } from "./support.mjs";

const CLIENT = "web-client";

let browser, provider, bed;

/** A provider that only publishes its keys; `token` returns an ID token with a nonce. */
async function publisher() {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const server = createServer((request, response) => {
    const at = (path) => `${issuer}/${path}`;
    const jwk = { ...publicKey.export({ format: "jwk" }), kid: "one", use: "sig", alg: "RS256" };
    const body = request.url.endsWith("/jwks") ? { keys: [jwk] } : {
      issuer, authorization_endpoint: at("authorize"), token_endpoint: at("token"), jwks_uri: at("jwks"),
    };
    response.setHeader("content-type", "application/json").end(JSON.stringify(body));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const token = (nonce, email) => {
    const now = Math.floor(Date.now() / 1_000);
    const claims = {
      iss: issuer, aud: CLIENT, sub: email, email, email_verified: true, nonce, iat: now, exp: now + 300,
    };
    const message = `${part({ alg: "RS256", kid: "one" })}.${part(claims)}`;
    return `${message}.${sign("sha256", Buffer.from(message), privateKey).toString("base64url")}`;
  };
  return { issuer, token, close: () => server.close() };
}

before(async () => {
  browser = await launch();
  provider = await publisher();
  const oidc = [{
    id: "google", issuer: provider.issuer, client_id: CLIENT, client_secret: "secret", id_token_audiences: ["app"],
  }];
  bed = await testbed({ oidc });
});

after(async () => {
  await browser?.close();
  if (bed) await stop(bed.server);
  provider?.close();
});

/** A page in which `token(nonce, email)` returns an ID token. */
async function page() {
  const context = await browser.newContext();
  await context.exposeFunction("token", (nonce, email) => provider.token(nonce, email));
  return open(context, bed.origin);
}

test("FedCM signs in with the nonce of the server", async () => {
  const own = await page();
  const [answer, asked] = await own.evaluate(async () => {
    let asked;
    navigator.credentials.get = async (options) => {
      asked = options;
      return { token: await token(options.identity.providers[0].params.nonce, "ada@example.com") };
    };
    const options = { clientId: "web-client", configURL: "https://id.example.com/fedcm.json", persistent: false };
    return [await auth.signInWithFedCM("google", options), asked];
  });
  assert.equal(answer.status, "complete");
  assert.equal(answer.user.email, "ada@example.com");
  const [{ clientId, configURL, nonce, params }] = asked.identity.providers;
  assert.deepEqual([clientId, configURL], [CLIENT, "https://id.example.com/fedcm.json"]);
  assert.ok(nonce && nonce === params.nonce);
  assert.equal((await own.evaluate(() => auth.session())).user.id, answer.user.id);
  await own.context().close();
});

test("a sheet that the user closes is null, and one that fails an error", async () => {
  const own = await page();
  const results = await own.evaluate(async () => {
    const results = [];
    for (const name of ["NotAllowedError", "NetworkError", "AbortError", "SecurityError"]) {
      navigator.credentials.get = () => Promise.reject(new DOMException("no", name));
      results.push(await tried(() => auth.signInWithFedCM("google", { clientId: "web-client" })));
    }
    navigator.credentials.get = async () => null;
    results.push(await tried(() => auth.signInWithFedCM("google", { clientId: "web-client" })));
    results.push(await tried(() => auth.signInWithOneTap("google", { clientId: "web-client" })));
    return results.map((one) => one && one.code);
  });
  assert.deepEqual(results, [null, null, null, "sheet_failed", null, "sheet_failed"]);
  await own.context().close();
});

test("One Tap signs in with the nonce of the server", async () => {
  const own = await page();
  const [answer, closed, given] = await own.evaluate(async () => {
    const given = [];
    let settings, dismissed = "credential_returned";
    window.google = { accounts: { id: {
      initialize(own) {
        settings = own;
        given.push({ ...own, callback: undefined });
      },
      async prompt(notify) {
        notify({ isDismissedMoment: () => true, getDismissedReason: () => dismissed, isSkippedMoment: () => false });
        if (dismissed !== "credential_returned") return;
        settings.callback({ credential: await token(settings.nonce, "eve@example.com") });
      },
    } } };
    const options = { clientId: "web-client", settings: { context: "signup" }, display_name: "Eve" };
    const answer = await auth.signInWithOneTap("google", options);
    dismissed = "cancel_called";
    return [answer, await auth.signInWithOneTap("google", options), given];
  });
  assert.deepEqual([answer.user.email, answer.user.display_name], ["eve@example.com", "Eve"]);
  assert.equal(closed, null);
  const [{ client_id, context, use_fedcm_for_prompt, nonce }] = given;
  assert.deepEqual([client_id, context, use_fedcm_for_prompt], [CLIENT, "signup", true]);
  assert.notEqual(nonce, given[1].nonce);
  await own.context().close();
});

test("a token for another nonce is rejected", async () => {
  const own = await page();
  const refused = await own.evaluate(() =>
    tried(() => auth.signInWithIdToken("google", () => token("another nonce", "mallory@example.com"))));
  assert.equal(refused.code, "invalid_id_token");
  await own.context().close();
});
