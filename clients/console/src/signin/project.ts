// Signs in at the Supabase project, with its own library.
import { GoTrueClient, isAuthError, isAuthRetryableFetchError, type Session } from "@supabase/auth-js";
import { decode } from "../base64url.js";
import type { SupabaseProject } from "./config.js";
import { messageFor } from "./messages.js";
import type { Storage } from "./storage.js";

/** The error of a sign-in. `final` means that another attempt with the same input is pointless. */
export class SignInError extends Error {
  constructor(
    message: string,
    readonly final: boolean,
    readonly code?: string,
  ) {
    super(message);
  }
}

/** Whether this browser can sign in with links. The digest of a verifier needs a secure context. */
export const supportsLinks = globalThis.isSecureContext;

/** Whether this browser has passkeys and security keys (WebAuthn), which need a secure context. */
export const supportsKeys = globalThis.PublicKeyCredential !== undefined;

/** The page to which the project and its identity providers redirect. */
export const pageUrl = `${location.origin}/console`;

/**
 * Creates a client of the project whose tokens are in `storage`. The client does not read the
 * URL, which takeLink does earlier, and does not renew tokens, which needs the lock of the
 * storage.
 */
export function createAuthClient(project: SupabaseProject, storage: Storage): GoTrueClient {
  return new GoTrueClient({ ...optionsOf(project), storage, storageKey: storage.name });
}

/** Creates a client that keeps its tokens in memory, for a link that the user has not accepted. */
export function createTemporaryClient(project: SupabaseProject): GoTrueClient {
  return new GoTrueClient({ ...optionsOf(project), persistSession: false, storageKey: "fieldgate.link" });
}

function optionsOf({ url, anonKey }: SupabaseProject) {
  return {
    url: `${url}/auth/v1`,
    headers: { apikey: anonKey },
    flowType: "pkce",
    detectSessionInUrl: false,
    autoRefreshToken: false,
    experimental: { passkey: true },
    // The request that ends a login must outlast the page.
    fetch: (input: RequestInfo | URL, init?: RequestInit) =>
      fetch(input, { ...init, keepalive: String(input).includes("/logout") }),
  } as const;
}

/**
 * Returns the data of a response of the project. It throws a SignInError if the project refused
 * the request or did not respond.
 */
export function dataOf<T extends { data: unknown; error: Error | null }>(result: T): DataOf<T> {
  if (result.error) throw errorOf(result.error);
  return result.data as DataOf<T>;
}

/** The data of a response without an error. */
type DataOf<T> = T extends { data: infer D; error: null } ? D : never;

/** Converts an error of the library. */
export function errorOf(error: Error): SignInError {
  if (!isAuthError(error)) return new SignInError(explainBrowser(error), true);
  if (isAuthRetryableFetchError(error)) return new SignInError("The sign-in service cannot be reached.", false);
  return new SignInError(messageFor(error.code) ?? error.message, error.status !== 429, error.code);
}

/** Returns the message for an error of the browser, about a passkey or a security key. */
function explainBrowser(error: Error & { code?: string }): string {
  return messageFor(error.code) ?? messageFor(error.name) ?? error.message;
}

/** What a project allows, from its own settings. */
export interface ProjectSettings {
  /** The identity providers of OAuth, such as "github". */
  providers: string[];
  /** Whether users sign in with an e-mail address. */
  email: boolean;
  sso: boolean;
  passkeys: boolean;
}

/** The part of the settings of the project that the page uses (GET /settings). */
interface PublishedSettings {
  external?: Record<string, boolean>;
  saml_enabled?: boolean;
  passkeys_enabled?: boolean;
}

/** Reads the settings of the project. If they cannot be read, it returns those of a plain project. */
export async function readSettings({ url, anonKey }: SupabaseProject): Promise<ProjectSettings> {
  const read = fetch(`${url}/auth/v1/settings`, { headers: { apikey: anonKey } });
  const found: PublishedSettings = await read
    .then((response) => (response.ok ? response.json() : {}))
    .catch(() => ({}));
  const external = found.external ?? {};
  return {
    providers: Object.keys(external).filter((name) => external[name] && !notOAuth.includes(name)),
    email: external.email ?? true,
    sso: found.saml_enabled ?? false,
    passkeys: found.passkeys_enabled ?? false,
  };
}

/** The methods in the settings that are not identity providers. */
const notOAuth = ["email", "phone", "anonymous_users"];

/** Reports whether the user of a session has to verify a second factor to raise its level to aal2. */
export function hasUnusedFactor(session: Session): boolean {
  const verified = session.user?.factors?.some(({ status }) => status === "verified") ?? false;
  return verified && claimsOf(session.access_token).aal !== "aal2";
}

/** The claims that the page reads. The gateway verifies the token itself. */
export interface Claims {
  sub: string;
  exp?: number;
  iat?: number;
  aal?: string;
}

/** Returns the claims of an access token. It throws a SignInError if the text is not a token. */
export function claimsOf(token: string): Claims {
  try {
    const claims = JSON.parse(new TextDecoder().decode(decode(token.split(".")[1] ?? "")));
    if (typeof claims.sub === "string") return claims;
  } catch {}
  throw new SignInError("This is not an access token.", true);
}
