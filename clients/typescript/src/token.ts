import { FieldgateNetworkError } from "./errors.js";
import { unlessAborted } from "./wait.js";

/**
 * Gives the bearer token, such as the access token of the user's login. It is asked before
 * each request, so it should keep the token until that is about to expire.
 *
 * @param refused a token that the gateway has refused, or that is about to expire: give
 * another one if there is one, which may be the one you hold by now. An error ends the
 * request and is thrown to its caller. After `timeoutMs` nobody waits for the answer any more.
 */
export type TokenProvider = (refused?: string) => string | Promise<string>;

/** Gives the token to requests, and gives up waiting for it when the signal is raised. */
export type TokenSource = (refused?: string, signal?: AbortSignal) => Promise<string>;

/** Asks a provider. Many requests that were refused with the same token share one renewal. */
export function tokenSource(provider: TokenProvider, timeoutMs: number): TokenSource {
  const renewals = new Map<string, Promise<string>>();
  const renewed = (refused: string) => {
    const renewal =
      renewals.get(refused) ?? inTime(() => provider(refused), timeoutMs).finally(() => renewals.delete(refused));
    renewals.set(refused, renewal);
    return renewal;
  };
  return (refused, signal) =>
    refused === undefined ? inTime(provider, timeoutMs, signal) : unlessAborted(renewed(refused), signal);
}

async function inTime(ask: () => string | Promise<string>, timeoutMs: number, signal?: AbortSignal): Promise<string> {
  const late = new AbortController();
  const tooLate = () => late.abort(new FieldgateNetworkError("no token came in time", { timedOut: true }));
  const timer = setTimeout(tooLate, timeoutMs);
  try {
    return await unlessAborted(unlessAborted(Promise.resolve(ask()), late.signal), signal);
  } finally {
    clearTimeout(timer);
  }
}
