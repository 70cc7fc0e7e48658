// The browser module: if several tabs and requests find the access token expired, one of them
// refreshes and no session is lost.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { advance, launch, load, open, stop, testbed } from "./support.mjs";

const PASSWORD = "zq8 xw2v plum";

let bed, browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

// The clock of a test does not advance that of the next one.
beforeEach(async () => {
  bed = await testbed();
});

afterEach(() => stop(bed.server));

/** Two tabs of one browser with the module loaded, and every path that they request. */
async function tabs(without, options) {
  const context = await browser.newContext();
  if (without) await context.addInitScript(without);
  const asked = [];
  context.on("request", (request) => asked.push(new URL(request.url()).pathname));
  const pages = [await context.newPage(), await context.newPage()];
  for (const page of pages) {
    await page.clock.install();
    await page.goto(`${bed.origin}/public`);
    await load(page, options);
    await page.evaluate(() => {
      window.heard = [];
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
  await advance(bed.origin, 900_000);
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
    window.hanging = auth.refresh().then(() => "answered", (error) => error.code);
  });
  await stuck.waitForFunction(() => navigator.locks.query().then(({ held }) => held.length > 0));
  const waiting = other.evaluate(async () => (await auth.fetch("/me")).status);
  await stuck.clock.fastForward(10_000);
  assert.equal(await stuck.evaluate(() => window.hanging), "timeout");
  assert.equal(await waiting, 200);
  await context.close();
});

test("a tab that never releases the lock blocks the others no longer than its timeout", async () => {
  const { context, asked, pages: [stuck, other] } = await tabs();
  await signUp(other, "ivy@example.com");
  await expire([stuck, other]);
  await stuck.evaluate(() => {
    const key = `authlayer:${location.origin}/auth/:lock`;
    return new Promise((held) => {
      navigator.locks.request(key, () => new Promise(() => held()));
    });
  });
  const waiting = other.evaluate(async () => (await auth.fetch("/me")).status);
  await other.waitForFunction(() => navigator.locks.query().then(({ pending }) => pending.length > 0));
  assert.ok(!asked.includes("/auth/refresh"));
  await other.clock.fastForward(10_000);
  assert.equal(await waiting, 200);
  assert.equal(asked.filter((path) => path === "/auth/refresh").length, 1);
  await context.close();
});

test("tabs refresh without the lock if the browser denies it", async () => {
  const { context, asked, pages } = await tabs(() => {
    const denied = async () => {
      throw new DOMException("denied", "SecurityError");
    };
    Object.defineProperty(navigator, "locks", { value: { request: denied } });
  });
  await signUp(pages[0], "jon@example.com");
  await expire(pages);
  assert.deepEqual(new Set(await twenty(pages[0])), new Set([200]));
  assert.equal(asked.filter((path) => path === "/auth/refresh").length, 1);
  await context.close();
});

test("a server that hangs is a timeout, and one that is unreachable a network error", async () => {
  const { context, pages: [page] } = await tabs();
  await signUp(page, "kai@example.com");
  for (const path of ["session", "sign-out"]) {
    await context.route(`**/auth/${path}`, () => {});
  }
  for (const [path, work] of [["session", "session"], ["sign-out", "signOut"]]) {
    const sent = page.waitForRequest(`**/auth/${path}`);
    const hanging = page.evaluate((work) => tried(() => auth[work]()), work);
    await sent;
    await page.clock.fastForward(30_000);
    const { name, code, status } = await hanging;
    assert.deepEqual([name, code, status], ["AuthError", "timeout", 0]);
  }
  await context.unrouteAll();
  await context.setOffline(true);
  const offline = await page.evaluate(() => tried(() => auth.signOut()));
  assert.deepEqual([offline.name, offline.code, offline.status], ["AuthError", "network_error", 0]);
  const raw = await page.evaluate(() => auth.fetch("/me").catch((error) => error.name));
  assert.equal(raw, "TypeError", "requests of the application fail like those of fetch");
  await context.setOffline(false);
  assert.equal((await page.evaluate(() => auth.session())).user.email, "kai@example.com");
  const heard = await page.evaluate(() => window.heard.map(([type]) => type));
  assert.deepEqual(heard, ["signin"], "a failed sign-out is none");
  await context.close();
});

