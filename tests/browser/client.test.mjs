// The browser module: if several tabs and requests find the access token expired, one of them
// refreshes and no session is lost.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, stop, testbed } from "./support.mjs";

const PASSWORD = "zq8 xw2v plum";

let bed, browser;

before(async () => {
  bed = await testbed();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stop(bed.server);
});

/** Two tabs of one browser with the module loaded, and every path that they request. */
async function tabs(without) {
  const context = await browser.newContext();
  if (without) await context.addInitScript(without);
  const asked = [];
  context.on("request", (request) => asked.push(new URL(request.url()).pathname));
  const pages = [await context.newPage(), await context.newPage()];
  for (const page of pages) {
    await page.clock.install();
    await page.goto(`${bed.origin}/public`);
    await page.evaluate(async () => {
      window.heard = [];
      ({ auth: window.auth, AuthError: window.AuthError } = await import("/auth/client.js"));
      for (const type of ["signin", "signout"]) {
        auth.addEventListener(type, ({ detail }) => heard.push([type, detail.user?.email ?? null]));
      }
    });
  }
  return { context, asked, pages };
}

function signUp(page, email) {
  return page.evaluate((fields) => auth.signUp(fields), { email, password: PASSWORD });
}

/** Advances the clocks of the server and of the tabs by a quarter of an hour. */
async function expire(pages) {
  const body = JSON.stringify({ advance_ms: 900_000 });
  const headers = { "content-type": "application/json" };
  await fetch(`${bed.origin}/testbed/clock`, { method: "POST", headers, body });
  for (const page of pages) await page.clock.fastForward(900_000);
}

function twenty(page) {
  return page.evaluate(async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, () => auth.fetch("/me")));
    return answers.map(({ status }) => status);
  });
}

test("two tabs with twenty requests each refresh once and remain signed in", async () => {
  const { context, asked, pages } = await tabs();
  const { user, session } = await signUp(pages[0], "ada@example.com");
  assert.equal(user.email, "ada@example.com");
  await expire(pages);

  const statuses = await Promise.all(pages.map(twenty));
  assert.deepEqual(new Set(statuses.flat()), new Set([200]));
  assert.equal(asked.filter((path) => path === "/auth/refresh").length, 1);
  const { events } = await (await fetch(`${bed.origin}/testbed/events`)).json();
  const own = events.filter(({ session_id }) => session_id === session.id);
  assert.deepEqual(own.map(({ kind }) => kind), ["signed_in", "refreshed"]);
  const still = await Promise.all(pages.map((page) => page.evaluate(() => auth.session())));
  assert.deepEqual(still.map(({ user }) => user.email), ["ada@example.com", "ada@example.com"]);
  await context.close();
});

test("tabs coordinate by a lease if the Web Locks API is missing", async () => {
  const { context, asked, pages } = await tabs(() => {
    Object.defineProperty(navigator, "locks", { value: undefined });
  });
  await signUp(pages[0], "bob@example.com");
  await expire(pages);
  const statuses = await Promise.all(pages.map(twenty));
  assert.deepEqual(new Set(statuses.flat()), new Set([200]));
  assert.equal(asked.filter((path) => path === "/auth/refresh").length, 1);
  await context.close();
});

test("a hung refresh blocks the other tabs no longer than its timeout", async () => {
  const { context, pages: [stuck, other] } = await tabs();
  await signUp(stuck, "hal@example.com");
  await expire([stuck, other]);
  let held = 0;
  await context.route("**/auth/refresh", async (route) => {
    // The first one gets no response.
    if (held++ > 0) await route.continue();
  });
  await stuck.evaluate(() => {
    window.hanging = auth.refresh().then(() => "answered", (error) => error.name);
  });
  await stuck.waitForFunction(() => navigator.locks.query().then(({ held }) => held.length > 0));
  const waiting = other.evaluate(async () => (await auth.fetch("/me")).status);
  await stuck.clock.fastForward(10_000);
  assert.equal(await stuck.evaluate(() => window.hanging), "AbortError");
  assert.equal(await waiting, 200);
  await context.close();
});

test("spaces around an email address and inside a code are removed", async () => {
  const { context, pages: [page] } = await tabs();
  const sent = [];
  context.on("request", (request) => sent.push(request.postDataJSON()));
  await page.evaluate((password) => auth.signUp({ email: " ian@example.com ", password }), PASSWORD);
  await page.evaluate(() => auth.verify("ach_none", " 123-456\n").catch(() => {}));
  assert.equal(sent[0].email, "ian@example.com");
  assert.equal(sent[1].code, "123456");
  await context.close();
});

