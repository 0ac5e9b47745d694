// Links that open the page: those of mails, of identity providers and of other applications.

/** A link that opened the page. */
export type Link =
  /** The token of a link that `fieldgate dev` prints. */
  | { kind: "dev"; access: string }
  /** A code that this browser exchanges for tokens, because it has the verifier (PKCE). */
  | { kind: "code"; code: string }
  /** The hash of a mail's token, which the project exchanges for tokens once. */
  | { kind: "hash"; hash: string; type: string }
  /** Tokens: of an invitation or a recovery mail, or handed over by another application. */
  | { kind: "tokens"; access: string; refresh?: string; type: string }
  /** The reason why the project or an identity provider refused the sign-in. */
  | { kind: "refused"; code: string; description: string };

/** The parameters that are removed from the URL, because they are secret or used up. */
const parameters = ["token", "code", "token_hash", "access_token", "refresh_token", "error", "error_code"];

/**
 * Removes a link from the URL of the page and its history, and returns it. It returns
 * `undefined` if the URL contains none. It must run before anything else reads the URL or loads
 * something.
 */
export function takeLink(): Link | undefined {
  const query = new URLSearchParams(location.search);
  const fragment = new URLSearchParams(location.hash.startsWith("#/") ? "" : location.hash.slice(1));
  const found = parameters.some((name) => query.has(name) || fragment.has(name));
  if (!found) return undefined;
  history.replaceState(null, "", location.pathname);
  return linkOf((name) => fragment.get(name) ?? query.get(name) ?? "");
}

function linkOf(value: (name: string) => string): Link | undefined {
  const type = value("type");
  if (value("error") || value("error_code"))
    return { kind: "refused", code: value("error_code") || value("error"), description: value("error_description") };
  if (value("token")) return { kind: "dev", access: value("token") };
  if (value("code")) return { kind: "code", code: value("code") };
  if (value("token_hash")) return { kind: "hash", hash: value("token_hash"), type };
  if (value("access_token"))
    return { kind: "tokens", access: value("access_token"), refresh: value("refresh_token") || undefined, type };
  return undefined;
}

/** Reports whether the user of a link of a mail chooses a password after signing in. */
export function wantsPassword(type: string): boolean {
  return type === "invite" || type === "recovery";
}
