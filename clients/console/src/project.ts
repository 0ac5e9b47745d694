// The project that signs people in: Supabase Auth, asked without a library.

/** A project and its public key. */
export interface Project {
  url: string;
  anonKey: string;
}

export interface Tokens {
  access: string;
  refresh?: string;
}

/** The project did not sign in: `final` means that asking again is of no use. */
export class SignInError extends Error {
  constructor(
    message: string,
    readonly final: boolean,
    readonly code?: string,
  ) {
    super(message);
  }
}

/** Gets tokens (POST /token) for a password, a refresh token or the code of a link. */
export async function getTokens(project: Project, grant: string, body: object): Promise<Tokens> {
  const answer = await post(project, `token?grant_type=${grant}`, body);
  return { access: String(answer.access_token), refresh: answer.refresh_token as string | undefined };
}

/** Ends the login, as far as the project knows it. */
export function endLogin(project: Project, access: string): void {
  const headers = { apikey: project.anonKey, Authorization: `Bearer ${access}` };
  void fetch(`${project.url}/auth/v1/logout?scope=local`, { method: "POST", headers }).catch(() => {});
}

// A link brings a code, no token, and the code is good only with the verifier that stays in
// this browser (PKCE, RFC 7636): who reads the mail or the address has nothing, and nobody
// can send a link that signs its reader in as the sender. The verifier lies in localStorage
// because the link opens in another tab; it is no token, and is taken away with its use.
const verifierPlace = "fieldgate.verifier";

/** Whether links can be had: only secure contexts have the digest. */
export const hasLinks = globalThis.isSecureContext;

/** Has a link sent to who is known to the project. */
export async function sendLink(project: Project, email: string): Promise<void> {
  const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  localStorage.setItem(verifierPlace, verifier);
  const back = encodeURIComponent(`${location.origin}/console`);
  await post(project, `otp?redirect_to=${back}`, {
    email,
    create_user: false,
    code_challenge: base64url(new Uint8Array(digest)),
    code_challenge_method: "s256",
  }).catch((error: unknown) => {
    // Who has no account is told the same as who has one.
    if (!(error instanceof SignInError && error.code === "otp_disabled")) throw error;
  });
}

/** Takes what a link has brought out of the address, and gets the tokens for it. */
export async function takeLinkCode(project: Project | undefined): Promise<Tokens | undefined> {
  const query = new URLSearchParams(location.search);
  const code = query.get("code");
  if (code === null && !query.has("error")) return undefined;
  history.replaceState(null, "", location.pathname);
  const verifier = localStorage.getItem(verifierPlace);
  localStorage.removeItem(verifierPlace);
  if (!project || code === null) throw new SignInError("The link is not good any more. Ask for another.", true);
  if (!verifier) throw new SignInError("Open the link in the browser that asked for it, and once.", true);
  return getTokens(project, "pkce", { auth_code: code, code_verifier: verifier });
}

async function post(project: Project, path: string, body: object): Promise<Record<string, unknown>> {
  const response = await fetch(`${project.url}/auth/v1/${path}`, {
    method: "POST",
    headers: { apikey: project.anonKey, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  }).catch(() => {
    throw new SignInError("The sign-in service cannot be reached.", false);
  });
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const words = answer.msg ?? answer.error_description ?? `The sign-in service answered ${response.status}.`;
  const final = response.status >= 400 && response.status < 500 && response.status !== 429;
  throw new SignInError(words, final, answer.error_code);
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}
