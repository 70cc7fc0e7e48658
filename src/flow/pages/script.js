// Enhances the pages: passkeys, showing a password, a strength hint, and copying.

const { routes, pages, suffix } = document.body.dataset;

class Problem extends Error {
  constructor(status, body) {
    super(body?.title ?? `status ${status}`);
    this.code = body?.code;
  }
}

async function post(path, body = {}) {
  const response = await fetch(routes + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json().catch(() => undefined);
  if (!response.ok) throw new Problem(response.status, answer);
  return answer;
}

const bytes = (text) =>
  Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

// The methods of WebAuthn Level 3, and the same for browsers without them.
function decoded(options) {
  const list = (all) => all?.map((own) => ({ ...own, id: bytes(own.id) }));
  const own = { ...options, challenge: bytes(options.challenge) };
  if (own.user) own.user = { ...own.user, id: bytes(own.user.id) };
  if (own.excludeCredentials) own.excludeCredentials = list(own.excludeCredentials);
  if (own.allowCredentials) own.allowCredentials = list(own.allowCredentials);
  return own;
}

function encoded(credential) {
  const { response } = credential;
  const own = { clientDataJSON: text(response.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (response[name]) own[name] = text(response[name]);
  }
  if (response.getTransports) own.transports = response.getTransports();
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: own,
  };
}

const publicKey = (options) => decoded(options.publicKey ?? options);

let running;
async function assertion(options, more = {}) {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  const credential = await navigator.credentials.get({ publicKey: publicKey(options), signal, ...more });
  return encoded(credential);
}

const ceremonies = {
  async "sign-in"(more) {
    const { challenge, options } = await post("/passkeys/sign-in/start");
    const persistent = !document.querySelector("input[name=persistent]:checked");
    const credential = await assertion(options, more);
    return post("/passkeys/sign-in/finish", { challenge, credential, persistent, transport: "cookie" });
  },
  async verify() {
    const { challenge, options } = await post("/passkeys/verify/start");
    return post("/passkeys/verify/finish", { challenge, credential: await assertion(options) });
  },
  async add() {
    const { challenge, options } = await post("/passkeys/register/start");
    const credential = await navigator.credentials.create({ publicKey: publicKey(options) });
    return post("/passkeys/register/finish", { challenge, credential: encoded(credential) });
  },
};

function leave(target, answer) {
  if (answer.status === "pending") location.assign(`${pages}/verify${suffix}`);
  else location.assign(answer.redirect_to ?? target);
}

function show(problem) {
  const line = document.querySelector(".script-error");
  if (line && problem.name !== "AbortError" && problem.name !== "NotAllowedError") {
    line.textContent = line.dataset.message;
  }
}

function passkeyButton(button) {
  const { passkey, target = `${pages}/security${suffix}` } = button.dataset;
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.setAttribute("aria-disabled", "true");
    try {
      const answer = await ceremonies[passkey]();
      if (passkey === "add") location.reload();
      else leave(target, answer);
    } catch (problem) {
      if (problem.code === "step_up_required") {
        const sign = suffix ? "&" : "?";
        location.assign(`${pages}/step-up${suffix}${sign}return_to=${encodeURIComponent(`${pages}/security`)}`);
      } else if (problem.code === "unauthenticated") {
        location.reload();
      } else {
        show(problem);
      }
    }
    button.removeAttribute("aria-disabled");
  });
}

async function autofill(button, input) {
  if (!(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  input.autocomplete = "username webauthn";
  try {
    leave(button.dataset.target, await ceremonies["sign-in"]({ mediation: "conditional" }));
  } catch (problem) {
    show(problem);
  }
}

const EYE =
  '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M2.5 12s3.5-6.5 9.5-6.5 9.5 6.5 9.5 6.5-3.5 6.5-9.5 6.5S2.5 12 2.5 12Z"/><circle cx="12" cy="12" r="2.8"/></svg>';

function reveal(input) {
  const box = document.createElement("div");
  box.className = "reveal";
  input.before(box);
  const button = document.createElement("button");
  button.type = "button";
  button.innerHTML = EYE;
  button.setAttribute("aria-pressed", "false");
  button.setAttribute("aria-label", document.body.dataset.show);
  button.addEventListener("click", () => {
    const isHidden = input.type === "password";
    input.type = isHidden ? "text" : "password";
    button.setAttribute("aria-pressed", String(isHidden));
  });
  box.append(input, button);
  input.form.addEventListener("submit", () => (input.type = "password"));
}

// A hint only: the server decides.
function strength(password) {
  const kinds = [/\p{Ll}/u, /\p{Lu}/u, /\p{N}/u, /[^\p{L}\p{N}]/u].filter((own) => own.test(password));
  const distinct = new Set(password).size;
  return Math.min(distinct, password.length / 1.5) + kinds.length * 1.5;
}

function hint(input) {
  const meter = document.createElement("meter");
  Object.assign(meter, { min: 0, max: 18, low: 9, high: 14, optimum: 18, value: 0 });
  meter.setAttribute("aria-label", input.dataset.weak);
  meter.hidden = true;
  input.closest(".field").append(meter);
  input.addEventListener("input", () => {
    const value = strength(input.value);
    meter.hidden = !input.value;
    meter.value = value;
    const { weak, fair, good } = input.dataset;
    const words = value < 9 ? weak : value < 14 ? fair : good;
    meter.title = words;
    meter.setAttribute("aria-label", words);
  });
}

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const from = document.getElementById(button.dataset.copy);
    const lines = from.querySelectorAll("code").length ? [...from.querySelectorAll("code")] : [from];
    await navigator.clipboard.writeText(lines.map((own) => own.textContent.trim()).join("\n"));
    button.textContent = button.dataset.done;
  });
}
for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
document.querySelectorAll("input[type=password]").forEach(reveal);
document.querySelectorAll("input[data-weak]").forEach(hint);

if (window.PublicKeyCredential) {
  const buttons = [...document.querySelectorAll("[data-passkey]")];
  buttons.forEach(passkeyButton);
  const signIn = buttons.find((button) => button.dataset.passkey === "sign-in");
  const input = document.querySelector("input[name=email]");
  if (signIn && input) autofill(signIn, input);
}

// A form is sent once; the page may be shown again by the back button.
for (const form of document.forms) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) return event.preventDefault();
    form.dataset.sent = "true";
    setTimeout(() => delete form.dataset.sent, 4000);
  });
}
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});
// A link to a section opens its form.
const section = location.hash && document.getElementById(location.hash.slice(1));
section?.querySelector?.("details")?.setAttribute("open", "");
