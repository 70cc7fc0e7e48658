// Every journey of a user through the pages, with and without JavaScript.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { launch, stop, testbed } from "../support.mjs";
import {
  PASSWORD, advance, lastCode, lastLink, now, path, signIn, signUp, submit, totp, visit,
} from "./support.mjs";

let bed, browser, origin;

before(async () => {
  bed = await testbed({ pages: true, verify_email: true, limits: false });
  origin = bed.origin;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stop(bed.server);
});

async function verified(page, email, target) {
  await signUp(page, origin, email, target);
  await page.waitForURL("**/account/verify");
  await page.locator("input[name=code]").fill(await lastCode(origin, email));
  await submit(page);
}

for (const javaScriptEnabled of [true, false]) {
  const name = (text) => `${text}, ${javaScriptEnabled ? "with" : "without"} JavaScript`;
  const id = javaScriptEnabled ? "js" : "plain";

  test(name("a user signs up with a code, signs out and signs in"), async () => {
    const { context, page, close } = await visit(browser, { javaScriptEnabled });
    const email = `ada-${id}@example.com`;
    await verified(page, email);
    assert.equal(path(page), "/public");
    await page.goto(`${origin}/account/security`);
    await page.locator(".top button").click();
    await page.waitForURL(`${origin}/`);
    assert.deepEqual((await context.cookies()).map((own) => own.name), []);

    await signIn(page, origin, email, "/public", "not the password");
    const field = page.locator("input[name=password]");
    assert.equal(await field.getAttribute("aria-invalid"), "true");
    const alert = page.getByRole("alert");
    assert.equal(await alert.count(), 1);
    assert.equal(await field.getAttribute("aria-describedby"), await alert.getAttribute("id"));
    assert.equal(await page.locator("input[name=email]").inputValue(), email);
    await field.fill(PASSWORD);
    await submit(page);
    await page.waitForURL("**/public");
    await close();
  });

  test(name("a guarded page leads to sign-in and back"), async () => {
    const { page, close } = await visit(browser, { javaScriptEnabled });
    const email = `guard-${id}@example.com`;
    await verified(page, email);
    await page.goto(`${origin}/account/sign-out`);
    await submit(page);
    await page.goto(`${origin}/me?a=1`);
    assert.equal(path(page), "/account/sign-in");
    await page.locator("input[name=email]").fill(email);
    await page.locator("input[name=password]").fill(PASSWORD);
    await submit(page);
    await page.waitForURL(`${origin}/me?a=1`);
    await close();
  });

  test(name("a password is reset by the link of a message"), async () => {
    const { page, close } = await visit(browser, { javaScriptEnabled });
    const email = `reset-${id}@example.com`;
    await verified(page, email);
    await page.goto(`${origin}/account/forgot`);
    await page.locator("input[name=email]").fill(email);
    await submit(page);
    await page.getByRole("status").first().waitFor();
    await page.goto(await lastLink(origin, email));
    assert.equal(page.url(), `${origin}/account/reset`, "no token stays in the URL");
    await page.locator("input[name=new_password]").fill("another xw2v plum");
    await submit(page);
    await page.waitForURL("**/account/sign-in");
    await signIn(page, origin, email, "/public", "another xw2v plum");
    await page.waitForURL("**/public");
    await close();
  });

  test(name("a user signs in by the code and by the link of a message"), async () => {
    const { page, close } = await visit(browser, { javaScriptEnabled });
    const email = `mail-${id}@example.com`;
    await page.goto(`${origin}/account/email?return_to=/public`);
    await page.locator("input[name=email]").fill(email);
    await submit(page);
    await page.locator("input[name=code]").fill(await lastCode(origin, email));
    await submit(page);
    await page.waitForURL("**/public");
    await advance(origin, 61);
    await page.goto(`${origin}/account/email?return_to=/maybe`);
    await page.locator("input[name=email]").fill(email);
    await submit(page);
    await page.waitForURL("**/account/verify");
    await page.goto(await lastLink(origin, email));
    assert.equal(page.url(), `${origin}/account/sign-in-link`);
    await submit(page);
    await page.waitForURL("**/maybe");
    await close();
  });

  test(name("an authenticator app is added and completes a sign-in"), async () => {
    const { page, close } = await visit(browser, { javaScriptEnabled });
    const email = `totp-${id}@example.com`;
    await verified(page, email, "/account/security");
    await page.locator("#totp form[action$='security/totp'] button").last().click();
    const secret = (await page.locator("#secret").textContent()).trim();
    await page.locator("input[name=code]").fill(await totp(secret, await now(origin)));
    await submit(page);
    await page.locator(".codes code").last().waitFor();
    const codes = await page.locator(".codes code").allTextContents();
    assert.equal(codes.length, 10);

    await advance(origin, 30);
    await signIn(page, origin, email);
    await page.waitForURL("**/account/verify");
    await page.locator("input[value=totp]").check();
    await page.locator("input[name=code]").fill(await totp(secret, await now(origin)));
    await submit(page);
    await page.waitForURL("**/public");
    await signIn(page, origin, email);
    await page.waitForURL("**/account/verify");
    await page.locator("input[value=recovery_code]").check();
    await page.locator("input[name=code]").fill(codes[0].toUpperCase());
    await submit(page);
    await page.waitForURL("**/public");
    await close();
  });

  test(name("a change of the address asks for verification and can be undone"), async () => {
    const { page, close } = await visit(browser, { javaScriptEnabled });
    const [email, next] = [`old-${id}@example.com`, `new-${id}@example.com`];
    await verified(page, email);
    await advance(origin, 601);
    await page.goto(`${origin}/account/security`);
    const change = async () => {
      if (!(await page.locator("input[name=new_email]").isVisible())) {
        await page.locator("#email summary").click();
      }
      await page.locator("input[name=new_email]").fill(next);
      await submit(page, "#email form");
    };
    await change();
    await page.waitForURL("**/account/step-up?**");
    await page.locator("input[name=password]").fill(PASSWORD);
    await submit(page);
    await page.waitForURL("**/account/security");
    await change();
    await page.waitForURL("**/account/verify");
    await page.locator("input[name=code]").fill(await lastCode(origin, next));
    await submit(page);
    await page.waitForURL("**/account/security");
    await page.getByText(next).first().waitFor();
    await page.goto(await lastLink(origin, email));
    await submit(page);
    await page.waitForURL("**/account/reset");
    await page.locator("input[name=new_password]").fill("another xw2v plum");
    await submit(page);
    await page.waitForURL("**/account/sign-in");
    await close();
  });

  test(name("the account is changed and deleted"), async () => {
    const { page, close } = await visit(browser, { javaScriptEnabled });
    const email = `account-${id}@example.com`;
    await verified(page, email, "/account/security");
    await page.locator("input[name=display_name]").fill("Ada <b>Lovelace</b>");
    await page.locator("select[name=locale]").selectOption("de");
    await submit(page, "#profile form");
    await page.getByRole("heading", { name: "Konto und Sicherheit" }).waitFor();
    assert.equal(await page.locator("input[name=display_name]").inputValue(), "Ada <b>Lovelace</b>");
    await page.locator("#password summary").click();
    await page.locator("input[name=current_password]").fill("wrong");
    await page.locator("input[name=new_password]").fill("another xw2v plum");
    await submit(page, "#password form");
    await page.getByRole("alert").waitFor();
    assert.equal(await page.locator("input[name=current_password]").getAttribute("aria-invalid"), "true");
    await page.locator("input[name=current_password]").fill(PASSWORD);
    await page.locator("input[name=new_password]").fill("another xw2v plum");
    await submit(page, "#password form");
    await page.waitForURL("**/account/security");
    await page.locator("#delete summary").click();
    await submit(page, "#delete form");
    await page.waitForURL("**/account/sign-in**");
    await close();
  });
}

