// Who is signed in. The tokens live in sessionStorage: a reload keeps them, closing the tab
// ends them, and no request but ours and no cookie carries them. Memory alone would
// sign people out with each reload; localStorage would outlive the person at the desk.
import { signal } from "@preact/signals";
import { endLogin, getTokens, type Project, SignInError, type Tokens, takeLinkCode } from "./project.js";

/** What the gateway says about signing in. */
export interface Config {
  supabase?: Project;
  tokenLinks: boolean;
  tenantClaim: string;
  roleClaim: string;
  live: boolean;
}

const roles = ["viewer", "operator", "approver", "admin"] as const;
export type Role = (typeof roles)[number];

/** The person as the token says, to show; the gateway looks for itself. */
export interface Person {
  id: string;
  name: string;
  tenant: string;
  role: Role;
}

const place = "fieldgate.tokens";
export const person = signal<Person | undefined>();
/** Why nobody is signed in any more. */
export const signedOutBecause = signal<string>("");
let config: Config;
let tokens: Tokens | undefined;

/** Signs in whoever was before the reload, or comes by a link. */
export async function begin(given: Config): Promise<void> {
  config = given;
  renewals?.addEventListener("message", ({ data }) => data.used === tokens?.refresh && keep(data.next));
  takeLink();
  addEventListener("hashchange", () => takeLink() && location.reload());
  const kept = sessionStorage.getItem(place);
  try {
    if (kept) keep(JSON.parse(kept));
  } catch {
    sessionStorage.removeItem(place);
  }
  try {
    const next = await takeLinkCode(config.supabase);
    if (next) keep(next);
  } catch (error) {
    if (!tokens) signedOutBecause.value = (error as Error).message;
  }
}

/** Takes a token out of the address at once, and uses it if links may sign in. */
function takeLink(): boolean {
  const linked = new URLSearchParams(location.hash.slice(1)).get("token");
  if (linked === null) return false;
  history.replaceState(null, "", location.pathname);
  if (config.tokenLinks) sessionStorage.setItem(place, JSON.stringify({ access: linked }));
  return config.tokenLinks;
}

/** Signs in with an access token; throws if it is none. */
export function signInWithToken(token: string): void {
  keep({ access: token.trim() });
}

/** Signs in with the project. */
export async function signInWithPassword(email: string, password: string): Promise<void> {
  keep(await getTokens(project(), "password", { email, password }));
}

function project(): Project {
  if (!config.supabase) throw new SignInError("This gateway has no project to sign in with.", true);
  return config.supabase;
}

export function signOut(because = ""): void {
  if (config.supabase && tokens?.refresh && !because) endLogin(config.supabase, tokens.access);
  tokens = undefined;
  sessionStorage.removeItem(place);
  signedOutBecause.value = because;
  person.value = undefined;
}

/** Gives a token for a request: a newer one if that is about to expire or was refused. */
export async function token(refused?: string): Promise<string> {
  if (!tokens) throw new Error("nobody is signed in");
  const due = refused === tokens.access || expiresAt(tokens.access) < Date.now() + 60_000;
  if (!due) return tokens.access;
  if (tokens.refresh) await renew(tokens.refresh);
  else if (refused === tokens.access || expiresAt(tokens.access) < Date.now())
    signOut("Your token has expired or was refused. Sign in again.");
  if (!tokens) throw new Error("nobody is signed in");
  return tokens.access;
}

// A tab that was duplicated has the same refresh token, and must not use it a second time:
// the project would take that for theft and end the login.
const renewals = globalThis.BroadcastChannel && new BroadcastChannel("fieldgate.renewals");
let renewal: Promise<void> | undefined;

/** Renews once, however many ask: a refresh token is good for one use. */
function renew(refresh: string): Promise<void> {
  renewal ??= (async () => {
    try {
      const next = await getTokens(project(), "refresh_token", { refresh_token: refresh });
      if (tokens?.refresh !== refresh) return; // signed out meanwhile, or another tab was faster
      renewals?.postMessage({ used: refresh, next });
      keep(next);
    } catch (error) {
      // Another tab may have been faster, and be about to say so.
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      if (tokens?.refresh !== refresh) return;
      if (error instanceof SignInError && error.final) signOut("Your sign-in has ended. Sign in again.");
      else throw error;
    } finally {
      renewal = undefined;
    }
  })();
  return renewal;
}

function keep(next: Tokens): void {
  const claims = claimsOf(next.access);
  tokens = next;
  sessionStorage.setItem(place, JSON.stringify(next));
  const tenant = at(claims, config.tenantClaim);
  const role = roles.find((known) => known === at(claims, config.roleClaim));
  const found: Person = {
    id: String(claims.sub),
    name: typeof claims.email === "string" ? claims.email : String(claims.sub),
    tenant: typeof tenant === "string" && tenant ? tenant : "your own",
    role: role ?? (tenant ? "viewer" : "admin"),
  };
  signedOutBecause.value = "";
  if (JSON.stringify(found) !== JSON.stringify(person.value)) person.value = found;
}

/** Whether the person has at least a role. */
export function may(least: Role): boolean {
  return person.value !== undefined && roles.indexOf(person.value.role) >= roles.indexOf(least);
}

function claimsOf(token: string): Record<string, unknown> {
  try {
    const part = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const claims = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (c) => c.charCodeAt(0))));
    if (typeof claims.sub === "string") return claims;
  } catch {}
  throw new SignInError("That is not an access token.", true);
}

function expiresAt(token: string): number {
  return Number(claimsOf(token).exp ?? 0) * 1000;
}

function at(claims: unknown, path: string): unknown {
  return path.split(".").reduce((value, name) => (value as Record<string, unknown> | undefined)?.[name], claims);
}
