// The pages of administrators: a journey with and without JavaScript, their appearance in every language, and
// names that are hostile.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { launch, stop, testbed } from "./support.mjs";
import { advance, lastLink, path, signIn, signUp, submit, visit } from "./pages/support.mjs";

const ADA = "ada@example.com";
const EVE = "eve@example.com";
const HOSTILE = "<img src=x onerror=alert(1)>\u202enimda";
const LANGUAGES = ["en", "de", "fr", "es", "ja", "ar"];

let axe, bed, browser, origin;

before(async () => {
  axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  bed = await testbed({ pages: true, limits: false, usernames: true });
  origin = bed.origin;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stop(bed.server);
});

/** Gives the user of a page a change that only the application can make. */
async function grant(page, change) {
  const session = await page.context().request.get(`${origin}/auth/session`);
  const { id } = (await session.json()).user;
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify(change);
  const answer = await fetch(`${origin}/testbed/users/${id}`, { method: "PATCH", headers, body });
  assert.equal(answer.status, 200);
  return id;
}

async function administrator(options, email) {
  const visited = await visit(browser, options);
  await signUp(visited.page, origin, email, "/account/security");
  await visited.page.waitForURL("**/account/security");
  await grant(visited.page, { roles: ["admin"] });
  return visited;
}

