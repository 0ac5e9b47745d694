import { isFinal } from "./closecode.js";
import type { Connection } from "./connection.js";
import type { FieldgateError } from "./errors.js";
import type { Room, RoomEvent, RoomMessage, Subscribed } from "./events.js";

/** The number of recent event offsets that a subscription keeps, so that it can drop duplicates. */
const maxSeenOffsets = 256;

/** The state of one subscription to one room. It outlives the connections of the socket. */
export class RoomSubscription {
  /** Settles when the gateway responds to the first subscribe request. */
  readonly started: Promise<Subscribed>;
  readonly #notify: (message: RoomMessage) => void;
  readonly #seen = new Set<string>();
  #resolveStarted!: (subscribed: Subscribed) => void;
  #rejectStarted!: (error: unknown) => void;
  #since: string | undefined;
  #connection: Connection | undefined;
  #closed = false;

  constructor(
    readonly room: Room,
    since: string | undefined,
    handler: (message: RoomMessage) => void,
  ) {
    this.#since = since;
    this.#notify = (message) => runCallback(() => handler(message));
    this.started = new Promise((resolve, reject) => {
      this.#resolveStarted = resolve;
      this.#rejectStarted = reject;
    });
    this.started.catch(() => {}); // an ignored rejection must not be reported as unhandled
  }

  /** Subscribes on a connection, to the events after the last delivered event. */
  async subscribe(connection: Connection): Promise<void> {
    if (this.#closed) return;
    const since = this.#since;
    await connection.call("subscribe", { room: this.room, since }, (reply) =>
      this.#onSubscribed(connection, since, reply as Subscribed),
    );
  }

  #onSubscribed(connection: Connection, since: string | undefined, subscribed: Subscribed): void {
    if (this.#closed) return;
    this.#connection = connection;
    this.#since = subscribed.offset;
    this.#resolveStarted(subscribed);
    if (since !== undefined && !subscribed.resumed) {
      this.#notify({ kind: "gap", room: this.room, offset: subscribed.offset, reason: subscribed.reason ?? "unknown" });
    }
  }

  /**
   * Delivers an event to the handler. It ignores an event that was already delivered. It also
   * ignores an event from a connection on which this subscription has not started. The gateway does
   * not keep events of progress: they have the offset of the event before them.
   */
  deliver(connection: Connection, event: RoomEvent): void {
    if (this.#closed || this.#connection !== connection) return;
    if (event.type === "command.progress") {
      this.#notify({ kind: "event", event });
      return;
    }
    if (this.#seen.has(event.offset)) return;
    this.#since = event.offset;
    this.#seen.add(event.offset);
    if (this.#seen.size > maxSeenOffsets) this.#seen.delete(this.#seen.values().next().value as string);
    this.#notify({ kind: "event", event });
  }

  /** Closes the subscription because the gateway refused the room, and notifies the handler. */
  refuse(error: FieldgateError): void {
    if (this.#closed) return;
    this.close(error);
    this.#notify({ kind: "ended", room: this.room, error });
  }

  /** Closes the subscription without notifying the handler. */
  close(reason: unknown): void {
    this.#closed = true;
    this.#rejectStarted(reason);
  }
}

/**
 * Subscribes on a connection. It returns "refused" if the gateway refused the room permanently.
 * After any other error it drops the connection, so that the next connection subscribes again.
 */
export async function subscribeOn(
  connection: Connection,
  subscription: RoomSubscription,
): Promise<"subscribed" | "refused"> {
  try {
    await subscription.subscribe(connection);
    return "subscribed";
  } catch (error) {
    if (isFinal(error)) {
      subscription.refuse(error as FieldgateError);
      return "refused";
    }
    connection.drop(error);
    return "subscribed";
  }
}

/**
 * Runs a callback of the program. An error of the callback is reported as uncaught, and does
 * not end the socket.
 */
export function runCallback(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
