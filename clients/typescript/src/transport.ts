import { errorFromResponse, FieldgateNetworkError, retryAfterMs } from "./errors.js";
import { jitter, sleep } from "./sleep.js";
import type { TokenSource } from "./token.js";

/** How requests are retried. */
export interface RetryOptions {
  /** The maximum number of attempts, the first one included. Default: 4. */
  attempts?: number;
  /**
   * The upper bound of the random delay before the second attempt, in milliseconds. The bound
   * doubles with each further attempt. Default: 1000.
   */
  baseMs?: number;
  /**
   * The maximum of the upper bound of the random delay, in milliseconds. A request whose
   * `Retry-After` is longer is not retried. Default: 60000.
   */
  capMs?: number;
}

export interface TransportOptions {
  fetch: (request: Request) => Promise<Response>;
  token: TokenSource | undefined;
  retry: Required<RetryOptions>;
  timeoutMs: number;
}

type Send = (request: Request) => Promise<Response>;

/**
 * Returns a function that sends requests. It adds the token, limits the time, and retries where
 * that is safe.
 */
export function transport(options: TransportOptions): Send {
  const send: Send = (request) => sendWithTimeout(options.timeoutMs, options.fetch, request);
  const authorized: Send = (request) => sendWithToken(send, options.token, request);
  return (request) => sendWithRetries(authorized, options.retry, request);
}

async function sendWithTimeout(timeoutMs: number, fetch: Send, request: Request): Promise<Response> {
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    return await fetch(new Request(request, { signal: AbortSignal.any([request.signal, timeout]) }));
  } catch (cause) {
    throw networkError(cause, request.signal);
  }
}

/**
 * Returns the error to throw for an error of `fetch`. If the caller aborted the request, it
 * returns the error of `fetch` itself.
 */
export function networkError(cause: unknown, signal?: AbortSignal | null): unknown {
  if (signal?.aborted) return cause;
  const timedOut = cause instanceof DOMException && cause.name === "TimeoutError";
  return new FieldgateNetworkError(timedOut ? "no response in time" : "no response", { cause, timedOut });
}

/**
 * Sends a request with a token. If the token is refused, it sends the request once more with
 * another token. A request that already has an Authorization header is sent unchanged.
 */
async function sendWithToken(send: Send, token: TransportOptions["token"], request: Request): Promise<Response> {
  if (!token || request.headers.has("Authorization")) return send(request.clone());
  const first = await token(undefined, request.signal);
  const response = await send(withBearer(first, request));
  if (!(await refusesToken(response))) return response;
  const second = await token(first, request.signal);
  if (second === first) return response;
  await discard(response);
  return send(withBearer(second, request));
}

function withBearer(token: string, request: Request): Request {
  const copy = request.clone();
  copy.headers.set("Authorization", `Bearer ${token}`);
  return copy;
}

async function refusesToken(response: Response): Promise<boolean> {
  return response.status === 401 && (await errorFromResponse(response.clone())).code === "unauthorized";
}

/** Discards the body of a response. An unread body would keep its connection busy. */
async function discard(response: Response): Promise<void> {
  await response.body?.cancel().catch(() => {}); // the connection may have broken
}

async function sendWithRetries(send: Send, retry: Required<RetryOptions>, request: Request): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const outcome = await send(request).catch((error: unknown) => ({ error }));
    const waitMs = retryAfterOf(outcome);
    if (attempt >= retry.attempts || waitMs > retry.capMs || !isRetryable(request, outcome)) {
      if ("error" in outcome) throw outcome.error;
      return outcome;
    }
    if (!("error" in outcome)) await discard(outcome);
    await sleep(waitMs + jitter(attempt - 1, retry.baseMs, retry.capMs), request.signal);
  }
}

function retryAfterOf(outcome: Response | { error: unknown }): number {
  return "error" in outcome ? 0 : (retryAfterMs(outcome) ?? 0);
}

/**
 * Reports whether another attempt may succeed and is safe. A request that was refused with 429
 * was not executed, so it is always safe. Any other request is safe if it only reads or has an
 * Idempotency-Key.
 */
function isRetryable(request: Request, outcome: Response | { error: unknown }): boolean {
  const safe = request.method === "GET" || request.headers.has("Idempotency-Key");
  if ("error" in outcome) return safe && outcome.error instanceof FieldgateNetworkError;
  return outcome.status === 429 || (safe && outcome.status >= 500);
}
