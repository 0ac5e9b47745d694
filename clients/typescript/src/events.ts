import type { EventType } from "./contract.gen.js";
import type { FieldgateError } from "./errors.js";
import type { components } from "./openapi.gen.js";

/** The name of a room. A room has the events of a device, of a session, or of the whole tenant. */
export type Room = "tenant" | `device:${string}` | `session:${string}`;

interface EventOf<T extends string, D> {
  room: Room;
  /** The position of the event, an opaque string. Store it to resume after this event later. */
  offset: string;
  type: T;
  /** The time of the event (RFC 3339). */
  time: string;
  /** The id of the request that caused the event. */
  requestId?: string;
  /** The span of the proposal of the command, if its trace is sampled. */
  traceparent?: string;
  actor?: components["schemas"]["Actor"];
  /** The actor with the name and the e-mail address of a user at that time. */
  actorDetails?: components["schemas"]["ActorDetails"];
  data: D & { [more: string]: unknown };
}

interface DeviceData {
  deviceId: string;
  reason?: string;
}

interface UpdatedData extends DeviceData {
  /** The fields that have changed. */
  changed: ("name" | "location" | "tags")[];
  /** The new name, if it has changed. */
  name?: string;
}

interface SessionData extends DeviceData {
  sessionId: string;
}

interface CommandData extends SessionData {
  commandId: string;
  status?: components["schemas"]["CommandStatus"];
  attempt?: number;
}

interface ProgressData extends CommandData {
  /** The number of the newest report. */
  seq: number;
  /** How much of the work is done, in percent, if the device has reported it. */
  percent?: number;
  /** What the command is doing, if the device has reported it. */
  message?: string;
  /** The position after the newest output. Read the output from your own position on, over HTTP. */
  nextSince: number;
}

interface PolicyData {
  /** The version of the policy. */
  version: string;
  /** Whether the version applies now, waits for another admin, or was rejected. */
  state: "current" | "waiting" | "rejected";
}

interface RosterData {
  /** The number of the version of the roster. */
  version: number;
}

interface PasskeyData {
  /** The id of the passkey. */
  passkey: string;
}

interface UserData {
  userId?: string;
  /** The id of the user's sign-in at the token issuer, if only that one was cut off. */
  authSessionId?: string;
  reason?: string;
}

type DeviceEventType = Extract<EventType, `device.${string}`>;
type SessionEventType = Extract<EventType, `session.${string}`>;
type CommandEventType = Extract<EventType, `command.${string}`>;

type EventsOf<T extends string, D> = { [K in T]: EventOf<K, D> }[T];

/**
 * An event in a room. Its `type` determines the type of its `data`. Later versions of the
 * gateway may send events of new types. They are delivered too: ignore types that you do not
 * know.
 */
export type RoomEvent =
  | EventOf<"device.presence", DeviceData & { presence: components["schemas"]["Device"]["presence"] }>
  | EventOf<"device.updated", UpdatedData>
  | EventsOf<Exclude<DeviceEventType, "device.presence" | "device.updated">, DeviceData>
  | EventsOf<SessionEventType, SessionData>
  | EventOf<"command.progress", ProgressData>
  | EventsOf<Exclude<CommandEventType, "command.progress">, CommandData>
  | EventOf<"user.cut_off", UserData>
  | EventOf<"policy.changed", PolicyData>
  | EventOf<"roster.changed", RosterData>
  | EventOf<"passkey.registered" | "passkey.deleted", PasskeyData>;

/** A message to the handler of a subscription. */
export type RoomMessage =
  | { kind: "event"; event: RoomEvent }
  /**
   * Events are missing here, because the gateway no longer has them. Read the current state
   * over HTTP. The events after `offset` follow as usual.
   */
  | { kind: "gap"; room: Room; offset: string; reason: string }
  /**
   * The last message of the subscription. The gateway refused the room, for example because the
   * device does not exist.
   */
  | { kind: "ended"; room: Room; error: FieldgateError };

/** The start of a subscription. */
export interface Subscribed {
  room: Room;
  /** The position after which the events start. */
  offset: string;
  /** Whether `offset` is the position that was requested with `since`. */
  resumed: boolean;
  /** Why the subscription could not resume at `since`. It is not set if there was no `since`. */
  reason?: string;
}

/** Builds the names of rooms. */
export const rooms = {
  tenant: "tenant",
  device: (deviceId: string): Room => `device:${deviceId}`,
  session: (sessionId: string): Room => `session:${sessionId}`,
} as const;
