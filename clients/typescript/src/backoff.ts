import { closeCodes, FieldgateCloseError } from "./closecode.js";
import { jitter } from "./sleep.js";

/** The end of a connection, or of a failed attempt to connect. */
export interface ConnectionEnd {
  error: unknown;
  /** How long the connection lasted, in milliseconds. 0 means that it was never established. */
  lastedMs: number;
  /** How long the gateway asked to wait before the next attempt, in milliseconds. */
  retryAfterMs: number;
}

const baseMs = 500;
const capMs = 60_000;
/** A connection that lasted at least this long resets the number of attempts. */
const stableMs = 60_000;
/** After these close codes, the upper bound of the delay is at least 4 s. */
const overloadCodes: number[] = [closeCodes.tooManyMessages, closeCodes.internal, closeCodes.overloaded];
/**
 * After an overload, the number of attempts is raised to at least this value. The upper bound of
 * the delay is then at least 4 s.
 */
const overloadAttempts = 3;
/** The longest wait that a server can request. A wrong value must not stop a client for days. */
const maxRetryAfterMs = 3_600_000;

/** Backoff calculates the delays between attempts to connect. */
export class Backoff {
  /** The number of attempts since the last stable connection. */
  #attempts = 0;

  /**
   * Returns the delay before the next attempt, in milliseconds. It is the wait that the gateway
   * asked for, plus a random delay.
   */
  next(end: ConnectionEnd): number {
    if (end.lastedMs >= stableMs) this.#attempts = 0;
    if (end.error instanceof FieldgateCloseError && overloadCodes.includes(end.error.code)) {
      this.#attempts = Math.max(this.#attempts, overloadAttempts);
    }
    return Math.min(end.retryAfterMs, maxRetryAfterMs) + jitter(this.#attempts++, baseMs, capMs);
  }
}