async function authenticator(page) {
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("WebAuthn.enable");
  await devtools.send("WebAuthn.addVirtualAuthenticator", {
    options: {
      protocol: "ctap2", transport: "internal", hasResidentKey: true, hasUserVerification: true,
      isUserVerified: true, automaticPresenceSimulation: true,
    },
  });
}

test("a passkey is added, signs in and verifies again", async () => {
  const { page, close } = await visit(browser);
  await authenticator(page);
  await verified(page, "passkey@example.com", "/account/security");
  await page.locator("[data-passkey=add]").click();
  await page.locator("#passkeys .list li").waitFor();
  await page.locator(".top button").click();
  await page.waitForURL(`${origin}/`);
  await page.goto(`${origin}/account/sign-in?return_to=/public`);
  // The browser may offer the passkey by autofill before the button is used.
  await page.locator("[data-passkey=sign-in]").click().catch(() => {});
  await page.waitForURL("**/public");
  await advance(origin, 601);
  await page.goto(`${origin}/strong`);
  await page.waitForURL("**/account/step-up?**");
  await page.locator("[data-passkey=verify]").click();
  await page.waitForURL("**/strong");
  await close();
});

test("a user signs in with the keyboard alone", async () => {
  const { page, close } = await visit(browser);
  await verified(page, "keys@example.com");
  await page.goto(`${origin}/account/sign-out`);
  await submit(page);
  await page.goto(`${origin}/account/sign-in?return_to=/public`);
  const focused = () => page.evaluate(() => document.activeElement.name || document.activeElement.textContent.trim());
  const reach = async (name) => {
    for (let i = 0; i < 12 && (await focused()) !== name; i += 1) await page.keyboard.press("Tab");
    assert.equal(await focused(), name);
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.notEqual(outline, "none", `${name} shows the focus`);
  };
  await reach("email");
  await page.keyboard.type("keys@example.com");
  await reach("password");
  await page.keyboard.type(PASSWORD);
  await reach("Sign in");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/public");
  await close();
});

test("a page loads one document, one style sheet and one script", async () => {
  const { page, close } = await visit(browser);
  const requests = [];
  page.on("request", (request) => requests.push(request.resourceType()));
  const response = await page.goto(`${origin}/account/sign-up`);
  await page.waitForLoadState("networkidle");
  assert.deepEqual(requests.sort(), ["document", "script", "stylesheet"]);
  assert.ok((await response.body()).length < 30_000);
  await close();
});
