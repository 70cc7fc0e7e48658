// Sign-in by the certified oidc-provider through its button, and linking it to an account.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { freePort, launch, stop, testbed } from "../support.mjs";
import { PASSWORD, signIn, signUp, visit } from "./support.mjs";

const PROVIDER = fileURLToPath(new URL("../../../examples/oidc/", import.meta.url));

let bed, browser, origin, provider, issuer;

before(async () => {
  const [port, providerPort] = [await freePort(), await freePort()];
  origin = `http://localhost:${port}`;
  issuer = `http://localhost:${providerPort}`;
  const client_secret = "not-a-secret-outside-this-example";
  const corp = { id: "corp", issuer, client_id: "corp", client_secret, max_age_s: 600 };
  bed = await testbed({ listen: `127.0.0.1:${port}`, origin, pages: true, limits: false, oidc: [corp] });
  provider = spawn("node", ["provider.mjs"], {
    cwd: PROVIDER,
    env: { ...process.env, APP: origin, PROVIDER_PORT: String(providerPort) },
    stdio: ["ignore", "pipe", "ignore"],
  });
  await once(provider.stdout, "data");
  browser = await launch();
});

after(async () => {
  await browser?.close();
  provider.kill();
  await once(provider, "exit");
  await stop(bed.server);
});

/** Signs in at the provider, until it redirects to the application. */
async function enter(page, login) {
  await page.waitForURL(`${issuer}/**`);
  while (page.url().startsWith(issuer)) {
    const field = page.getByPlaceholder("Enter any login");
    if (await field.isVisible()) {
      await field.fill(login);
      await page.getByPlaceholder("and password").fill("anything");
      await page.getByRole("button", { name: "Sign-in" }).click();
    } else {
      await page.getByRole("button", { name: "Continue" }).click();
    }
    await page.waitForLoadState();
  }
}

const button = (page) => page.locator("a.button[href*='/oauth/corp/start']");
const section = (page) => page.locator("#identities");

for (const javaScriptEnabled of [true, false]) {
  const name = (text) => `${text}, ${javaScriptEnabled ? "with" : "without"} JavaScript`;
  const id = javaScriptEnabled ? "js" : "plain";

  test(name("a user signs in by the button of a provider"), async () => {
    const { page, close } = await visit(browser, { javaScriptEnabled });
    for (const place of ["sign-up", "sign-in"]) {
      await page.context().clearCookies({ domain: "localhost" });
      await page.goto(`${origin}/account/${place}?return_to=%2Fme%3Fa%3D1`);
      await button(page).click();
      await enter(page, `grace-${id}`);
      assert.equal(page.url(), `${origin}/me?a=1`);
      const user = JSON.parse(await page.locator("body").textContent());
      assert.equal(user.email, `grace-${id}@example.com`);
    }
    await close();
  });

  test(name("a provider is linked, signs in, and is unlinked"), async () => {
    const { page, close } = await visit(browser, { javaScriptEnabled });
    const email = `link-${id}@example.net`;
    await signUp(page, origin, email, "/account/security");
    await page.waitForURL("**/account/security");
    await section(page).locator("input[name=provider] ~ button").click();
    await enter(page, `work-${id}`);
    assert.equal(page.url(), `${origin}/account/security`);
    await section(page).getByText(`work-${id}@example.com`).waitFor();

    await page.locator(".top button").click();
    await page.waitForURL(`${origin}/`);
    await page.goto(`${origin}/account/sign-in?return_to=/account/security`);
    // The provider knows the user and does not ask again.
    await button(page).click();
    await page.waitForURL("**/account/security");
    await page.getByText(email).first().waitFor();

    await signIn(page, origin, email, "/account/security", PASSWORD);
    await page.waitForURL("**/account/security");
    await section(page).locator(".list button").click();
    await page.waitForURL("**/account/security");
    await section(page).waitFor();
    assert.equal(await section(page).locator(".list li").count(), 0);
    await close();
  });
}
