// Sessions that Chromium binds to a key by itself (Device Bound Session Credentials), over https.

import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { test } from "node:test";

import { secureTestbed } from "./https.mjs";

const REGISTER = "/auth/device/register";
const REFRESH = "/auth/device/refresh";
const PROOF = /^[\w-]+\.[\w-]+\.[\w-]+$/;

async function until(what, isSo) {
  const end = Date.now() + 60_000;
  while (!(await isSo())) {
    assert.ok(Date.now() < end, `${what} did not happen`);
    await setTimeout(50);
  }
}

/** The status and the body of a request by the page. */
function send(page, path, body) {
  const call = async ([path, body]) => {
    const headers = { "content-type": "application/json" };
    const options = body && { method: "POST", headers, body: JSON.stringify(body) };
    const answer = await fetch(path, options ?? {});
    return { status: answer.status, text: await answer.text() };
  };
  return page.evaluate(call, [path, body]);
}

const status = async (page, path, body) => (await send(page, path, body)).status;

/** Waits until the access cookie of a browser has expired. */
function expired(browser) {
  return until("the expiry of the cookie", async () => {
    const cookies = await browser.cookies();
    return !cookies.some(({ name }) => name === "__Host-auth");
  });
}

/** The recorded requests to a path, in the order of their responses. */
const to = (requests, path) => requests.filter((own) => own.path === path);

const proof = (request) => request.headers["secure-session-response"];

/** The claims and the header of a proof. */
function parts(request) {
  assert.match(proof(request), PROOF, "bare");
  assert.equal(request.headers["content-length"], "0");
  return proof(request).split(".").slice(0, 2).map((part) => JSON.parse(Buffer.from(part, "base64url")));
}

/** The cookies of a response without their attributes. */
const tokens = (request) => request.answered["set-cookie"].map((line) => line.split(";")[0]);

/** Signs up, and waits until the browser has registered a key and stored the session. */
async function signUp(bed, browser) {
  const page = await browser.newPage();
  await page.goto(`${bed.origin}/public`);
  const account = { email: "ada@example.com", password: "zq8 xw2v plum" };
  assert.equal(await status(page, "/auth/sign-up", account), 201);
  await until("the registration", () => to(bed.requests, REGISTER).length > 0);
  return page;
}

/** Removes the access cookie, until the browser refreshes the session by itself. */
async function refreshed(bed, browser, page) {
  await until("a refresh", async () => {
    await browser.clearCookies({ name: "__Host-auth" });
    return (await status(page, "/bound")) === 200 && to(bed.requests, REFRESH).length > 0;
  });
}

