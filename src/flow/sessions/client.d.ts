// Types of client.js.

/** Factors of flows of your own have other names. */
export type Factor =
  | "password" | "email_code" | "email_link" | "passkey" | "security_key" | "totp" | "recovery_code" | "provider"
  | "device_grant"
  | (string & {});

export interface User {
  id: string;
  email: string | null;
  email_verified: boolean;
  username: string | null;
  display_name: string | null;
  avatar_url: string | null;
  tenant_id: string | null;
  is_anonymous: boolean;
  roles: string[];
  scopes: string[];
  attributes: Record<string, unknown>;
  status: "active" | "disabled";
  user_metadata: Record<string, unknown>;
  /** A UTC time in the form of RFC 3339, as all times in this file. */
  created_at: string;
  updated_at: string;
}

export interface Session {
  id: string;
  created_at: string;
  last_seen_at: string;
  /** The end of the session, which is never extended. */
  expires_at: string;
  access_expires_at: string;
  current: boolean;
  factors: { method: Factor; at: string }[];
  ip: string | null;
  user_agent: string | null;
  /** `other`: a transport of a newer version of the server. */
  transport: "cookie" | "bearer" | "other";
  /** The administrator who acts as the user, if the session is an impersonation. */
  impersonator?: { id: string };
  /** The kind of key that the session is bound to. */
  bound: "device" | "dpop" | null;
}

export interface Complete {
  status: "complete";
  user: User;
  session: Session;
  /** The page to continue at, after a sign-in by email that named it. */
  redirect_to?: string;
  /** With bearer tokens and `remember`: pass it to the next `signIn`. */
  device_token?: string;
}

export interface Pending {
  status: "pending";
  /** A secret of this browser, which is sent with the code. */
  challenge: string;
  /** The methods that would complete it, strongest first. */
  methods: Factor[];
  expires_at: string;
  resend_at?: string;
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail?: string;
  [member: string]: unknown;
}

export declare class AuthError extends Error {
  constructor(status: number, problem: Partial<Problem>, options?: ErrorOptions);
  readonly name: "AuthError";
  /** 0 without a response. */
  readonly status: number;
  /** Without a response `network_error`, `timeout`, `passkey_failed`, `passkey_taken` or `sheet_failed`. */
  readonly code: string;
  /** The members of the request that were rejected. */
  readonly members: string[];
  /** For `step_up_required`: the methods that the user can verify, strongest first. */
  readonly methods: Factor[];
  /** For `forbidden`: what the user lacks, such as `role:admin`. */
  readonly missing: string[];
  /** In seconds. */
  readonly retryAfter?: number;
  readonly problem: Partial<Problem>;
}

export interface Passkey {
  id: string;
  name: string;
  aaguid: string;
  transports: string[];
  backed_up: boolean;
  /** `false` for a security key. */
  user_verified: boolean;
  created_at: string;
  last_used_at: string | null;
}

export interface Totp {
  id: string;
  name: string;
  created_at: string;
  last_used_at: string | null;
}

export interface TotpEnrollment {
  /** For users who cannot scan the code. */
  secret: string;
  /** `otpauth://totp/…` */
  uri: string;
  /** An SVG document. */
  qr: string;
  finish(code: string, name?: string): Promise<{ totp: Totp; recovery_codes?: string[] }>;
}

export interface Account {
  user: User;
  has_password: boolean;
  two_step: boolean;
  passkeys: number;
  security_keys: number;
  totp: number;
  recovery_codes_left: number;
  identities: number;
}

export interface AccountEvent {
  kind: string;
  at: string;
  by?: "administrator";
  session_id?: string;
  ip?: string;
  user_agent?: string;
  detail: Record<string, unknown>;
}

export interface Device {
  id: string;
  user_agent: string | null;
  ip: string | null;
  created_at: string;
  last_used_at: string;
  expires_at: string;
  current: boolean;
}

export interface Identity {
  id: string;
  provider: string;
  subject: string;
  email: string | null;
  linked_at: string;
}

export interface ApiKey {
  id: string;
  name: string;
  hint: string;
  scopes: string[];
  created_at: string;
  expires_at: string | null;
  last_used_at: string | null;
}

export interface Persistence {
  /** `false` ends the session with the browser. */
  persistent?: boolean;
}

export interface SignUp extends Persistence {
  email: string;
  password: string;
  display_name?: string;
  username?: string;
  user_metadata?: Record<string, unknown>;
  /** For hooks of the application, such as `captcha_token`. */
  [member: string]: unknown;
}

export type SignIn = Persistence & {
  password: string;
  device_token?: string;
  /** For hooks of the application, such as `captcha_token`. */
  [member: string]: unknown;
} & ({ email: string; login?: undefined } | { login: string; email?: undefined });

export interface EmailSignIn extends Persistence {
  email: string;
  redirect_to?: string;
  display_name?: string;
}

/** The sign-in sheet of a provider. */
export interface SheetSignIn extends Persistence {
  /** The name of a new user whose ID token has none. */
  display_name?: string;
}

/** Nothing if the user closes the sheet. */
export type IdToken = string | null | undefined;

export interface Profile {
  display_name?: string | null;
  avatar_url?: string | null;
  username?: string | null;
  locale?: string | null;
  user_metadata?: Record<string, unknown>;
}