/** Asserts that a page has no violation and does not scroll sideways. */
async function check(page, place, language) {
  await page.goto(`${origin}/account/${place}${place.includes("?") ? "&" : "?"}lang=${language}`);
  const isWide = await page.evaluate(() => {
    const { clientWidth, scrollWidth } = document.documentElement;
    return scrollWidth > clientWidth;
  });
  assert.equal(isWide, false, `${place} ${language} scrolls sideways`);
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run({ resultTypes: ["violations"] }));
  const violations = found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((own) => own.html)}`);
  assert.deepEqual(violations, [], `${place} ${language}`);
  assert.equal(await page.locator("h1").count(), 1);
  assert.equal(await page.locator("main").count(), 1);
  assert.equal(await page.locator("html").getAttribute("dir"), language === "ar" ? "rtl" : "ltr");
}

for (const javaScriptEnabled of [true, false]) {
  const name = (text) => `${text}, ${javaScriptEnabled ? "with" : "without"} JavaScript`;

  test(name("an administrator finds a user, helps and acts as the user"), async () => {
    const id = javaScriptEnabled ? "js" : "plain";
    const eve = await visit(browser, { javaScriptEnabled });
    const email = `${id}-${EVE}`;
    await signUp(eve.page, origin, email);
    const { page, close } = await administrator({ javaScriptEnabled }, `${id}-${ADA}`);
    await page.goto(`${origin}/account/security`);
    await page.getByRole("link", { name: "Administration" }).click();
    await page.getByLabel("Search").first().fill(email.slice(0, 6));
    await page.getByRole("button", { name: "Search" }).click();
    await page.getByRole("link", { name: email }).click();
    assert.match(path(page), /^\/account\/admin\/users\//);
    const own = path(page);

    await page.getByLabel("Name (optional)").fill(HOSTILE.slice(0, 28));
    await submit(page, "form[action$='/profile']");
    await page.getByRole("heading", { level: 1, name: "<img src=x" }).waitFor();
    await page.getByRole("textbox", { name: "Roles" }).fill("editor\nauthor");
    await submit(page, "form[action$='/access']");
    assert.equal(await page.getByRole("textbox", { name: "Roles" }).inputValue(), "editor\nauthor");
    await page.getByRole("button", { name: "Email a link" }).click();
    await page.getByRole("status").waitFor();
    assert.match(await lastLink(origin, email), /\/account\/reset\?token=/);

    await page.getByRole("button", { name: "Sign out everywhere" }).click();
    await page.waitForURL(`${origin}${own}`);
    await eve.page.goto(`${origin}/account/security`);
    assert.equal(path(eve.page), "/account/sign-in");

    // Without recent authentication an act leads to verification and back.
    await advance(origin, 601);
    await page.getByRole("button", { name: "Disable" }).click();
    await page.waitForURL("**/account/step-up?return_to=*");
    await page.locator("input[name=password]").fill("zq8 xw2v plum");
    await submit(page);
    await page.waitForURL(`${origin}${own}`);
    await page.getByRole("button", { name: "Disable" }).click();
    await page.getByRole("button", { name: "Enable" }).click();
    await page.getByRole("button", { name: "Disable" }).waitFor();

    await page.getByLabel("Reason").fill("Ticket 4711");
    await page.getByRole("button", { name: "Sign in as this user" }).click();
    await page.waitForURL(`${origin}/`);
    await page.goto(`${origin}${own}`);
    await page.getByRole("alert").waitFor();
    await page.getByRole("button", { name: "Return to your account" }).click();
    await page.waitForURL(`${origin}/`);

    await page.goto(`${origin}/account/admin/events`);
    await page.getByText("impersonation_began").first().waitFor();
    await page.getByText("reason: Ticket 4711").first().waitFor();

    await page.goto(`${origin}${own}`);
    await page.getByText("Delete account").first().click();
    await page.getByLabel("Delete this account for good").check();
    await page.getByRole("button", { name: "Delete account" }).click();
    await page.waitForURL(`${origin}/account/admin`);
    await page.goto(`${origin}${own}`);
    await page.getByText("There is nothing here.").waitFor();
    await eve.close();
    await close();
  });

  test(name("an administrator invites a user"), async () => {
    const id = javaScriptEnabled ? "js" : "plain";
    const { page, close } = await administrator({ javaScriptEnabled }, `inviting-${id}-${ADA}`);
    await page.goto(`${origin}/account/admin/new`);
    await page.getByLabel("Email address", { exact: true }).fill(`invited-${id}-${EVE}`);
    await page.getByRole("button", { name: "Create user" }).click();
    await page.waitForURL("**/account/admin/users/*");
    const invited = await visit(browser, { javaScriptEnabled });
    await invited.page.goto(await lastLink(origin, `invited-${id}-${EVE}`));
    await invited.page.locator("input[name=new_password]").fill("wq3 tulip okapi");
    await submit(invited.page);
    await signIn(invited.page, origin, `invited-${id}-${EVE}`, "/public", "wq3 tulip okapi");
    await invited.page.waitForURL("**/public");
    await invited.close();
    await close();
  });
}

for (const colorScheme of ["light", "dark"]) {
  for (const width of [320, 1280]) {
    test(`the pages of administrators are accessible in every language, ${colorScheme}, ${width} px`, async () => {
      const options = { colorScheme, viewport: { width, height: 800 } };
      const name = `${colorScheme}-${width}`;
      const eve = await visit(browser, options);
      await signUp(eve.page, origin, `${name}-${EVE}`);
      await eve.page.waitForURL("**/public");
      const named = { data: { display_name: HOSTILE.repeat(3) } };
      assert.equal((await eve.context.request.patch(`${origin}/auth/account`, named)).status(), 200);
      const user = await grant(eve.page, { roles: ["editor", "x".repeat(80)] });
      const { page, close } = await administrator(options, `${name}-${ADA}`);
      for (const language of LANGUAGES) {
        for (const place of ["admin", "admin/new", "admin/events", `admin/users/${user}`]) {
          await check(page, place, language);
        }
      }
      // The name keeps its order, and the page prints without its controls.
      await page.goto(`${origin}/account/admin/users/${user}`);
      assert.match(await page.locator("h1").textContent(), /onerror=alert\(1\)>⟨U\+202E⟩nimda/);
      await page.emulateMedia({ media: "print" });
      assert.equal(await page.locator("nav").isVisible(), false);
      assert.equal(await page.getByRole("button", { name: "Disable" }).isVisible(), false);
      assert.equal(await page.getByRole("heading", { level: 1 }).isVisible(), true);
      // An impersonation has its banner on every page.
      await page.emulateMedia({ media: "screen" });
      await page.locator("input[name=reason]").fill("Ticket 4711");
      await submit(page, "form[action$='/impersonate']");
      await page.waitForURL(`${origin}/`);
      for (const language of ["en", "ar"]) {
        await check(page, "security", language);
        assert.equal(await page.locator("form.banner button").count(), 1);
      }
      await eve.close();
      await close();
    });
  }
}
