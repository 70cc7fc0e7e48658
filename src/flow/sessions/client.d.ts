// Types of client.js.

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
  /** `password`, `email_code`, `passkey` or `provider`. */
  factors: { method: string; at: string }[];
  ip: string | null;
  user_agent: string | null;
  transport: "cookie" | "bearer";
}

export interface Complete {
  status: "complete";
  user: User;
  session: Session;
}

export interface Pending {
  status: "pending";
  /** A secret of this browser, which is sent with the code. */
  challenge: string;
  methods: string[];
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
  readonly name: "AuthError";
  readonly status: number;
  readonly code: string;
  readonly problem: Problem;
}

export interface Passkey {
  id: string;
  name: string;
  aaguid: string;
  transports: string[];
  backed_up: boolean;
  user_verified: boolean;
  created_at: string;
  last_used_at: string | null;
}

export interface SignUp {
  email: string;
  password: string;
  display_name?: string;
  /** Ignored unless the application has usernames. */
  username?: string;
  user_metadata?: Record<string, unknown>;
}

/** `login` is an email address or a username. */
export type SignIn = ({ email: string } | { login: string }) & { password: string };

export interface AuthEvents {
  signin: CustomEvent<{ user: User }>;
  signout: CustomEvent<{ user?: undefined }>;
}

export declare class AuthClient extends EventTarget {
  constructor(base?: string | URL, options?: { refreshTimeout?: number });
  signUp(fields: SignUp): Promise<Complete | Pending>;
  signIn(fields: SignIn): Promise<Complete | Pending>;
  signInWithPasskey(options?: { email?: string; autofill?: boolean }): Promise<Complete | Pending | null>;
  addPasskey(name?: string): Promise<Passkey | null>;
  proveWithPasskey(challenge?: string): Promise<Complete | Pending | null>;
  passkeys(): Promise<Passkey[]>;
  removePasskey(id: string): Promise<void>;
  signOut(): Promise<void>;
  verify(challenge: string, code: string, options?: { remember?: boolean }): Promise<Complete | Pending>;
  verifyPassword(password: string): Promise<Complete>;
  verifyByEmail(): Promise<Pending>;
  setPassword(new_password: string): Promise<Complete>;
  undoEmailChange(token: string): Promise<{ reset_token: string; expires_at: string }>;
  resendCode(challenge: string): Promise<Pending>;
  changePassword(current_password: string, new_password: string): Promise<Complete | Pending>;
  forgotPassword(email: string): Promise<void>;
  resetPassword(token: string, new_password: string): Promise<void>;
  changeEmail(new_email: string): Promise<Pending>;
  deleteAccount(): Promise<void>;
  session(): Promise<{ user: User; session: Session } | null>;
  sessions(): Promise<Session[]>;
  endSession(id: string): Promise<void>;
  endSessions(scope?: "others" | "all"): Promise<number>;
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
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
