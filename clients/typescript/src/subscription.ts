import { isFinal } from "./closing.js";
import type { FieldgateError } from "./errors.js";
import type { Room, RoomEvent, RoomMessage, Subscribed } from "./events.js";
import type { Link } from "./link.js";

/** How many events of a room are remembered, so that none is told twice. */
const remembered = 256;

/** The place of one handler in one room, over all connections. */
export class RoomState {
  /** Settled with the first answer of the gateway. */
  readonly started: Promise<Subscribed>;
  readonly #tell: (message: RoomMessage) => void;
  readonly #seen = new Set<string>();
  #begun!: (subscribed: Subscribed) => void;
  #failed!: (error: unknown) => void;
  #since: string | undefined;
  #link: Link | undefined;
  #over = false;

  constructor(
    readonly room: Room,
    since: string | undefined,
    handler: (message: RoomMessage) => void,
  ) {
    this.#since = since;
    this.#tell = (message) => guarded(() => handler(message));
    this.started = new Promise((resolve, reject) => {
      this.#begun = resolve;
      this.#failed = reject;
    });
    this.started.catch(() => {}); // who does not wait for it is told by the handler
  }

  /** Enters the room over a connection, behind the last event that was told. */
  async enter(link: Link): Promise<void> {
    if (this.#over) return;
    const since = this.#since;
    await link.call("subscribe", { room: this.room, since }, (reply) =>
      this.#entered(link, since, reply as Subscribed),
    );
  }

  #entered(link: Link, since: string | undefined, subscribed: Subscribed): void {
    if (this.#over) return;
    this.#link = link;
    this.#since = subscribed.offset;
    this.#begun(subscribed);
    if (since !== undefined && !subscribed.resumed) {
      this.#tell({ kind: "gap", room: this.room, offset: subscribed.offset, reason: subscribed.reason ?? "unknown" });
    }
  }

  /** Tells an event, unless it was told or the room was left. */
  take(link: Link, event: RoomEvent): void {
    if (this.#over || this.#link !== link || this.#seen.has(event.offset)) return;
    this.#since = event.offset;
    this.#seen.add(event.offset);
    if (this.#seen.size > remembered) this.#seen.delete(this.#seen.values().next().value as string);
    this.#tell({ kind: "event", event });
  }

  /** Tells that the gateway refuses the room. */
  refuse(error: FieldgateError): void {
    if (this.#over) return;
    this.leave(error);
    this.#tell({ kind: "ended", room: this.room, error });
  }

  /** Ends without another word. */
  leave(reason: unknown): void {
    this.#over = true;
    this.#failed(reason);
  }
}

/** Enters a room, or finds out that there is no use in trying again. */
export async function enter(state: RoomState, link: Link): Promise<"entered" | "refused"> {
  try {
    await state.enter(link);
    return "entered";
  } catch (error) {
    if (isFinal(error)) {
      state.refuse(error as FieldgateError);
      return "refused";
    }
    link.drop(error); // the next connection tries again
    return "entered";
  }
}

/** Calls what is not ours: its errors are the program's and must not end the socket. */
export function guarded(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
