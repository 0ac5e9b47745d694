import type { ProblemCode } from "./contract.gen.js";
import type { components } from "./openapi.gen.js";

/** The problem document in which the gateway says why it refused (RFC 9457). */
export type Problem = components["schemas"]["Problem"];

/** A code of the contract, or one that came after this version of the client. */
export type Code = ProblemCode | (string & Record<never, never>);

/**
 * The gateway refused a request.
 *
 * Without a `code` the answer was not the gateway's own word, such as the page of a proxy
 * or an answer that cannot be read: nothing is known about what became of the request.
 */
export class FieldgateError extends Error {
  override readonly name = "FieldgateError";
  /** The HTTP status; that of the problem where the request went over a socket. */
  readonly status: number;
  /** What kind of problem it is, for programs. */
  readonly code: Code | undefined;
  /** A sentence for people. */
  readonly detail: string | undefined;
  /** Names the request in the logs of the gateway. */
  readonly requestId: string | undefined;
  /** Each part of the request that is wrong, with `validation_failed`. */
  readonly errors: NonNullable<Problem["errors"]>;
  /** How long the gateway asks to wait before another try, in milliseconds. */
  readonly retryAfterMs: number | undefined;
  /** The whole document: `command`, `sessionId` and `approval` come with some codes. */
  readonly problem: Problem | undefined;

  constructor(answer: {
    status: number;
    problem?: Problem;
    detail?: string;
    requestId?: string;
    retryAfterMs?: number;
    cause?: unknown;
  }) {
    const { problem, status } = answer;
    const detail = problem?.detail ?? answer.detail;
    super(`${status} ${problem?.code ?? "without a problem document"}${detail ? `: ${detail}` : ""}`, {
      cause: answer.cause,
    });
    this.status = status;
    this.code = problem?.code;
    this.detail = detail;
    this.requestId = problem?.requestId ?? answer.requestId;
    this.errors = problem?.errors ?? [];
    this.retryAfterMs = answer.retryAfterMs;
    this.problem = problem;
  }
}

/**
 * No answer came: the network is down, the name is unknown, the browser let no answer
 * through (CORS), the connection broke, or it took too long. A write may have been done.
 */
export class FieldgateNetworkError extends Error {
  override readonly name = "FieldgateNetworkError";
  /** Whether it took longer than `timeoutMs`. */
  readonly timedOut: boolean;

  constructor(message: string, options: { cause?: unknown; timedOut?: boolean } = {}) {
    super(message, { cause: options.cause });
    this.timedOut = options.timedOut ?? false;
  }
}

/** Tells a problem document from whatever else may be in an answer. */
export function isProblem(body: unknown): body is Problem {
  const problem = body as Partial<Problem> | null;
  return typeof problem === "object" && typeof problem?.code === "string" && typeof problem.status === "number";
}

/** Reads the answer that refused a request. */
export async function refusal(response: Response): Promise<FieldgateError> {
  const text = await response.text().catch(() => "");
  const head = {
    status: response.status,
    requestId: response.headers.get("X-Request-ID") ?? undefined,
    retryAfterMs: retryAfterMs(response),
  };
  const body = parse(text);
  if (isProblem(body)) return new FieldgateError({ ...head, problem: body });
  return new FieldgateError({ ...head, detail: "the answer is not the gateway's: something on the way gave it" });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Reads the header: seconds, as the gateway sends, or a date, as others may (RFC 9110, 10.2.3). */
export function retryAfterMs(response: Response): number | undefined {
  const value = response.headers.get("Retry-After") ?? "";
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  if (/^[A-Z][a-z]{2}, /.test(value)) return Math.max(0, Date.parse(value) - Date.now()) || undefined;
  return undefined;
}
