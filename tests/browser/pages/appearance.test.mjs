// Accessibility and layout of every page: six languages, light and dark, narrow and wide.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

import { launch, stop, testbed } from "../support.mjs";
import { lastCode, lastLink, signUp, visit } from "./support.mjs";

const EMAIL = "ada@example.com";
const LANGUAGES = ["en", "de", "fr", "es", "ja", "ar"];
const OPEN = ["sign-in", "sign-up", "email", "forgot", "forgot?sent=1", "sign-out", "nowhere"];
const LINKS = ["reset", "sign-in-link", "undo-email-change"];

let axe, bed, browser, origin;

before(async () => {
  axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
  const device_grant = { clients: [{ id: "cli", name: "Notes for the command line" }] };
  bed = await testbed({ pages: true, verify_email: true, limits: false, device_grant });
  origin = bed.origin;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await stop(bed.server);
});

/** Asserts that a page has no violation and does not scroll sideways. */
async function check(page, place, language) {
  const sign = place.includes("?") ? "&" : "?";
  await page.goto(`${origin}/account/${place}${sign}lang=${language}`);
  const isWide = await page.evaluate(() => {
    const { clientWidth, scrollWidth } = document.documentElement;
    return scrollWidth > clientWidth;
  });
  assert.equal(isWide, false, `${place} ${language} scrolls sideways`);
  // The script of axe-core is not one of the page's, so it is evaluated outside of its policy.
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run({ resultTypes: ["violations"] }));
  const violations = found.violations.map(({ id, nodes }) => `${id}: ${nodes.map((own) => own.html)}`);
  assert.deepEqual(violations, [], `${place} ${language}`);
  assert.equal(await page.locator("h1").count(), 1);
  const dir = await page.locator("html").getAttribute("dir");
  assert.equal(dir, language === "ar" ? "rtl" : "ltr");
}

for (const colorScheme of ["light", "dark"]) {
  for (const width of [320, 1280]) {
    test(`every page is accessible in every language, ${colorScheme}, ${width} px`, async () => {
      const { page, close } = await visit(browser, { colorScheme, viewport: { width, height: 800 } });
      const email = `${colorScheme}-${width}-${EMAIL}`;
      for (const language of LANGUAGES) {
        for (const place of OPEN) await check(page, place, language);
      }
      await signUp(page, origin, email, "/account/security");
      await page.waitForURL("**/account/verify");
      for (const language of LANGUAGES) await check(page, "verify", language);
      await page.locator("input[name=code]").fill(await lastCode(origin, email));
      await page.locator("main form button:not([type=button])").first().click();
      await page.waitForURL("**/account/security");
      for (const language of LANGUAGES) {
        for (const place of ["security", "step-up", "device"]) await check(page, place, language);
      }
      await page.goto(`${origin}/account/forgot`);
      await page.locator("input[name=email]").fill(email);
      await page.locator("main form button").first().click();
      await page.goto(await lastLink(origin, email));
      for (const language of LANGUAGES) {
        for (const place of LINKS) await check(page, place, language);
      }
      await close();
    });
  }
}