test("a response that is no JSON is an error with its status", async () => {
  const { context, pages: [page] } = await tabs();
  const answers = [[502, "<h1>Bad gateway</h1>"], [200, "<h1>Sign in to the Wi-Fi</h1>"]];
  for (const [status, body] of answers) {
    await context.route("**/auth/sign-in", (route) => route.fulfill({ status, body }));
    const fields = { email: "kai@example.com", password: PASSWORD };
    const error = await page.evaluate((fields) => tried(() => auth.signIn(fields)), fields);
    assert.deepEqual([error.name, error.code, error.status], ["AuthError", "unknown", status]);
    await context.unroute("**/auth/sign-in");
  }
  await context.close();
});

test("an error names members, waiting time and missing permissions", async () => {
  const { context, pages: [page] } = await tabs();
  const fields = { email: "lea@example.com", password: PASSWORD };
  await page.evaluate((fields) => auth.signUp(fields), fields);
  const invalid = await page.evaluate(() => tried(() => auth.updateAccount({ roles: ["admin"] })));
  assert.deepEqual([invalid.code, invalid.members], ["invalid_request", ["roles"]]);
  const nothing = await page.evaluate(() => tried(() => auth.request("GET", "nowhere")));
  assert.deepEqual([nothing.code, nothing.status, nothing.members], ["not_found", 404, []]);
  await page.evaluate(() => auth.signOut());
  const wrong = { ...fields, email: "nobody@example.com", password: "wrong password" };
  const guess = (times) =>
    page.evaluate(async ([fields, times]) => {
      let last;
      for (let at = 0; at < times; at++) last = await tried(() => auth.signIn(fields));
      return last;
    }, [wrong, times]);
  assert.equal((await guess(5)).retryAfter, undefined);
  const limited = await guess(1);
  assert.equal(limited.status, 429);
  assert.equal(limited.code, "too_many_attempts");
  assert.equal(limited.retryAfter, 1);
  const missing = { code: "forbidden", title: "Forbidden", missing: ["role:admin"] };
  await context.route("**/auth/account", (route) => route.fulfill({ status: 403, json: missing }));
  const forbidden = await page.evaluate(() => tried(() => auth.account()));
  assert.deepEqual([forbidden.code, forbidden.missing], ["forbidden", ["role:admin"]]);
  await context.close();
});

test("a request that requires a step-up is sent again after it", async () => {
  const context = await browser.newContext();
  const page = await open(context, bed.origin);
  await signUp(page, "max@example.com");
  await advance(bed.origin, 700_000);
  const asked = await page.evaluate(() => tried(() => auth.setPassword("wq3 tulip okapi")));
  assert.deepEqual([asked.status, asked.code, asked.methods], [403, "step_up_required", ["password"]]);
  assert.equal((await page.evaluate(async () => (await auth.fetch("/fresh")).status)), 403);

  await page.evaluate(() => {
    window.steps = [];
    auth.onStepUp = async ({ methods, problem }) => {
      steps.push([methods, problem.code]);
      return false;
    };
  });
  const declined = await page.evaluate(async () => [
    (await auth.fetch("/fresh")).status, (await tried(() => auth.setPassword("wq3 tulip okapi"))).code,
  ]);
  assert.deepEqual(declined, [403, "step_up_required"]);
  assert.deepEqual(await page.evaluate(() => steps), Array(2).fill([["password"], "step_up_required"]));

  await page.evaluate((password) => {
    steps.length = 0;
    auth.onStepUp = ({ methods }) => {
      steps.push(methods);
      return auth.verifyPassword(password);
    };
  }, PASSWORD);
  const both = await page.evaluate(async () => {
    const work = [auth.fetch("/fresh"), tried(() => auth.setPassword("wq3 tulip okapi"))];
    const [response, set] = await Promise.all(work);
    return [response.status, set.code];
  });
  assert.deepEqual(both, [200, "password_exists"], "the second one is past the step-up");
  assert.equal(await page.evaluate(() => steps.length), 1, "one step-up for both");
  await context.close();
});

