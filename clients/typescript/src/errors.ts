import type { ProblemCode } from "./contract.gen.js";
import type { components } from "./openapi.gen.js";

/** The problem document of a refusal (RFC 9457). */
export type Problem = components["schemas"]["Problem"];

/** A code of the contract, or a code that was added after this version of the client. */
export type Code = ProblemCode | (string & Record<never, never>);

/**
 * The error of a request that the gateway refused.
 *
 * An error without a `code` does not come from the gateway. Another server responded, such as a
 * proxy, or the response could not be parsed. Then it is unknown whether the request was
 * executed.
 */
export class FieldgateError extends Error {
  override readonly name = "FieldgateError";
  /** The HTTP status. For a request over a socket, it is the status in the problem document. */
  readonly status: number;
  /** The code of the problem, on which a program can act. */
  readonly code: Code | undefined;
  /** An explanation in one sentence, for people. */
  readonly detail: string | undefined;
  /** The id of the request in the logs of the gateway. */
  readonly requestId: string | undefined;
  /** The invalid parts of the request. The list is empty unless the code is `validation_failed`. */
  readonly errors: NonNullable<Problem["errors"]>;
  /** How long the gateway asks to wait before another attempt, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The whole problem document. Some codes add `command`, `sessionId` or `approval`. */
  readonly problem: Problem | undefined;

  constructor(response: {
    status: number;
    problem?: Problem;
    detail?: string;
    requestId?: string;
    retryAfterMs?: number;
    cause?: unknown;
  }) {
    const { problem, status } = response;
    const detail = problem?.detail ?? response.detail;
    super(`${status} ${problem?.code ?? "without a problem document"}${detail ? `: ${detail}` : ""}`, {
      cause: response.cause,
    });
    this.status = status;
    this.code = problem?.code;
    this.detail = detail;
    this.requestId = problem?.requestId ?? response.requestId;
    this.errors = problem?.errors ?? [];
    this.retryAfterMs = response.retryAfterMs;
    this.problem = problem;
  }
}

/**
 * The error of a request without a response. Possible causes: the network is down, the host is
 * unknown, the browser blocked the response (CORS), the connection broke, or the request timed
 * out. The gateway may nevertheless have executed the request.
 */
export class FieldgateNetworkError extends Error {
  override readonly name = "FieldgateNetworkError";
  /** Whether the request took longer than `timeoutMs`. */
  readonly timedOut: boolean;

  constructor(message: string, options: { cause?: unknown; timedOut?: boolean } = {}) {
    super(message, { cause: options.cause });
    this.timedOut = options.timedOut ?? false;
  }
}

/** Reports whether the body of a response is a problem document. */
export function isProblem(body: unknown): body is Problem {
  const problem = body as Partial<Problem> | null;
  return typeof problem === "object" && typeof problem?.code === "string" && typeof problem.status === "number";
}

/** Returns the error for a response whose status is not a success. It reads the body. */
export async function errorFromResponse(response: Response): Promise<FieldgateError> {
  const text = await response.text().catch(() => "");
  const head = {
    status: response.status,
    requestId: response.headers.get("X-Request-ID") ?? undefined,
    retryAfterMs: retryAfterMs(response),
  };
  const body = parseJSON(text);
  if (isProblem(body)) return new FieldgateError({ ...head, problem: body });
  return new FieldgateError({ ...head, detail: "the response is not the gateway's: another server sent it" });
}

/** Returns the value of a JSON text, or `undefined` if the text is not JSON. */
function parseJSON(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Returns the wait in the Retry-After header, in milliseconds. It returns `undefined` if there
 * is no valid header, or if the date in it has passed. The gateway sends seconds. Other servers
 * may send a date (RFC 9110, section 10.2.3).
 */
export function retryAfterMs(response: Response): number | undefined {
  const value = response.headers.get("Retry-After") ?? "";
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  if (/^[A-Z][a-z]{2}, /.test(value)) return Math.max(0, Date.parse(value) - Date.now()) || undefined;
  return undefined;
}
