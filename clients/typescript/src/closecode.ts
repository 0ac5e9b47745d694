import { FieldgateError, FieldgateNetworkError } from "./errors.js";

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

/**
 * The error of a closed connection. Code 1006 means that the connection broke without a close
 * frame.
 */
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
const transientStatuses = [408, 425, 429];

/**
 * Reports whether reconnecting after an error is pointless. It is pointless if the gateway
 * closed the socket with a final code, or refused a request. A response without a problem code
 * is never final, because it comes from another server, such as a proxy, and may be temporary.
 */
export function isFinal(error: unknown): boolean {
  if (error instanceof FieldgateCloseError) return finalCodes.includes(error.code);
  if (!(error instanceof FieldgateError) || error.code === undefined) return false;
  return error.status < 500 && !transientStatuses.includes(error.status);
}

/**
 * Reports whether the network caused an error. If so, reconnecting may succeed as soon as the
 * network is back.
 */
export function isNetworkFailure(error: unknown): boolean {
  return error instanceof FieldgateNetworkError || (error instanceof FieldgateCloseError && error.code === 1006);
}