test("a request that gets a 401 is retried once with its body", async () => {
  const { context, asked, pages: [page] } = await tabs();
  await signUp(page, "cyd@example.com");
  let bodies = [];
  await context.route("**/note", async (route) => {
    bodies.push(route.request().postData());
    if (bodies.length === 1) await route.fulfill({ status: 401 });
    else await route.continue();
  });
  const answer = await page.evaluate(async () => {
    const response = await auth.fetch("/note", { method: "POST", body: "kept" });
    return response.json();
  });
  assert.deepEqual(answer, { ok: true });
  assert.deepEqual(bodies, ["kept", "kept"]);
  assert.equal(asked.filter((path) => path === "/auth/refresh").length, 1);

  bodies = [];
  await context.unroute("**/note");
  await context.route("**/note", (route) => {
    bodies.push(route.request().postData());
    return route.fulfill({ status: 401 });
  });
  const refused = await page.evaluate(async () => (await auth.fetch("/note", { method: "POST" })).status);
  assert.equal(refused, 401);
  assert.equal(bodies.length, 2, "one retry");
  await context.close();
});

test("every tab receives sign-in and sign-out events, and errors have a code", async () => {
  const { context, asked, pages: [one, two] } = await tabs();
  assert.equal(await one.evaluate(() => auth.session()), null);
  const weak = await one.evaluate(async () => {
    try {
      await auth.signUp({ email: "dee@example.com", password: "short" });
    } catch (error) {
      return [error instanceof AuthError, error.status, error.code, error.problem.reasons];
    }
  });
  assert.deepEqual(weak, [true, 422, "weak_password", ["too_short"]]);
  await signUp(one, "dee@example.com");
  await one.evaluate(() => auth.signOut());
  for (const page of [one, two]) {
    await page.waitForFunction(() => heard.length === 2);
    const heard = await page.evaluate(() => window.heard);
    assert.deepEqual(heard, [["signin", "dee@example.com"], ["signout", null]]);
  }
  assert.deepEqual(await context.cookies(), []);
  assert.equal(await two.evaluate(async () => (await auth.fetch("/me")).status), 401);
  assert.ok(!asked.includes("/auth/refresh"), "no refresh without a session");
  await context.close();
});

test("a session is revoked from another device", async () => {
  const laptop = await tabs();
  const phone = await tabs();
  await signUp(laptop.pages[0], "eve@example.com");
  const fields = { email: "eve@example.com", password: PASSWORD };
  await phone.pages[0].evaluate((fields) => auth.signIn(fields), fields);
  const ended = await phone.pages[0].evaluate(async () => {
    const other = (await auth.sessions()).find(({ current }) => !current);
    await auth.endSession(other.id);
    return [(await auth.sessions()).length, await auth.endSessions("others")];
  });
  assert.deepEqual(ended, [1, 0]);
  assert.equal(await laptop.pages[0].evaluate(() => auth.session()), null);
  await laptop.pages[1].waitForFunction(() => heard.some(([type]) => type === "signout"));
  await Promise.all([laptop.context.close(), phone.context.close()]);
});

test("a user verifies the email address, resets the password and deletes the account", async () => {
  const strict = await testbed({ verify_email: true });
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${strict.origin}/public`);
  await page.evaluate(async () => {
    ({ auth: window.auth } = await import("/auth/client.js"));
  });
  const last = async () => {
    const answer = await fetch(`${strict.origin}/testbed/mail?to=fay@example.com`);
    return (await answer.json()).messages.at(-1);
  };
  const fields = { email: "fay@example.com", password: PASSWORD };
  const pending = await page.evaluate((fields) => auth.signUp(fields), fields);
  assert.equal(pending.status, "pending");
  const again = await page.evaluate((handle) => auth.resendCode(handle), pending.challenge);
  assert.equal(again.challenge, pending.challenge);
  const proof = { handle: pending.challenge, code: (await last()).code };
  const { user } = await page.evaluate(({ handle, code }) => auth.verify(handle, code), proof);
  assert.equal(user.email_verified, true);

  await page.evaluate(() => auth.signOut());
  await page.evaluate(() => auth.forgotPassword("fay@example.com"));
  const token = (await last()).link.split("#token=")[1];
  await page.evaluate((token) => auth.resetPassword(token, "wq3 tulip okapi"), token);
  assert.equal(await page.evaluate(() => auth.session()), null);
  fields.password = "wq3 tulip okapi";
  await page.evaluate((fields) => auth.signIn(fields), fields);
  await page.evaluate((was) => auth.changePassword(was, "heron 41 gravel"), fields.password);
  const change = await page.evaluate(() => auth.changeEmail("new@example.com"));
  assert.deepEqual(change.methods, ["email_code"]);
  await page.evaluate(() => auth.deleteAccount());
  assert.equal(await page.evaluate(() => auth.session()), null);
  await page.context().close();
  await stop(strict.server);
});
