import { FieldgateNetworkError, refusal, retryAfterMs } from "./errors.js";
import type { TokenSource } from "./token.js";
import { jitter, pause } from "./wait.js";

/** How requests are repeated. */
export interface RetryOptions {
  /** How often a request is tried in all. Default: 4. */
  attempts?: number;
  /** The bound of the first random wait; it doubles with each try. Default: 1000. */
  baseMs?: number;
  /** The largest bound, and the longest `Retry-After` that is waited for. Default: 60000. */
  capMs?: number;
}

export interface TransportOptions {
  fetch: (request: Request) => Promise<Response>;
  token: TokenSource | undefined;
  retry: Required<RetryOptions>;
  timeoutMs: number;
}

type Send = (request: Request) => Promise<Response>;

/** Sends requests with a token, within a time, and again where that is safe. */
export function transport(options: TransportOptions): Send {
  const send: Send = (request) => within(options.timeoutMs, options.fetch, request);
  const authorized: Send = (request) => withToken(send, options.token, request);
  return (request) => repeating(authorized, options.retry, request);
}

async function within(timeoutMs: number, fetch: Send, request: Request): Promise<Response> {
  const late = AbortSignal.timeout(timeoutMs);
  try {
    return await fetch(new Request(request, { signal: AbortSignal.any([request.signal, late]) }));
  } catch (cause) {
    throw unanswered(cause, request.signal);
  }
}

/** Makes of what `fetch` throws the error to tell; the caller's own abort stays as it is. */
export function unanswered(cause: unknown, signal?: AbortSignal | null): unknown {
  if (signal?.aborted) return cause;
  const timedOut = cause instanceof DOMException && cause.name === "TimeoutError";
  return new FieldgateNetworkError(timedOut ? "no answer came in time" : "no answer came", { cause, timedOut });
}

/** Sends with a token, and once more with another one if it is refused. */
async function withToken(send: Send, token: TransportOptions["token"], request: Request): Promise<Response> {
  if (!token || request.headers.has("Authorization")) return send(request.clone());
  const first = await token(undefined, request.signal);
  const response = await send(bearing(first, request));
  if (!(await refusesToken(response))) return response;
  const second = await token(first, request.signal);
  if (second === first) return response;
  await discard(response);
  return send(bearing(second, request));
}

function bearing(token: string, request: Request): Request {
  const copy = request.clone();
  copy.headers.set("Authorization", `Bearer ${token}`);
  return copy;
}

async function refusesToken(response: Response): Promise<boolean> {
  return response.status === 401 && (await refusal(response.clone())).code === "unauthorized";
}

/** Gives back the connection of an answer that nobody reads. */
async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {}); // it may have broken already
}

async function repeating(send: Send, retry: Required<RetryOptions>, request: Request): Promise<Response> {
  for (let tries = 1; ; tries++) {
    const outcome = await send(request).catch((error: unknown) => ({ error }));
    const hint = hintOf(outcome);
    if (tries >= retry.attempts || hint > retry.capMs || !worthRepeating(request, outcome)) {
      if ("error" in outcome) throw outcome.error;
      return outcome;
    }
    if (!("error" in outcome)) await discard(outcome);
    await pause(hint + jitter(tries - 1, retry.baseMs, retry.capMs), request.signal);
  }
}

function hintOf(outcome: Response | { error: unknown }): number {
  return "error" in outcome ? 0 : (retryAfterMs(outcome) ?? 0);
}

/**
 * Whether a repetition can help and do no harm. What was not let in (429) was not done; all
 * else is repeated only if doing it twice is the same as once: a reading request, or one
 * with an Idempotency-Key.
 */
function worthRepeating(request: Request, outcome: Response | { error: unknown }): boolean {
  const safe = request.method === "GET" || request.headers.has("Idempotency-Key");
  if ("error" in outcome) return safe && outcome.error instanceof FieldgateNetworkError;
  return outcome.status === 429 || (safe && outcome.status >= 500);
}