test("Chromium binds a session, and stolen cookies expire with the access cookie", async () => {
  const bed = await secureTestbed({ device_bound: true, access_ttl_s: 6 });
  const [browser, other] = [await bed.browser(), await bed.browser()];
  try {
    const page = await signUp(bed, browser);
    const [registered] = to(bed.requests, REGISTER);
    assert.equal(registered.status, 200);
    const [header, claims] = parts(registered);
    assert.deepEqual([header.typ, header.alg, header.jwk.kty], ["dbsc+jwt", "ES256", "EC"]);
    const [signedUp] = to(bed.requests, "/auth/sign-up");
    assert.ok(signedUp.answered["secure-session-registration"].includes(`challenge="${claims.jti}"`));
    const id = JSON.parse(registered.body).session_identifier;

    // Everything that the browser sends is copied into another profile.
    const cookies = await browser.cookies();
    assert.deepEqual(cookies.map(({ name }) => name).sort(), ["__Host-auth", "__Host-auth-refresh"]);
    await other.addCookies(cookies.map((own) => ({ ...own, expires: -1 })));
    const thief = await other.newPage();
    await thief.goto(`${bed.origin}/public`);
    assert.equal(await status(thief, "/me"), 200, "as long as the access cookie is valid");

    // The browser refreshes before the next request. The response is lost, so it sends the proof again.
    await expired(browser);
    bed.requests.length = 0;
    bed.lost.add(`200 ${REFRESH}`);
    assert.equal(await status(page, "/bound"), 200);
    const [asked, lost, again] = to(bed.requests, REFRESH);
    assert.deepEqual([asked.status, proof(asked)], [403, undefined]);
    const challenge = asked.answered["secure-session-challenge"];
    const [signed] = parts(lost);
    assert.deepEqual([signed.typ, signed.alg, signed.jwk], ["dbsc+jwt", "ES256", undefined]);
    assert.equal(challenge, `"${parts(lost)[1].jti}";id="${id}"`);
    assert.deepEqual([lost.status, lost.isLost], [200, true]);
    assert.deepEqual([again.status, proof(again)], [200, proof(lost)]);
    assert.equal(again.headers["sec-secure-session-id"], id);
    assert.deepEqual(tokens(again), tokens(lost));

    // The copy is of no use any more, and the owner notices nothing.
    await until("the end of the copy", async () => (await status(thief, "/me")) === 401);
    assert.match((await send(thief, "/me")).text, /"code":"device_proof_required"/);
    const refused = await send(thief, "/auth/refresh", {});
    assert.equal(refused.status, 401);
    assert.match(refused.text, /"code":"device_proof_required"/);
    const values = (all) => all.map(({ name, value }) => [name, value]).sort();
    assert.deepEqual(values(await other.cookies()), values(cookies));
    await expired(browser);
    bed.requests.length = 0;
    assert.equal(await status(page, "/bound"), 200);
    // This time the browser has a challenge from the last response.
    assert.match(proof(to(bed.requests, REFRESH)[0]), PROOF);
    assert.equal(to(bed.requests, REFRESH)[0].status, 200);
    const { events } = await (await fetch(`${bed.inner}/testbed/events`)).json();
    const kinds = new Set(events.map((event) => event.kind));
    assert.ok(kinds.has("device_bound") && !kinds.has("device_proof_refused"));
    assert.ok(!kinds.has("refresh_reused"));
  } finally {
    await browser.close();
    await other.close();
    await bed.end();
  }
});

test("Chromium forgets the key after a sign-out", async () => {
  const bed = await secureTestbed({ device_bound: true });
  const browser = await bed.browser();
  try {
    const page = await signUp(bed, browser);
    await refreshed(bed, browser, page);
    assert.equal(await status(page, "/auth/sign-out", {}), 204);
    bed.requests.length = 0;
    assert.equal(await status(page, "/me"), 401);
    const answers = to(bed.requests, REFRESH).map((own) => [own.status, own.body]);
    assert.deepEqual(answers, [[200, '{"continue":false}']]);
    assert.equal(await status(page, "/me"), 401);
    assert.equal(to(bed.requests, REFRESH).length, 1);
  } finally {
    await browser.close();
    await bed.end();
  }
});

test("Chromium reports that it refreshes no more for a while", async () => {
  const bed = await secureTestbed({ device_bound: true });
  const browser = await bed.browser();
  try {
    const page = await signUp(bed, browser);
    await refreshed(bed, browser, page);
    let answer;
    await until("the limit of the browser", async () => {
      await browser.clearCookies({ name: "__Host-auth" });
      answer = await send(page, "/me");
      return answer.status !== 200;
    });
    assert.equal(answer.status, 401);
    assert.match(answer.text, /"code":"device_proof_required"/);
    const skipped = bed.requests.at(-1).headers["secure-session-skipped"];
    assert.match(skipped, /^quota_exceeded;session_identifier="/);
    const { events } = await (await fetch(`${bed.inner}/testbed/events`)).json();
    const reasons = events.filter(({ kind }) => kind === "device_skipped").map((own) => own.detail.reason);
    assert.deepEqual(reasons, ["quota_exceeded"]);
  } finally {
    await browser.close();
    await bed.end();
  }
});
