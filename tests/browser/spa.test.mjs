// A page on another host than the router: of the same site with cookies, and of another site with
// bearer tokens. The hosts differ by name, as in a deployment.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { freePort, launch, start, stop } from "./support.mjs";

const PASSWORD = "zq8 xw2v plum";

let browser, server, api, app, elsewhere;

before(async () => {
  const [port, appPort] = [await freePort(), await freePort()];
  api = `http://api.example.localhost:${port}`;
  app = `http://app.example.localhost:${appPort}`;
  elsewhere = `http://elsewhere.localhost:${appPort}`;
  server = await start("spa", { PORT: String(port), APP_PORT: String(appPort) });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stop(server);
});

async function visit(url) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const broken = [];
  page.on("pageerror", (error) => broken.push(error));
  await page.goto(url);
  await page.waitForFunction(() => window.auth && !document.querySelector("#form").hidden);
  return { context, page, broken };
}

async function fill(page, email, button) {
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(PASSWORD);
  await page.getByRole("button", { name: button }).click();
}

async function signsInAndOut({ context, page, broken }, email) {
  const greeting = page.getByText(`Hello, ${email}`);
  await fill(page, email, "Sign up");
  await greeting.waitFor();
  await page.reload();
  await greeting.waitFor();
  assert.equal((await page.evaluate(() => auth.updateAccount({ display_name: "Ada" }))).display_name, "Ada");
  assert.equal(await page.evaluate(() => auth.refresh()), true);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("button", { name: "Sign in" }).waitFor();
  await fill(page, "none@example.com", "Sign in");
  await page.getByRole("alert").getByText("The address or the password is wrong").waitFor();
  await fill(page, email, "Sign in");
  await greeting.waitFor();
  assert.deepEqual(broken, []);
  return context.cookies();
}

test("a page on another host of the site signs in with cookies of the router's host", async () => {
  const visitor = await visit(app);
  const cookies = await signsInAndOut(visitor, "ada@example.com");
  const described = cookies.map(({ name, domain, httpOnly, sameSite }) => [name, domain, httpOnly, sameSite]);
  const host = new URL(api).hostname;
  assert.deepEqual(described.sort(), [["auth", host, true, "Lax"], ["auth-refresh", host, true, "Lax"]]);
  assert.equal(await visitor.page.evaluate(() => document.cookie + sessionStorage.length), "0");
  await visitor.context.close();
});

test("a page of a tenant signs in with cookies of the router's host", async () => {
  const visitor = await visit(app.replace("app.", "acme.tenants."));
  const cookies = await signsInAndOut(visitor, "dan@example.com");
  const host = new URL(api).hostname;
  assert.deepEqual(cookies.map(({ name, domain }) => [name, domain]).sort(), [["auth", host], ["auth-refresh", host]]);
  await visitor.context.close();
});

test("a page on another site signs in with bearer tokens and without cookies", async () => {
  const visitor = await visit(elsewhere);
  assert.deepEqual(await signsInAndOut(visitor, "bob@example.com"), []);
  await visitor.context.close();
});

test("a page of an origin that is not listed can neither read nor sign in", async () => {
  const { context, page } = await visit(app);
  await fill(page, "cyd@example.com", "Sign up");
  await page.getByText("Hello, cyd@example.com").waitFor();
  await page.goto(app.replace("app.", "evil."));
  const outcomes = await page.evaluate(async (api) => {
    const outcome = (response) => response.status || response.type;
    const send = (path, init) =>
      fetch(api + path, { credentials: "include", ...init }).then(outcome, (error) => error.name);
    return [
      await send("/me"),
      await send("/auth/session", { mode: "no-cors" }),
      await send("/auth/sign-out", { method: "POST", mode: "no-cors" }),
      await send("/auth/sign-out", { method: "POST", headers: { "content-type": "application/json" } }),
    ];
  }, api);
  assert.deepEqual(outcomes, ["TypeError", "opaque", "opaque", "TypeError"]);
  await page.goto(app);
  await page.getByText("Hello, cyd@example.com").waitFor();
  await context.close();
});
