// Who is signed in. The tokens live in sessionStorage: a reload keeps them, closing the tab
// ends them, and no other tab, no request and no cookie carries them. Memory alone would
// sign people out with each reload; localStorage would outlive the person at the desk.
import { signal } from "@preact/signals";

/** What the gateway says about signing in. */
export interface Config {
  supabase?: { url: string; anonKey: string };
  tokenLinks: boolean;
  tenantClaim: string;
  roleClaim: string;
  live: boolean;
}

interface Tokens {
  access: string;
  refresh?: string;
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
export function begin(given: Config): void {
  config = given;
  takeLink();
  addEventListener("hashchange", () => takeLink() && location.reload());
  const kept = sessionStorage.getItem(place);
  try {
    if (kept) keep(JSON.parse(kept));
  } catch {
    sessionStorage.removeItem(place);
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

/** Signs in with the project (Supabase Auth, POST /token?grant_type=password). */
export async function signInWithPassword(email: string, password: string): Promise<void> {
  keep(await askProject("password", { email, password }));
}

export function signOut(because = ""): void {
  const { supabase } = config;
  if (supabase && tokens?.refresh && !because) {
    const headers = { apikey: supabase.anonKey, Authorization: `Bearer ${tokens.access}` };
    void fetch(`${supabase.url}/auth/v1/logout?scope=local`, { method: "POST", headers }).catch(() => {});
  }
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

let renewal: Promise<void> | undefined;

/** Renews once, however many ask: a refresh token is good for one use. */
function renew(refresh: string): Promise<void> {
  renewal ??= (async () => {
    try {
      keep(await askProject("refresh_token", { refresh_token: refresh }));
    } catch (error) {
      if (error instanceof SignInError && error.final) signOut("Your sign-in has ended. Sign in again.");
      else throw error;
    } finally {
      renewal = undefined;
    }
  })();
  return renewal;
}

/** The project did not sign in: `final` means that asking again is of no use. */
export class SignInError extends Error {
  constructor(
    message: string,
    readonly final: boolean,
  ) {
    super(message);
  }
}

async function askProject(grant: string, body: object): Promise<Tokens> {
  const { supabase } = config;
  if (!supabase) throw new SignInError("This gateway has no project to sign in with.", true);
  const response = await fetch(`${supabase.url}/auth/v1/token?grant_type=${grant}`, {
    method: "POST",
    headers: { apikey: supabase.anonKey, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  }).catch(() => {
    throw new SignInError("The sign-in service cannot be reached.", false);
  });
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    const words = answer.msg ?? answer.error_description ?? `The sign-in service answered ${response.status}.`;
    throw new SignInError(words, response.status >= 400 && response.status < 500 && response.status !== 429);
  }
  return { access: answer.access_token, refresh: answer.refresh_token };
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
