import { FieldgateError, FieldgateNetworkError } from "./errors.js";
import { jitter } from "./wait.js";

/** The close codes of the contract. */
export const closeCodes = {
  normal: 1000,
  protocolError: 1002,
  binary: 1003,
  notUTF8: 1007,
  tooManyMessages: 1008,
  tooLarge: 1009,
  internal: 1011,
  goingAway: 1012,
  overloaded: 1013,
  tokenExpired: 4001,
  withdrawn: 4003,
  noPong: 4008,
  superseded: 4009,
  tooSlow: 4010,
} as const;

/** A connection was closed, with this code. 1006 means that it broke without a word. */
export class FieldgateCloseError extends Error {
  override readonly name = "FieldgateCloseError";

  constructor(
    readonly code: number,
    readonly reason: string,
  ) {
    super(`the socket was closed with ${code}${reason ? `: ${reason}` : ""}`);
  }
}

const { protocolError, binary, notUTF8, tooLarge, withdrawn, superseded } = closeCodes;
const finalCodes: number[] = [protocolError, binary, notUTF8, tooLarge, withdrawn, superseded];
const loadedCodes: number[] = [closeCodes.tooManyMessages, closeCodes.internal, closeCodes.overloaded];
const passingStatuses = [408, 425, 429];

/** Whether there is no use in coming back. Only the gateway itself can say so. */
export function isFinal(error: unknown): boolean {
  if (error instanceof FieldgateCloseError) return finalCodes.includes(error.code);
  if (!(error instanceof FieldgateError) || error.code === undefined) return false;
  return error.status < 500 && !passingStatuses.includes(error.status);
}

/** Whether it was only the network, so that it may go well as soon as that is there again. */
export function isBroken(error: unknown): boolean {
  return error instanceof FieldgateNetworkError || (error instanceof FieldgateCloseError && error.code === 1006);
}

/** How a connection ended, or a try at one. */
export interface Ending {
  error: unknown;
  /** How long it stood. */
  stoodMs: number;
  /** How long the gateway asked to wait. */
  hintMs: number;
}

const baseMs = 500;
const capMs = 60_000;
/** A connection that stood for this long counts as a success. */
const stableMs = 60_000;
/** Where the bound begins, at 4 s, when there was too much to do. */
const loadedTries = 3;
/** A wrong hint of something on the way must not keep a client away for good. */
const maxHintMs = 3_600_000;

/** Counts the tries since the last connection that lasted. */
export class Backoff {
  #tries = 0;

  /** How long to wait: as long as the gateway asked for, and a random while on top. */
  after(ending: Ending): number {
    if (ending.stoodMs >= stableMs) this.#tries = 0;
    if (ending.error instanceof FieldgateCloseError && loadedCodes.includes(ending.error.code)) {
      this.#tries = Math.max(this.#tries, loadedTries);
    }
    return Math.min(ending.hintMs, maxHintMs) + jitter(this.#tries++, baseMs, capMs);
  }
}
