// TypeScript code of an application; compiled by types.test.mjs and never run.

import { auth, AuthClient, AuthError, type Session } from "../../src/flow/sessions/client.js";

export async function page(): Promise<string> {
  const answer = await auth.signIn({ email: "ada@example.com", password: "…" });
  if (answer.status === "pending") return answer.methods.join(", ");
  auth.addEventListener("signin", ({ detail }) => detail.user.display_name?.toUpperCase());
  const devices: Session[] = await auth.sessions();
  await auth.endSessions("all");
  try {
    const response = await new AuthClient("/sign-in/").fetch("/notes", { method: "POST" });
    return response.statusText + devices.length + answer.user.email;
  } catch (error) {
    return error instanceof AuthError ? error.code : "";
  }
}

// @ts-expect-error: a password is required
void auth.signUp({ email: "ada@example.com" });
// @ts-expect-error: there is no such scope
void auth.endSessions("mine");
