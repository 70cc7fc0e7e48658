// A user of the quickstart signs up on its pages, signs out, signs in again, and is still signed in
// after a restart of the server.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { visit } from "./pages/support.mjs";
import { freePort, launch, start, stop } from "./support.mjs";

let browser, environment, folder, origin, server;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "authlayer-"));
  const port = await freePort();
  origin = `http://localhost:${port}`;
  environment = { PORT: String(port), DATABASE: join(folder, "app.db") };
  server = await start("quickstart", environment);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stop(server);
  await rm(folder, { recursive: true });
});

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "with" : "without";

  test(`a user signs up, signs out and signs in again, ${how} JavaScript`, async () => {
    const { context, page, close } = await visit(browser, { javaScriptEnabled });
    const email = `ada-${how}@example.com`;
    const greeting = page.getByText("Hello, ");
    const send = async (typed, button) => {
      for (const [label, value] of Object.entries(typed)) await page.getByLabel(label, { exact: true }).fill(value);
      await page.getByRole("button", { name: button, exact: true }).click();
    };

    await page.goto(origin);
    await page.getByRole("link", { name: "Create an account" }).click();
    await send({ "Email address": email, "Password": "password1" }, "Create account");
    await page.getByRole("alert").waitFor();
    await send({ "Password": "zq8 xw2v plum" }, "Create account");
    await greeting.waitFor();
    assert.equal(page.url(), `${origin}/`);
    const text = await greeting.textContent();
    const cookies = await context.cookies();
    assert.deepEqual(cookies.map(({ name }) => name).sort(), ["auth", "auth-refresh"]);
    assert.ok(cookies.every(({ httpOnly, sameSite }) => httpOnly && sameSite === "Lax"));

    await page.goto(`${origin}/account`);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in", exact: true }).waitFor();
    assert.deepEqual(await context.cookies(), []);
    await send({ "Email address": email.toUpperCase(), "Password": "not the password" }, "Sign in");
    await page.getByRole("alert").waitFor();
    await send({ "Password": "zq8 xw2v plum" }, "Sign in");
    await greeting.waitFor();
    assert.equal(await greeting.textContent(), text);

    await stop(server);
    server = await start("quickstart", environment);
    await page.reload();
    assert.equal(await greeting.textContent(), text);
    await close();
  });
}
