import type { EventType } from "./contract.gen.js";
import type { FieldgateError } from "./errors.js";
import type { components } from "./openapi.gen.js";

/** A room: of a device, of a session, or of all that happens in the tenant. */
export type Room = "tenant" | `device:${string}` | `session:${string}`;

interface Happened<T extends string, D> {
  room: Room;
  /** Its place in the order of all events. Keep it to begin behind it later. Opaque. */
  offset: string;
  type: T;
  /** When it happened, RFC 3339. */
  time: string;
  /** The request that led to it. */
  requestId?: string;
  actor?: components["schemas"]["Actor"];
  data: D & { [more: string]: unknown };
}

interface OfDevice {
  deviceId: string;
  reason?: string;
}

interface OfSession extends OfDevice {
  sessionId: string;
}

interface OfCommand extends OfSession {
  commandId: string;
  status?: components["schemas"]["CommandStatus"];
  attempt?: number;
}

type DeviceEventType = Extract<EventType, `device.${string}`>;
type SessionEventType = Extract<EventType, `session.${string}`>;
type CommandEventType = Extract<EventType, `command.${string}`>;

type EachOf<T extends string, D> = { [K in T]: Happened<K, D> }[T];

/**
 * Something that happened in a room. `type` tells what, and with it what `data` holds.
 * Types that came after this version of the client are given too: ignore what you do not know.
 */
export type RoomEvent =
  | Happened<"device.presence", OfDevice & { presence: components["schemas"]["Device"]["presence"] }>
  | EachOf<Exclude<DeviceEventType, "device.presence">, OfDevice>
  | EachOf<SessionEventType, OfSession>
  | EachOf<CommandEventType, OfCommand>;

/** What a subscription tells its handler. */
export type RoomMessage =
  | { kind: "event"; event: RoomEvent }
  /**
   * Events are missing here and cannot be had any more: read over HTTP how things stand.
   * What happens after `offset` is told as usual.
   */
  | { kind: "gap"; room: Room; offset: string; reason: string }
  /** The last word: the gateway refuses the room, such as when its device is gone. */
  | { kind: "ended"; room: Room; error: FieldgateError };

/** Where a subscription begins. */
export interface Subscribed {
  room: Room;
  /** The place behind which the events begin. */
  offset: string;
  /** Whether that is the place that was asked for. */
  resumed: boolean;
  /** Why it is not. */
  reason?: string;
}

/** The names of rooms. */
export const rooms = {
  tenant: "tenant",
  device: (deviceId: string): Room => `device:${deviceId}`,
  session: (sessionId: string): Room => `session:${sessionId}`,
} as const;
