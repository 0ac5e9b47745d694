// The tokens of the signed-in user: where they come from, how they are renewed, and how they end.

import { signal } from "@preact/signals";
import { type GoTrueClient, isAuthRetryableFetchError, type Session } from "@supabase/auth-js";
import type { Config, SupabaseProject } from "./config.js";
import { type Link, takeLink } from "./link.js";
import { explainRefusal, type Notice } from "./messages.js";
import { claimsOf, createAuthClient, dataOf, errorOf, hasUnusedFactor, SignInError } from "./project.js";
import { Storage } from "./storage.js";

/** The tokens of the user. `session` is not set for a token that was pasted or handed over. */
export interface SignedIn {
  access: string;
  session?: Session;
}

export const signedIn = signal<SignedIn | undefined>();
/** The reason why the page asks to sign in, for display. It is `undefined` if the user knows it. */
export const notice = signal<Notice | undefined>();
/** The time in ms at which the sign-in ends, because it cannot be renewed. `undefined`: it can. */
export const endsAt = signal<number | undefined>();
/** Whether the user has asked to sign in again before the sign-in ends. */
export const signingInAgain = signal(false);
/** A link with tokens of an account that the user has not yet confirmed. */
export const unconfirmedLink = signal<Extract<Link, { kind: "hash" | "tokens" }> | undefined>();
/** Whether the user, who came from an invitation or a recovery mail, is to set a password. */
export const passwordWanted = signal(false);
/** Whether the user is to verify a second factor before the page continues. */
export const factorWanted = signal(false);

const tokenName = "fieldgate.token";
const skipName = "fieldgate.without-factor";
/** The page warns this long before a sign-in ends. A renewal is therefore tried before that. */
const warningMs = 10 * 60_000;
const retryMs = 30_000;

let config: Config;
let storage: Storage;
let client: GoTrueClient | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;
let renewal: Promise<void> | undefined;

/** Signs the user in with the tokens of before a reload, or with the link that opened the page. */
export async function restoreSignIn(given: Config, link: Link | undefined): Promise<void> {
  config = given;
  storage = Storage.open();
  if (config.supabase) client = watch(createAuthClient(config.supabase, storage));
  addEventListener("hashchange", () => void openLink(takeLink()));
  document.addEventListener("visibilitychange", () => document.hidden || void renewIfDue());
  const token = sessionStorage.getItem(tokenName);
  if (token) acceptToken(token);
  else await restoreSession();
  await openLink(link);
}

async function restoreSession(): Promise<void> {
  const session = await storedSession();
  if (session) accept(session);
}

/**
 * Adopts the tokens of this tab and those that another tab of this sign-in has stored. The
 * library first reads the session, which may renew it, so this needs the lock.
 */
function watch(created: GoTrueClient): GoTrueClient {
  void storage.exclusive(() => new Promise<void>((resolve) => subscribe(created, resolve)));
  return created;
}

/** Subscribes to the events of a client, and calls `onStarted` with the first. */
function subscribe(created: GoTrueClient, onStarted: () => void): void {
  created.onAuthStateChange((event, session) => {
    onStarted();
    if (created !== client) return;
    if (event === "PASSWORD_RECOVERY") passwordWanted.value = true;
    if (event === "SIGNED_OUT") void onSignedOut(created);
    else if (session) accept(session);
  });
}

/** Returns the project's client. It throws a SignInError if the gateway has no project. */
export function auth(): GoTrueClient {
  if (!client) throw new SignInError("This gateway has no Supabase project to sign in with.", true);
  return client;
}

/** Returns the project, if users sign in at one. */
export function supabaseProject(): SupabaseProject | undefined {
  return config.supabase;
}

async function openLink(link: Link | undefined): Promise<void> {
  try {
    if (link?.kind === "dev" && config.tokenLinks) signInWithToken(link.access);
    if (link?.kind === "code") await redeemCode(link.code);
    if (link?.kind === "refused") notice.value = explainRefusal(link);
    if (link?.kind === "hash" || link?.kind === "tokens") unconfirmedLink.value = link;
  } catch (error) {
    notice.value = { text: (error as Error).message };
  }
}

/** Exchanges a code for tokens. Only the browser that requested the code can do that (PKCE, RFC 7636). */
async function redeemCode(code: string): Promise<void> {
  dataOf(await auth().exchangeCodeForSession(code));
  storage.removeVerifiers();
}

/**
 * Signs in with an access token. It throws a SignInError if the text is not a token. An earlier
 * sign-in at the project loses its storage here, because its client would bring it back as soon
 * as the tab is shown again.
 */
