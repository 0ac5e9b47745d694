// Signs users in with a project of Supabase Auth, without its library.

/** A Supabase project and its public key. */
export interface SupabaseProject {
  url: string;
  anonKey: string;
}

export interface Tokens {
  access: string;
  refresh?: string;
}

/**
 * The error of a failed sign-in. `final` means that another attempt with the same input is
 * pointless.
 */
export class SignInError extends Error {
  constructor(
    message: string,
    readonly final: boolean,
    readonly code?: string,
  ) {
    super(message);
  }
}

/** Requests tokens (POST /token) in exchange for a password, a refresh token or the code of a link. */
export async function requestTokens(project: SupabaseProject, grant: string, body: object): Promise<Tokens> {
  const response = await post(project, `token?grant_type=${grant}`, body);
  return { access: String(response.access_token), refresh: response.refresh_token as string | undefined };
}

/**
 * Ends the login in the project. Errors are ignored, because the page removes its tokens in any
 * case.
 */
export function endLogin(project: SupabaseProject, access: string): void {
  const headers = { apikey: project.anonKey, Authorization: `Bearer ${access}` };
  void fetch(`${project.url}/auth/v1/logout?scope=local`, { method: "POST", headers }).catch(() => {});
}

// A sign-in link contains a code and no token. The code can be exchanged for tokens only
// together with the verifier, which stays in this browser (PKCE, RFC 7636). Therefore a stolen
// mail or URL gives no access, and an attacker's link cannot sign the user in as the attacker.
// The verifier is in localStorage, because the link opens in another tab. The verifier is not a
// token, and is removed when the link is used.
const verifierKey = "fieldgate.verifier";

/** Whether this browser can sign in with links. The digest of the verifier needs a secure context. */
export const supportsLinks = globalThis.isSecureContext;

/** Requests an e-mail with a sign-in link. It also succeeds if the address has no account. */
export async function sendLink(project: SupabaseProject, email: string): Promise<void> {
  const verifier = base64url(crypto.getRandomValues(new Uint8Array(32)));
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier));
  localStorage.setItem(verifierKey, verifier);
  const redirectTo = encodeURIComponent(`${location.origin}/console`);
  await post(project, `otp?redirect_to=${redirectTo}`, {
    email,
    create_user: false,
    code_challenge: base64url(new Uint8Array(digest)),
    code_challenge_method: "s256",
  }).catch((error: unknown) => {
    // Throw every error except `otp_disabled`. That error is hidden, so that the page does not
    // reveal which addresses have an account.
    if (!(error instanceof SignInError && error.code === "otp_disabled")) throw error;
  });
}

/**
 * Removes the code of a sign-in link from the URL of the page, and exchanges it for tokens. It
 * returns `undefined` if the page was not opened by a link.
 */
export async function redeemLink(project: SupabaseProject | undefined): Promise<Tokens | undefined> {
  const query = new URLSearchParams(location.search);
  const code = query.get("code");
  if (code === null && !query.has("error")) return undefined;
  history.replaceState(null, "", location.pathname);
  const verifier = localStorage.getItem(verifierKey);
  localStorage.removeItem(verifierKey);
  if (!project || code === null) throw new SignInError("This link is not valid any more. Request another one.", true);
  if (!verifier) throw new SignInError("This link works once, and only in the browser that requested it.", true);
  return requestTokens(project, "pkce", { auth_code: code, code_verifier: verifier });
}

async function post(project: SupabaseProject, path: string, body: object): Promise<Record<string, unknown>> {
  const response = await fetch(`${project.url}/auth/v1/${path}`, {
    method: "POST",
    headers: { apikey: project.anonKey, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  }).catch(() => {
    throw new SignInError("The sign-in service cannot be reached.", false);
  });
  const content = await response.json().catch(() => ({}));
  if (response.ok) return content;
  const message =
    content.msg ?? content.error_description ?? `The sign-in service responded with status ${response.status}.`;
  const final = response.status >= 400 && response.status < 500 && response.status !== 429;
  throw new SignInError(message, final, content.error_code);
}

function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}
