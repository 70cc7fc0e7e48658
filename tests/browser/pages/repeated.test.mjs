// Forms that are sent twice, and pages to which the back button leads.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, stop, testbed } from "../support.mjs";
import { PASSWORD, lastLink, path, signIn, signUp, submit, visit } from "./support.mjs";

const OTHER = "another xw2v plum";

let bed, browser, origin;

before(async () => {
  bed = await testbed({ pages: true, limits: false });
  origin = bed.origin;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stop(bed.server);
});

const me = async (page) => (await page.context().request.get(`${origin}/me`)).json();

/**
 * Sends a form twice. With the script, a double click sends it once. Without it, the server gets the
 * same request again, and the browser shows the second response.
 */
async function twice(page, hasScript, form = "main form") {
  const button = page.locator(`${form} button:not([type=button])`).first();
  const sent = [];
  // The script also starts the sign-in by passkey, which is not a form.
  const isForm = (request) => request.method() === "POST" && request.url().includes("/account/");
  const count = (request) => isForm(request) && sent.push(request.url());
  const again = async (route) => {
    if (isForm(route.request())) await route.fetch({ maxRedirects: 0 });
    await route.continue();
  };
  page.on("request", count);
  if (!hasScript) await page.route("**/account/**", again);
  await button.click({ clickCount: hasScript ? 2 : 1 });
  await page.waitForLoadState("networkidle");
  page.off("request", count);
  await page.unroute("**/account/**", again);
  assert.equal(sent.length, 1, sent.join());
}

async function assertSignsIn(email, password, isGood = true) {
  const { page, close } = await visit(browser);
  await signIn(page, origin, email, "/public", password);
  if (isGood) await page.waitForURL("**/public");
  else await page.getByRole("alert").waitFor();
  await close();
}

for (const javaScriptEnabled of [true, false]) {
  const name = (text) => `${text}, ${javaScriptEnabled ? "with" : "without"} JavaScript`;
  const id = javaScriptEnabled ? "js" : "plain";

  test(name("a sign-up that is sent twice creates one user"), async () => {
    const { page, close } = await visit(browser, { javaScriptEnabled });
    const email = `up-${id}@example.com`;
    await page.goto(`${origin}/account/sign-up?return_to=/public`);
    await page.locator("input[name=email]").fill(email);
    await page.locator("input[name=password]").fill(PASSWORD);
    await twice(page, javaScriptEnabled);
    if (javaScriptEnabled) assert.equal(path(page), "/public");
    else await page.getByRole("alert").waitFor(); // the address is taken
    await assertSignsIn(email, PASSWORD);

    await signIn(page, origin, email);
    await page.waitForURL("**/public");
    const { id: user } = await me(page);
    await page.goto(`${origin}/account/sign-up?return_to=/maybe`);
    await page.goto(`${origin}/public`);
    await page.goBack();
    await page.locator("input[name=email]").fill(email);
    await page.locator("input[name=password]").fill(OTHER);
    await submit(page);
    await page.getByRole("alert").waitFor();
    assert.equal((await me(page)).id, user, "the user is still signed in");
    await assertSignsIn(email, OTHER, false);
    await close();
  });

  test(name("a sign-in that is sent twice, and again after the back button, signs in"), async () => {
    const { page, close } = await visit(browser, { javaScriptEnabled });
    const email = `in-${id}@example.com`;
    await signUp(page, origin, email);
    await page.waitForURL("**/public");
    await page.goto(`${origin}/account/sign-out`);
    await submit(page);
    await page.waitForURL(`${origin}/`);
    await page.goto(`${origin}/account/sign-in?return_to=/public`);
    await page.locator("input[name=email]").fill(email);
    await page.locator("input[name=password]").fill(PASSWORD);
    await twice(page, javaScriptEnabled);
    assert.equal(path(page), "/public");
    assert.equal((await me(page)).email, email);

    await page.goBack();
    assert.equal(path(page), "/account/sign-in");
    await page.locator("input[name=email]").fill(email);
    await page.locator("input[name=password]").fill(PASSWORD);
    await submit(page);
    await page.waitForURL("**/public");
    assert.equal((await me(page)).email, email);
    await close();
  });

  test(name("a reset that is sent twice, and again after the back button, sets one password"), async () => {
    const { page, close } = await visit(browser, { javaScriptEnabled });
    const email = `reset-${id}@example.com`;
    await signUp(page, origin, email);
    await page.waitForURL("**/public");
    await page.goto(`${origin}/account/forgot`);
    await page.locator("input[name=email]").fill(email);
    await twice(page, javaScriptEnabled);
    await page.goto(await lastLink(origin, email));
    await page.locator("input[name=new_password]").fill(OTHER);
    await twice(page, javaScriptEnabled);
    await assertSignsIn(email, OTHER);
    await assertSignsIn(email, PASSWORD, false);

    await page.goBack();
    // The link is used, so its page leads to a new one or is refused.
    if (path(page) === "/account/reset") {
      await page.locator("input[name=new_password]").fill("third xw2v plum");
      await submit(page);
      await page.getByRole("alert").waitFor();
    }
    await assertSignsIn(email, OTHER);
    await close();
  });

  test(name("forms of the account that are sent twice change it once"), async () => {
    const { page, close } = await visit(browser, { javaScriptEnabled });
    const email = `account-${id}@example.com`;
    await signUp(page, origin, email, "/account/security");
    await page.waitForURL("**/account/security");
    const user = await me(page);
    await page.locator("input[name=display_name]").fill("Ada");
    await twice(page, javaScriptEnabled, "#profile form");
    assert.equal(path(page), "/account/security");
    assert.equal(await page.locator("input[name=display_name]").inputValue(), "Ada");

    await page.locator("#password summary").click();
    await page.locator("input[name=current_password]").fill(PASSWORD);
    await page.locator("input[name=new_password]").fill(OTHER);
    await twice(page, javaScriptEnabled, "#password form");
    await assertSignsIn(email, OTHER);
    await assertSignsIn(email, PASSWORD, false);

    await signIn(page, origin, email, "/account/security", OTHER);
    await page.waitForURL("**/account/security");
    await twice(page, javaScriptEnabled, "#sessions > form");
    assert.equal((await me(page)).id, user.id, "the session of the form is not ended");
    await page.goto(`${origin}/public`);
    await page.goBack();
    await page.locator("#delete summary").click();
    await twice(page, javaScriptEnabled, "#delete form");
    assert.equal(path(page), "/account/sign-in");
    await page.goBack();
    await page.waitForURL("**/account/sign-in?**");
    await assertSignsIn(email, OTHER, false);
    await close();
  });
}