test("a request of onStepUp that requires a step-up fails, and does not wait for itself", async () => {
  const context = await browser.newContext();
  const page = await open(context, bed.origin);
  await signUp(page, "ned@example.com");
  await advance(bed.origin, 700_000);
  await page.evaluate((password) => {
    window.inner = [];
    auth.onStepUp = async () => {
      inner.push((await auth.fetch("/fresh")).status);
      inner.push((await tried(() => auth.setPassword("wq3 tulip okapi"))).code);
      return auth.verifyPassword(password);
    };
  }, PASSWORD);
  const outer = await page.evaluate(async () => (await auth.fetch("/fresh")).status);
  assert.equal(outer, 200);
  assert.deepEqual(await page.evaluate(() => inner), [403, "step_up_required"]);
  await advance(bed.origin, 700_000);
  assert.equal(await page.evaluate(async () => (await auth.fetch("/fresh")).status), 200, "the next one is asked again");
  await context.close();
});

test("a 403 without a problem document is returned, and calls no onStepUp", async () => {
  const { context, pages: [page] } = await tabs();
  await signUp(page, "ole@example.com");
  await page.evaluate(() => {
    window.steps = 0;
    auth.onStepUp = () => void steps++;
  });
  const json = "application/json", html = "text/html";
  for (const [contentType, body] of [
    [json, "null"], [json, ""], [json, "{"], [json, "[]"], [json, '"step_up_required"'],
    [html, '{"code":"step_up_required"}'],
  ]) {
    const answer = (route) => route.fulfill({ status: 403, contentType, body });
    await context.route("**/files", answer);
    const got = await page.evaluate(async () => {
      const response = await auth.fetch("/files");
      return [response.status, await response.text()];
    });
    assert.deepEqual(got, [403, body], `${contentType} ${body}`);
    await context.unroute("**/files", answer);
  }
  assert.equal(await page.evaluate(() => steps), 0);
  const problem = { code: "step_up_required", methods: ["password"] };
  const contentType = "application/problem+json; charset=utf-8";
  const body = JSON.stringify(problem);
  await context.route("**/files", (route) => route.fulfill({ status: 403, contentType, body }));
  assert.equal(await page.evaluate(async () => (await auth.fetch("/files")).status), 403);
  assert.equal(await page.evaluate(() => steps), 1);
  await context.close();
});

test("a route of the application may return any JSON value", async () => {
  const { context, pages: [page] } = await tabs();
  for (const value of [null, false, 0, "", [], {}]) {
    const answer = (route) => route.fulfill({ status: 200, json: value });
    await context.route("**/auth/flags", answer);
    const got = await page.evaluate(async () => ({ value: await auth.request("GET", "flags") }));
    assert.deepEqual(got, { value });
    await context.unroute("**/auth/flags", answer);
  }
  await context.close();
});

test("the way back leads to this origin or to one that is listed", async () => {
  const { context, pages: [page] } = await tabs();
  for (const [search, expected] of [
    ["", "/"],
    ["?return_to=/notes%3Fpage%3D2%23last", "/notes?page=2#last"],
    ["?return_to=notes", "/notes"],
    [`?return_to=${bed.origin}/notes`, "/notes"],
    ["?return_to=https://app.example.com/notes", "https://app.example.com/notes"],
    ["?return_to=https://evil.example/", "/"],
    ["?return_to=//evil.example/", "/"],
    ["?return_to=/%5Cevil.example/", "/"],
    ["?return_to=/.//evil.example/", "/"],
    ["?return_to=/%09/evil.example/", "/"],
    ["?return_to=javascript:alert(1)", "/"],
    ["?return_to=http://[", "/"],
    ["?return_to=/a&return_to=/b", "/"],
    [`?return_to=/${"a".repeat(2_048)}`, "/"],
  ]) {
    const options = { search, origins: ["https://app.example.com"] };
    assert.equal(await page.evaluate((options) => auth.returnTo(options), options), expected, search);
  }
  await page.goto(`${bed.origin}/public?return_to=/me`);
  await load(page);
  assert.equal(await page.evaluate(() => auth.returnTo()), "/me");
  const none = () => auth.returnTo({ search: "", fallback: "/home" });
  assert.equal(await page.evaluate(none), "/home");
  await context.close();
});

