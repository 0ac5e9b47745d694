// The route of the page, which is the fragment of its URL: a path, and the filters of a list.
import { signal } from "@preact/signals";

export interface Route {
  /** The parts of the path, such as ["sessions", "ses_..."]. */
  path: string[];
  /** The filters, by name. */
  query: Record<string, string>;
}

/** Parses a fragment such as "#/commands?status=failed". It ignores names without a value. */
export function parseRoute(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  const given = [...new URLSearchParams(query)].filter(([, value]) => value !== "");
  return { path: path.split("/").filter(Boolean).map(decoded), query: Object.fromEntries(given) };
}

/** Returns the fragment of a route. It omits filters without a value. */
export function hashOf(path: string[], query: Record<string, string | undefined> = {}): string {
  const given = Object.entries(query).filter((pair): pair is [string, string] => Boolean(pair[1]));
  const search = new URLSearchParams(given).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${search && `?${search}`}`;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a link that was cut within an escape
  }
}

export const route = signal<Route>({ path: [], query: {} });

/** Takes the route over from the URL. */
export function readRoute(): void {
  if (parseRoute(location.hash).path.length === 0) history.replaceState(null, "", "#/inbox");
  route.value = parseRoute(location.hash);
}

/** Changes filters of the current list, and the URL with them. It adds no entry to the history. */
export function setFilters(changes: Record<string, string | undefined>): void {
  const { path, query } = route.value;
  history.replaceState(null, "", hashOf(path, { ...query, ...changes }));
  route.value = parseRoute(location.hash);
}