export interface Options {
  transport?: "cookie" | "bearer";
  tokens?: "memory" | "sessionStorage";
  credentials?: RequestCredentials;
  /** In milliseconds. */
  timeout?: number;
  /** In milliseconds. */
  refreshTimeout?: number;
}

export interface AuthEvents {
  signin: CustomEvent<{ user: User }>;
  signout: CustomEvent<{ user?: undefined }>;
}

type Answer = Promise<Complete | Pending>;

export declare class AuthClient extends EventTarget {
  constructor(base?: string | URL, options?: Options);
  /**
   * If the result is truthy, the request is sent again. A request that begins while this runs, such
   * as one of its own, fails with `step_up_required` instead of calling it again.
   */
  onStepUp?: (error: AuthError) => unknown;
  signUp(fields: SignUp): Answer;
  signIn(fields: SignIn): Answer;
  signInAnonymously(fields?: Persistence): Promise<Complete>;
  signInByEmail(fields: EmailSignIn): Promise<Pending>;
  signInByLink(token: string, options?: Persistence & { confirm?: boolean }): Answer;
  signInWithPasskey(
    options?: Persistence & { email?: string; autofill?: boolean; signal?: AbortSignal },
  ): Promise<Complete | Pending | null>;
  signUpWithPasskey(
    fields: Persistence & { email: string; display_name?: string; name?: string },
  ): Promise<Complete | null>;
  signInWithProvider(provider: string, options?: Persistence & { redirect_to?: string }): Promise<void>;
  signInWithIdToken(
    provider: string,
    ask: (nonce: string) => IdToken | Promise<IdToken>,
    options?: SheetSignIn,
  ): Promise<Complete | Pending | null>;
  signInWithFedCM(
    provider: string,
    options: SheetSignIn & {
      clientId: string;
      configURL?: string;
      mediation?: CredentialMediationRequirement;
      signal?: AbortSignal;
    },
  ): Promise<Complete | Pending | null>;
  signInWithOneTap(
    provider: string,
    options: SheetSignIn & { clientId: string; settings?: Record<string, unknown> },
  ): Promise<Complete | Pending | null>;
  exchange(code: string, code_verifier?: string): Answer;
  verify(fields: { challenge?: string; code: string; method?: Factor; remember?: boolean }): Answer;
  resend(fields?: { challenge?: string; method?: Factor }): Promise<Pending>;
  returnTo(options?: { fallback?: string; origins?: string[]; search?: string }): string;
  verifyPasskey(challenge?: string): Promise<Complete | Pending | null>;
  verifyTotp(code: string): Promise<Complete>;
  verifyPassword(password: string): Promise<Complete>;
  verifyByEmail(): Promise<Pending>;
  verifyWithProvider(provider: string, options?: { redirect_to?: string }): Promise<void>;
  session(): Promise<{ user: User; session: Session } | null>;
  signOut(): Promise<void>;
  sessions(): Promise<Session[]>;
  endSession(id: string): Promise<void>;
  endSessions(scope?: "others" | "all"): Promise<number>;
  ticket(): Promise<{ ticket: string; expires_in: number }>;
  account(): Promise<Account>;
  updateAccount(patch: Profile): Promise<User>;
  accountEvents(cursor?: string): Promise<{ events: AccountEvent[]; next_cursor: string | null }>;
  deleteAccount(): Promise<void>;
  changePassword(current_password: string, new_password: string): Answer;
  setPassword(new_password: string): Promise<Complete>;
  forgotPassword(email: string): Promise<void>;
  resetPassword(token: string, new_password: string): Promise<void>;
  changeEmail(new_email: string): Promise<Pending>;
  undoEmailChange(token: string): Promise<{ reset_token: string; expires_at: string }>;
  requestRecovery(): Promise<Pending & { finish(code: string): Promise<{ available_at: string }> }>;
  cancelRecovery(token: string): Promise<void>;
  setTwoStep(enabled: boolean): Promise<boolean>;
  enrollTotp(): Promise<TotpEnrollment>;
  totp(): Promise<Totp[]>;
  removeTotp(id: string): Promise<void>;
  recoveryCodes(): Promise<{ left: number; created_at: string | null }>;
  replaceRecoveryCodes(): Promise<string[]>;
  devices(): Promise<Device[]>;
  forgetDevice(id: string): Promise<void>;
  forgetDevices(): Promise<number>;
  passkeys(): Promise<Passkey[]>;
  registerPasskey(
    options?: { name?: string; secondFactor?: boolean; signal?: AbortSignal },
  ): Promise<Passkey | null>;
  upgradeToPasskey(options?: { name?: string }): Promise<Passkey | null>;
  renamePasskey(id: string, name: string): Promise<Passkey>;
  removePasskey(id: string): Promise<void>;
  identities(): Promise<Identity[]>;
  linkProvider(provider: string, options?: { redirect_to?: string }): Promise<void>;
  unlink(id: string): Promise<void>;
  apiKeys(): Promise<ApiKey[]>;
  createApiKey(fields: { name: string; scopes: string[]; expires_in?: number }): Promise<ApiKey & { key: string }>;
  revokeApiKey(id: string): Promise<void>;
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  request<T = unknown>(method: string, path: string, body?: unknown): Promise<T>;
  refresh(): Promise<boolean>;
  addEventListener<K extends keyof AuthEvents>(
    type: K,
    listener: (event: AuthEvents[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

export declare const auth: AuthClient;