export function signInWithToken(token: string): void {
  const access = token.trim();
  claimsOf(access);
  openNewStorage();
  passwordWanted.value = factorWanted.value = false;
  acceptToken(access);
  sessionStorage.setItem(tokenName, access);
}

function acceptToken(access: string): void {
  claimsOf(access);
  use({ access });
}

function accept(session: Session): void {
  if (session.access_token === signedIn.value?.access) return;
  if (signedIn.value && isRefused(signedIn.value)) isReplacement = true;
  sessionStorage.removeItem(tokenName);
  if (session.user.id !== subject()) factorWanted.value = hasUnusedFactor(session) && !skipsFactor(session);
  if (claimsOf(session.access_token).aal === "aal2") factorWanted.value = false;
  use({ access: session.access_token, session });
}

/** Continues without the second factor, also after a reload. The gateway may require it for approvals. */
export function skipFactor(): void {
  sessionStorage.setItem(skipName, subject() ?? "");
  factorWanted.value = false;
}

function skipsFactor(session: Session): boolean {
  return sessionStorage.getItem(skipName) === session.user.id;
}

/** Uses tokens from now on. */
function use(tokens: SignedIn): void {
  signedIn.value = tokens;
  notice.value = undefined;
  endsAt.value = undefined;
  signingInAgain.value = false;
  schedule(Math.max(dueAt(tokens) - Date.now(), 0));
}

/** Returns the user id of the current token. */
export function subject(): string | undefined {
  return signedIn.value && claimsOf(signedIn.value.access).sub;
}

/** Ends the sign-in, because the user asked for it. */
export function signOut(): void {
  void client?.signOut({ scope: "local" }).catch(() => {});
  leave();
}

/** Forgets the tokens and the user. */
function leave(reason?: string): void {
  clearTimeout(timer);
  for (const name of [tokenName, skipName]) sessionStorage.removeItem(name);
  openNewStorage();
  passwordWanted.value = factorWanted.value = signingInAgain.value = false;
  endsAt.value = signedIn.value = undefined;
  notice.value = reason ? { text: reason } : undefined;
  for (const handler of leaveHandlers) handler();
}

/** Opens storage and a client for the next sign-in, so that it is not that of the other tabs too. */
function openNewStorage(): void {
  storage = Storage.create();
  if (config.supabase) client = watch(createAuthClient(config.supabase, storage));
}

const leaveHandlers: (() => void)[] = [];

/** Calls a function each time after the user has signed out, in this tab or in another one. */
export function whenSignedOut(handler: () => void): void {
  leaveHandlers.push(handler);
}

/**
 * Handles a sign-out that a client has reported: of another tab, or after a renewal that the
 * project refused. The renewal itself handles its refusal, so this waits until it has ended.
 */
async function onSignedOut(of: GoTrueClient): Promise<void> {
  await renewal?.catch(() => {});
  const stored = await storedSession();
  if (of !== client || !signedIn.value || stored) return;
  if (expiresAt(signedIn.value) > Date.now()) leave("You have signed out in another tab.");
  else end();
}

/** Ends a sign-in that cannot be renewed. What the user has typed stays on the page. */
function end(): void {
  clearTimeout(timer);
  sessionStorage.removeItem(tokenName);
  endsAt.value = signedIn.value = undefined;
  notice.value = { text: "Your sign-in has ended, or was refused. Sign in again." };
}

/**
 * Returns the access token for a request. It renews the token first if it is due or if the
 * gateway has refused it. Only a refusal ends the sign-in, because the clock of this computer
 * may be wrong.
 */
export async function token(): Promise<string> {
  if (signedIn.value && (isDue(signedIn.value) || isRefused(signedIn.value))) await renewBefore(signedIn.value);
  if (signedIn.value && isRefused(signedIn.value)) end();
  if (!signedIn.value) throw new SignInError("You are not signed in. Sign in to continue.", true);
  return signedIn.value.access;
}

/** Renews tokens before a request. If the project does not respond, a token that was not refused is used. */
async function renewBefore(current: SignedIn): Promise<void> {
  try {
    await renew();
  } catch (error) {
    if (isRefused(current)) throw error;
  }
}

/** The token that the gateway has refused last. */
let lastRefused: string | undefined;
/**
 * Whether the current token replaces a refused one, and the gateway has not accepted it yet. If
 * it is refused too, another renewal would not help, and renewals would follow each other
 * without a pause.
 */
