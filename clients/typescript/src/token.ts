import { FieldgateNetworkError } from "./errors.js";
import { abortable } from "./sleep.js";

/**
 * Returns the bearer token, such as the access token of the user's login. It is called before
 * each request, so it should cache the token until the token is about to expire.
 *
 * If the provider throws an error, the request fails with this error. A token that it returns
 * after `timeoutMs` is ignored.
 *
 * @param refused a token that the gateway refused, or that is about to expire. The provider
 * must then return a newer token if there is one. Another request may already have renewed the
 * token, so the newer token may be in the cache.
 */
export type TokenProvider = (refused?: string) => string | Promise<string>;

/** Returns the token for a request. It stops waiting for the token when the signal is aborted. */
export type TokenSource = (refused?: string, signal?: AbortSignal) => Promise<string>;

/**
 * Returns a TokenSource that calls the provider with a timeout. Concurrent requests that were
 * refused with the same token share one call.
 */
export function tokenSource(provider: TokenProvider, timeoutMs: number): TokenSource {
  const renewals = new Map<string, Promise<string>>();
  const renewed = (refused: string) => {
    const renewal =
      renewals.get(refused) ?? withTimeout(() => provider(refused), timeoutMs).finally(() => renewals.delete(refused));
    renewals.set(refused, renewal);
    return renewal;
  };
  return (refused, signal) =>
    refused === undefined ? withTimeout(provider, timeoutMs, signal) : abortable(renewed(refused), signal);
}

async function withTimeout(
  provider: () => string | Promise<string>,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<string> {
  const timeout = new AbortController();
  const onTimeout = () => timeout.abort(new FieldgateNetworkError("no token in time", { timedOut: true }));
  const timer = setTimeout(onTimeout, timeoutMs);
  try {
    return await abortable(abortable(Promise.resolve(provider()), timeout.signal), signal);
  } finally {
    clearTimeout(timer);
  }
}
