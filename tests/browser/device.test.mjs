// The device authorization grant with oauth4webapi, and its page in a browser.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import * as oauth from "oauth4webapi";

import { launch, stop, testbed } from "./support.mjs";

const CLIENT = { client_id: "cli" };
const OPTIONS = { [oauth.allowInsecureRequests]: true };

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

async function advance(origin, seconds) {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ advance_ms: seconds * 1000 });
  assert.equal((await fetch(`${origin}/testbed/clock`, { method: "POST", headers, body })).status, 200);
}

/** Discovers the server, and begins a request of the program. `key` makes proofs of possession. */
async function begin(origin, key) {
  const issuer = new URL(origin);
  const found = await oauth.discoveryRequest(issuer, { ...OPTIONS, algorithm: "oauth2" });
  const server = await oauth.processDiscoveryResponse(issuer, found);
  const asked = await oauth.deviceAuthorizationRequest(server, CLIENT, oauth.None(), {}, OPTIONS);
  const device = await oauth.processDeviceAuthorizationResponse(server, CLIENT, asked);
  const poll = async () => {
    const code = device.device_code;
    const options = { ...OPTIONS, DPoP: key };
    const answer = await oauth.deviceCodeGrantRequest(server, CLIENT, oauth.None(), code, options);
    return oauth.processDeviceCodeResponse(server, CLIENT, answer);
  };
  return { server, device, poll };
}

/** Exchanges a refresh token. */
async function refresh(server, token, key) {
  const options = { ...OPTIONS, DPoP: key };
  const answer = await oauth.refreshTokenGrantRequest(server, CLIENT, oauth.None(), token, options);
  return oauth.processRefreshTokenResponse(server, CLIENT, answer);
}

/** Signs up on the page, and approves a request there. */
async function approve(page, origin, device) {
  await page.goto(`${origin}/account/sign-up`);
  await page.getByLabel("Email address").fill("ada@example.com");
  await page.getByLabel("Password", { exact: true }).fill("zq8 xw2v plum");
  await page.getByRole("button", { name: "Create account" }).click();
  await page.goto(device.verification_uri_complete);
  assert.equal(await page.getByLabel("Code").inputValue(), device.user_code);
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByText(/Notes for the command line.* asks to use your account/).waitFor();
  await page.getByRole("button", { name: "Approve" }).click();
  await page.waitForURL(`${origin}/account/device?done=1`);
}

const fails = (code) => (error) => error instanceof oauth.ResponseBodyError && error.error === code;

test("a program signs in through the page of the user", async () => {
  const clients = [{ id: "cli", name: "Notes for the command line" }];
  const { origin, server: process } = await testbed({ pages: true, device_grant: { clients } });
  const context = await browser.newContext({ javaScriptEnabled: false });
  try {
    const { server, device, poll } = await begin(origin);
    await assert.rejects(poll, fails("authorization_pending"));
    await assert.rejects(poll, fails("slow_down"));

    const page = await context.newPage();
    await approve(page, origin, device);

    await advance(origin, 10);
    const tokens = await poll();
    assert.equal(tokens.token_type, "bearer");
    const headers = { authorization: `Bearer ${tokens.access_token}` };
    const me = await (await fetch(`${origin}/me`, { headers })).json();
    assert.equal(me.email, "ada@example.com");
    await assert.rejects(poll, fails("invalid_grant"));

    const next = await refresh(server, tokens.refresh_token);
    assert.notEqual(next.refresh_token, tokens.refresh_token);
    await assert.rejects(() => refresh(server, "art_x"), fails("invalid_grant"));

    const denied = await begin(origin);
    await page.goto(denied.device.verification_uri);
    await page.getByLabel("Code").fill(denied.device.user_code.toLowerCase());
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByRole("button", { name: "Deny" }).click();
    await page.waitForURL(`${origin}/account/device?done=1`);
    await assert.rejects(denied.poll, fails("access_denied"));
  } finally {
    await context.close();
    await stop(process);
  }
});

test("a program binds its tokens to a key", async () => {
  const clients = [{ id: "cli", name: "Notes for the command line" }];
  const { origin, server: process } = await testbed({ pages: true, dpop: true, device_grant: { clients } });
  const context = await browser.newContext({ javaScriptEnabled: false });
  try {
    for (const algorithm of ["ES256", "Ed25519", "RS256"]) {
      const key = oauth.DPoP(CLIENT, await oauth.generateKeyPair(algorithm));
      const { server, device, poll } = await begin(origin, key);
      const page = await context.newPage();
      if (algorithm === "ES256") await approve(page, origin, device);
      else {
        await page.goto(device.verification_uri_complete);
        await page.getByRole("button", { name: "Continue" }).click();
        await page.getByRole("button", { name: "Approve" }).click();
        await page.waitForURL(`${origin}/account/device?done=1`);
      }
      const tokens = await poll();
      assert.equal(tokens.token_type, "dpop", algorithm);
      const get = async (token, path = "/me", own = key) => {
        const options = { ...OPTIONS, DPoP: own };
        const url = new URL(path, origin);
        return oauth.protectedResourceRequest(token, "GET", url, undefined, undefined, options);
      };
      const me = await (await get(tokens.access_token)).json();
      assert.equal(me.email, "ada@example.com");
      const { session } = await (await get(tokens.access_token, "/auth/session")).json();
      assert.equal(session.bound, "dpop");

      const other = oauth.DPoP(CLIENT, await oauth.generateKeyPair("ES256"));
      const challenged = (error) => {
        const [challenge] = error.cause;
        return error instanceof oauth.WWWAuthenticateChallengeError && challenge.scheme === "dpop";
      };
      await assert.rejects(get(tokens.access_token, "/me", other), challenged);
      const headers = { authorization: `Bearer ${tokens.access_token}` };
      assert.equal((await fetch(`${origin}/me`, { headers })).status, 401);
      await assert.rejects(refresh(server, tokens.refresh_token), fails("invalid_dpop_proof"));
      await assert.rejects(refresh(server, tokens.refresh_token, other), fails("invalid_dpop_proof"));

      const next = await refresh(server, tokens.refresh_token, key);
      assert.equal(next.token_type, "dpop");
      assert.notEqual(next.refresh_token, tokens.refresh_token);
      assert.equal((await get(next.access_token)).status, 200);
    }
  } finally {
    await context.close();
    await stop(process);
  }
});
