import type { components } from "./openapi.gen.js";

export {
  type Call,
  type Client,
  type ClientOptions,
  createClient,
  type Data,
  type Init,
  newIdempotencyKey,
  type PathWith,
} from "./client.js";
export type { EventType, ProblemCode } from "./contract.gen.js";
export { type Code, FieldgateError, FieldgateNetworkError, type Problem } from "./errors.js";
export { type Item, type ListPath, list } from "./list.js";
export type { operations, paths } from "./openapi.gen.js";
export type { TokenProvider, TokenSource } from "./token.js";
export type { RetryOptions } from "./transport.js";

/** The schemas of the contract by name. */
export type Schemas = components["schemas"];
export type Command = Schemas["Command"];
export type Device = Schemas["Device"];
export type Session = Schemas["Session"];
export { closeCodes, FieldgateCloseError } from "./closecode.js";
export type { WebSocketConstructor, WebSocketLike } from "./connection.js";
export { type Room, type RoomEvent, type RoomMessage, rooms, type Subscribed } from "./events.js";
export { connect, type Socket, type SocketOptions, type SocketState, type Subscription } from "./socket.js";