let isReplacement = false;

/** Remembers whether the gateway has accepted the token of a request. */
export function onResponse(authorization: string | null, { ok, status }: Response): void {
  const access = authorization?.replace(/^Bearer /, "");
  if (status === 401) lastRefused = access;
  if (ok && access === signedIn.value?.access) isReplacement = false;
}

function isRefused({ access }: SignedIn): boolean {
  return access === lastRefused;
}

/** Renews the tokens. Concurrent calls share one renewal. It throws if the project does not respond. */
function renew(isForced = false): Promise<void> {
  renewal ??= storage
    .exclusive(() => renewOnce(isForced))
    .finally(() => {
      renewal = undefined;
    });
  return renewal;
}

/** Renews the tokens now, because the rights of the user may have changed. */
export async function renewNow(): Promise<void> {
  await renew(true);
}

/** Renews the tokens if they are due. It tries again later if the project does not respond. */
async function renewIfDue(): Promise<void> {
  if (signedIn.value && isDue(signedIn.value)) await renew().catch(() => schedule(retryMs));
}

async function renewOnce(isForced: boolean): Promise<void> {
  const current = signedIn.value;
  if (!current?.session) return warnBeforeEnd();
  if (isReplacement && isRefused(current)) return end();
  const startedFor = storage;
  const stored = await storedSession();
  const isNewer = stored && stored.access_token !== current.access;
  if (isNewer && isUsable(stored)) return accept(stored); // another tab has renewed it
  const next = await refresh(isForced);
  if (storage !== startedFor) return; // the user has left, or another sign-in has replaced this one
  if (next) accept(next);
  else onRenewalRefused();
}

/**
 * Returns a renewed session, or `undefined` if the project refuses. It throws if the project does
 * not respond, or if it limits the rate of requests.
 */
async function refresh(isForced: boolean): Promise<Session | undefined> {
  // In the last 90 seconds, getSession itself renews the session.
  let { data, error } = await auth().getSession();
  const isOld = data.session?.access_token === signedIn.value?.access;
  if (data.session && (!isUsable(data.session) || (isForced && isOld)))
    ({ data, error } = await auth().refreshSession());
  if (error && (isAuthRetryableFetchError(error) || error.status === 429)) throw errorOf(error);
  return error ? undefined : (data.session ?? undefined);
}

/** Reports whether a session need not be renewed. */
function isUsable({ access_token: access }: Session): boolean {
  return !isDue({ access }) && !isRefused({ access });
}

/** Keeps the token until it ends, but warns the user. */
function onRenewalRefused(): void {
  const current = signedIn.value;
  if (!current || isRefused(current) || expiresAt(current) <= Date.now()) end();
  else warnBeforeEnd();
}

/** Warns that the sign-in ends, if it ends soon. A token that was pasted cannot be renewed. */
function warnBeforeEnd(): void {
  if (!signedIn.value) return;
  const at = expiresAt(signedIn.value);
  const isSoon = at - Date.now() < warningMs + retryMs * 2;
  endsAt.value = isSoon ? at : undefined;
  schedule(isSoon ? retryMs : at - Date.now() - warningMs);
}

/** Renews the tokens after a delay. A tab that slept does it when it wakes. */
function schedule(delayMs: number): void {
  clearTimeout(timer);
  timer = setTimeout(() => void renewIfDue(), Math.min(delayMs, 2 ** 31 - 1));
}

function isDue(tokens: SignedIn): boolean {
  return dueAt(tokens) <= Date.now();
}

/**
 * Returns the time in ms at which tokens are renewed: eleven minutes before they expire, so that
 * a refused renewal leaves ten minutes to sign in again, or after half of a shorter lifetime.
 */
function dueAt({ access }: SignedIn): number {
  const { iat, exp } = claimsOf(access);
  if (!exp) return Number.POSITIVE_INFINITY;
  const half = iat ? ((exp - iat) * 1000) / 2 : Number.POSITIVE_INFINITY;
  return exp * 1000 - Math.min(warningMs + 2 * retryMs, half);
}

/** Returns the time at which a token expires, in ms since 1970. A token without `exp` does not. */
function expiresAt({ access }: SignedIn): number {
  return (claimsOf(access).exp ?? Number.POSITIVE_INFINITY) * 1000;
}

/** Returns the session that the tabs of this sign-in share. */
async function storedSession(): Promise<Session | undefined> {
  const stored = await storage.getItem(storage.name);
  return stored ? (JSON.parse(stored) as Session) : undefined;
}
