// The signed-in user and the tokens. The tokens are in sessionStorage, so that they survive a
// reload but not the closing of the tab. In memory alone they would be lost with each reload.
// In localStorage they would stay for the next user of the computer. They are sent in no
// cookie.
import { signal } from "@preact/signals";
import { endLogin, redeemLink, requestTokens, SignInError, type SupabaseProject, type Tokens } from "./supabase.js";

/** The settings of the gateway for signing in, from /console/config.json. */
export interface Config {
  supabase?: SupabaseProject;
  tokenLinks: boolean;
  tenantClaim: string;
  roleClaim: string;
  live: boolean;
}

const roles = ["viewer", "operator", "approver", "admin"] as const;
export type Role = (typeof roles)[number];

/** The user according to the token, for display. The gateway verifies the token itself. */
export interface User {
  id: string;
  name: string;
  tenant: string;
  role: Role;
}

const tokensKey = "fieldgate.tokens";
export const user = signal<User | undefined>();
/**
 * The reason why the page signed the user out, for display. It is empty if the user asked to
 * sign out.
 */
export const signOutReason = signal<string>("");
let config: Config;
let tokens: Tokens | undefined;

/**
 * Signs the user in with the tokens that were stored before a reload, or with the link that
 * opened the page.
 */
export async function restoreSignIn(given: Config): Promise<void> {
  config = given;
  renewals?.addEventListener("message", ({ data }) => data.used === tokens?.refresh && storeTokens(data.next));
  takeTokenLink();
  addEventListener("hashchange", () => takeTokenLink() && location.reload());
  const stored = sessionStorage.getItem(tokensKey);
  try {
    if (stored) storeTokens(JSON.parse(stored));
  } catch {
    sessionStorage.removeItem(tokensKey);
  }
  try {
    const next = await redeemLink(config.supabase);
    if (next) storeTokens(next);
  } catch (error) {
    if (!tokens) signOutReason.value = (error as Error).message;
  }
}

/**
 * Removes the token from the URL of the page, if there is one. If the gateway allows links with
 * tokens, it also stores the token and returns true.
 */
function takeTokenLink(): boolean {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token === null) return false;
  history.replaceState(null, "", location.pathname);
  if (config.tokenLinks) sessionStorage.setItem(tokensKey, JSON.stringify({ access: token }));
  return config.tokenLinks;
}

/** Signs in with an access token. It throws a SignInError if the text is not a token. */
export function signInWithToken(token: string): void {
  storeTokens({ access: token.trim() });
}

/** Signs in at the Supabase project. It throws a SignInError if the project refuses. */
export async function signInWithPassword(email: string, password: string): Promise<void> {
  storeTokens(await requestTokens(project(), "password", { email, password }));
}

function project(): SupabaseProject {
  if (!config.supabase) throw new SignInError("This gateway has no Supabase project to sign in with.", true);
  return config.supabase;
}

/**
 * Removes the tokens. An empty `reason` means that the user has asked to sign out. In that case
 * the login in the Supabase project is ended too.
 */
export function signOut(reason = ""): void {
  if (config.supabase && tokens?.refresh && !reason) endLogin(config.supabase, tokens.access);
  tokens = undefined;
  sessionStorage.removeItem(tokensKey);
  signOutReason.value = reason;
  user.value = undefined;
}

/**
 * Returns the access token for a request. It renews a token that was refused or that expires
 * within a minute. If there is no refresh token, it signs the user out when the access token is
 * refused or has expired.
 */
export async function token(refused?: string): Promise<string> {
  if (!tokens) throw new Error("the user is not signed in");
  const due = refused === tokens.access || expiresAt(tokens.access) < Date.now() + 60_000;
  if (!due) return tokens.access;
  if (tokens.refresh) await renew(tokens.refresh);
  else if (refused === tokens.access || expiresAt(tokens.access) < Date.now())
    signOut("Your token has expired or was refused. Sign in again.");
  if (!tokens) throw new Error("the user is not signed in");
  return tokens.access;
}

// A duplicated tab has the same refresh token. If both tabs used it, the project would assume
// theft and end the login. Therefore a tab sends the renewed tokens to the others.
const renewals = globalThis.BroadcastChannel && new BroadcastChannel("fieldgate.renewals");
let renewal: Promise<void> | undefined;

/**
 * Renews the tokens. Concurrent calls share one renewal, because a refresh token is valid only
 * once.
 */
function renew(refresh: string): Promise<void> {
  renewal ??= (async () => {
    try {
      const next = await requestTokens(project(), "refresh_token", { refresh_token: refresh });
      if (tokens?.refresh !== refresh) return; // the user has signed out, or another tab has renewed the tokens
      renewals?.postMessage({ used: refresh, next });
      storeTokens(next);
    } catch (error) {
      // Another tab may have used the refresh token first. Its message arrives within a second.
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      if (tokens?.refresh !== refresh) return;
      if (error instanceof SignInError && error.final) signOut("Your sign-in has expired. Sign in again.");
      else throw error;
    } finally {
      renewal = undefined;
    }
  })();
  return renewal;
}

/** Stores tokens and updates the user. It throws a SignInError if the access token cannot be parsed. */
function storeTokens(next: Tokens): void {
  const claims = claimsOf(next.access);
  tokens = next;
  sessionStorage.setItem(tokensKey, JSON.stringify(next));
  const tenant = claimAt(claims, config.tenantClaim);
  const role = roles.find((known) => known === claimAt(claims, config.roleClaim));
  const found: User = {
    id: String(claims.sub),
    name: typeof claims.email === "string" ? claims.email : String(claims.sub),
    tenant: typeof tenant === "string" && tenant ? tenant : "own tenant",
    role: role ?? (tenant ? "viewer" : "admin"),
  };
  signOutReason.value = "";
  if (JSON.stringify(found) !== JSON.stringify(user.value)) user.value = found;
}

/** Reports whether the user has the role `least` or a higher one. */
export function hasRole(least: Role): boolean {
  return user.value !== undefined && roles.indexOf(user.value.role) >= roles.indexOf(least);
}

function claimsOf(token: string): Record<string, unknown> {
  try {
    const part = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (c) => c.charCodeAt(0))));
    if (typeof claims.sub === "string") return claims;
  } catch {}
  throw new SignInError("This is not an access token.", true);
}

/** Returns the time at which a token expires, in milliseconds since 1970. */
function expiresAt(token: string): number {
  return Number(claimsOf(token).exp ?? 0) * 1000;
}

/** Returns the claim at a path such as "app_metadata.role". */
function claimAt(claims: unknown, path: string): unknown {
  return path.split(".").reduce((value, name) => (value as Record<string, unknown> | undefined)?.[name], claims);
}
