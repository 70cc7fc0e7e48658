// Creates better-auth.json: users of a real better-auth on SQLite, exported by the statement of
// guide/migrate.md. Run with Node 24 in a folder after `npm install better-auth`:
// node make-better-auth.mjs > better-auth.json
import { createHmac } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { admin, twoFactor, username } from "better-auth/plugins";

const database = new DatabaseSync(":memory:");
const options = {
  baseURL: "http://localhost:3000",
  secret: "0123456789abcdef0123456789abcdef",
  database,
  emailAndPassword: { enabled: true },
  plugins: [username(), admin(), twoFactor({ issuer: "Example" })],
  telemetry: { enabled: false },
};
const { runMigrations } = await getMigrations(options);
await runMigrations();
const auth = betterAuth(options);
const password = "correct horse";
const ada = await auth.api.signUpEmail({
  body: { email: "ada@example.com", name: "Ada Lovelace", username: "Ada_L", password },
  returnHeaders: true,
});
// "é" as e and a combining accent: better-auth hashes the NFKC form.
await auth.api.signUpEmail({
  body: { email: "bob@example.com", name: "Bob", password: "correct hors\u0065\u0301 \ufb01n" },
});
await auth.api.signUpEmail({ body: { email: "eve@example.com", name: "Eve", password } });
const cookie = ada.headers.get("set-cookie").split(";")[0];
await auth.api.enableTwoFactor({ body: { password }, headers: new Headers({ cookie }) });
database.exec(`UPDATE user SET emailVerified = 1, twoFactorEnabled = 1, role = 'admin,user' WHERE email = 'ada@example.com'`);
database.exec(`UPDATE user SET banned = 1 WHERE email = 'eve@example.com'`);
// What a sign-in at Google, GitHub and Discord stores.
const context = await auth.$context;
const bob = await context.internalAdapter.findUserByEmail("bob@example.com");
for (const [providerId, accountId] of [["google", "108204268033311374519"], ["github", "583231"], ["discord", "80351110224678912"]]) {
  await context.internalAdapter.createAccount({ userId: bob.user.id, providerId, accountId });
}
const rows = database.prepare(`
  SELECT u.*,
    (SELECT json_group_array(json_object('providerId', a.providerId, 'accountId', a.accountId, 'password', a.password))
     FROM account a WHERE a.userId = u.id) AS accounts
  FROM user u ORDER BY u.email`).all();
console.log("[" + rows.map((row) => JSON.stringify(row)).join(",\n") + "]");
