// TypeScript code of an application; compiled by types.test.mjs and never run.

import { auth, AuthClient, AuthError, type Pending, type Session } from "../../src/flow/sessions/client.js";

declare function ask(question: string): Promise<string>;

auth.onStepUp = async ({ methods }) => {
  if (methods.includes("passkey")) return auth.verifyPasskey();
  if (methods.includes("totp")) return auth.verifyTotp(await ask("Code"));
  return auth.verifyPassword(await ask("Password"));
};

async function second({ challenge, methods }: Pending): Promise<void> {
  if (methods.includes("passkey") && (await auth.verifyPasskey(challenge))) return;
  await auth.verify({ challenge, method: methods[0], code: await ask("Code"), remember: true });
}

export async function page(): Promise<string> {
  const answer = await auth.signIn({ email: "ada@example.com", password: "…", persistent: false });
  if (answer.status === "pending") await second(answer);
  else await auth.upgradeToPasskey({ name: answer.user.display_name ?? "Laptop" });
  auth.addEventListener("signin", ({ detail }) => detail.user.display_name?.toUpperCase());
  const devices: Session[] = await auth.sessions();
  await auth.endSessions("all");
  try {
    const client = new AuthClient("https://api.example.com/auth", { transport: "bearer", tokens: "memory" });
    await client.signIn({ login: "ada", password: "…" });
    const response = await client.fetch("https://api.example.com/notes", { method: "POST" });
    const { user_code } = await client.request<{ user_code: string }>("POST", "flow/of/mine", {});
    return response.statusText + devices.length + user_code;
  } catch (error) {
    if (!(error instanceof AuthError)) throw error;
    return error.code === "timeout" ? "" : `${error.members} ${error.retryAfter?.toFixed()}`;
  }
}

export async function settings(): Promise<string[]> {
  const { qr, secret, finish } = await auth.enrollTotp();
  const { recovery_codes } = await finish(await ask(qr + secret), "Phone");
  const passkey = await auth.registerPasskey({ secondFactor: true });
  await auth.signInWithIdToken("google", (nonce) => ask(nonce), { display_name: "Ada" });
  await auth.signInWithFedCM("google", { clientId: "client-id", mediation: "optional" });
  await auth.signInWithOneTap("google", { clientId: "client-id", settings: { context: "signin" } });
  const { key } = await auth.createApiKey({ name: "CI", scopes: ["notes:read"] });
  const { user, two_step }: { user: { id: string }; two_step: boolean } = await auth.account();
  const { finish: recover } = await auth.requestRecovery();
  const { available_at }: { available_at: string } = await recover(await ask("Code"));
  location.assign(auth.returnTo({ fallback: "/home" }));
  return recovery_codes ?? [key, user.id, String(two_step), passkey?.name ?? available_at];
}

// @ts-expect-error: a password is required
void auth.signUp({ email: "ada@example.com" });
// @ts-expect-error: an email address or a login is required
void auth.signIn({ password: "…" });
// @ts-expect-error: not both
void auth.signIn({ email: "ada@example.com", login: "ada", password: "…" });
// @ts-expect-error: there is no such scope
void auth.endSessions("mine");
// @ts-expect-error: there is no such place for tokens
void new AuthClient("/auth", { transport: "bearer", tokens: "localStorage" });
// @ts-expect-error: requests have a result of an unknown type
void auth.request("GET", "account").then((account) => account.user);