test("bearer tokens in memory are in no storage and no response, and end with the page", async () => {
  const { context, asked, pages } = await tabs(undefined, { transport: "bearer" });
  const [page, other] = pages;
  const answer = await signUp(page, "mia@example.com");
  assert.equal(answer.session.transport, "bearer");
  assert.equal(answer.tokens, undefined);
  assert.deepEqual(await context.cookies(), []);
  await expire([page]);
  assert.deepEqual(new Set(await twenty(page)), new Set([200]));
  assert.equal(asked.filter((path) => path === "/auth/refresh").length, 1);
  assert.equal((await page.evaluate(() => auth.session())).user.email, "mia@example.com");
  const stored = () => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]);
  assert.doesNotMatch(await page.evaluate(stored), /a[ar]t_/);
  assert.equal(await other.evaluate(() => auth.session()), null);
  const changed = ([was, password]) => auth.changePassword(was, password);
  await page.evaluate(changed, [PASSWORD, "wq3 tulip okapi"]);
  assert.equal(await page.evaluate(async () => (await auth.fetch("/me")).status), 200);
  await page.reload();
  await load(page, { transport: "bearer" });
  assert.equal(await page.evaluate(() => auth.session()), null);
  await context.close();
});

test("bearer tokens in sessionStorage survive a reload and are shared with a duplicated tab", async () => {
  const options = { transport: "bearer", tokens: "sessionStorage" };
  const { context, pages: [page] } = await tabs(undefined, options);
  const { session } = await signUp(page, "nia@example.com");
  await page.reload();
  await load(page, options);
  assert.equal((await page.evaluate(() => auth.session())).session.id, session.id);

  const opened = context.waitForEvent("page");
  await page.evaluate(() => void window.open("/public"));
  const copy = await opened;
  await copy.waitForLoadState();
  await load(copy, options);
  assert.equal((await copy.evaluate(() => auth.session())).session.id, session.id);
  for (let hour = 0; hour < 3; hour++) {
    await expire([page]);
    assert.deepEqual(new Set(await twenty(page)), new Set([200]));
  }
  assert.deepEqual(new Set(await twenty(copy)), new Set([200]), "the copy has the newest tokens");
  const { events } = await (await fetch(`${bed.origin}/testbed/events`)).json();
  const own = events.filter(({ session_id }) => session_id === session.id);
  assert.deepEqual(own.map(({ kind }) => kind), ["signed_in", "refreshed", "refreshed", "refreshed"]);

  await copy.evaluate(() => auth.signOut());
  await page.waitForFunction(() => sessionStorage.length === 0);
  assert.equal(await page.evaluate(async () => (await auth.fetch("/me")).status), 401);
  await context.close();
});

test("a revoked bearer session does not block the next sign-in", async () => {
  const { context, pages: [page] } = await tabs(undefined, { transport: "bearer" });
  const fields = { email: "ole@example.com", password: PASSWORD };
  await page.evaluate((fields) => auth.signUp(fields), fields);
  const laptop = await open(await browser.newContext(), bed.origin);
  await laptop.evaluate((fields) => auth.signIn(fields), fields);
  assert.equal(await laptop.evaluate(() => auth.endSessions("all")), 2);
  assert.equal(await laptop.evaluate(() => auth.session()), null);
  const again = await page.evaluate((fields) => auth.signIn(fields), fields);
  assert.equal(again.status, "complete");
  assert.equal(await page.evaluate(async () => (await auth.fetch("/me")).status), 200);
  await Promise.all([context.close(), laptop.context().close()]);
});

test("spaces around an email address and inside a code are removed", async () => {
  const { context, pages: [page] } = await tabs();
  const sent = [];
  context.on("request", (request) => sent.push(request.postDataJSON()));
  await page.evaluate((password) => auth.signUp({ email: " ian@example.com ", password }), PASSWORD);
  await page.evaluate(() => auth.verify({ challenge: "ach_none", code: " 123-456\n" }).catch(() => {}));
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
  const again = await page.evaluate((handle) => auth.resend({ challenge: handle }), pending.challenge);
  assert.equal(again.challenge, pending.challenge);
  const proof = { challenge: pending.challenge, code: (await last()).code };
  const { user } = await page.evaluate((proof) => auth.verify(proof), proof);
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
