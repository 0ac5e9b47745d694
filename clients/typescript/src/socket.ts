import type { Client } from "./client.js";
import { Backoff, closeCodes, type Ending, FieldgateCloseError, isBroken, isFinal } from "./closing.js";
import { FieldgateError } from "./errors.js";
import type { Room, RoomEvent, RoomMessage, Subscribed } from "./events.js";
import { Link, subprotocol, type WebSocketConstructor } from "./link.js";
import { enter, guarded, RoomState } from "./subscription.js";
import { jitter, pause } from "./wait.js";
import { onWake } from "./wake.js";

/** How a socket stands. It comes back by itself until it is `closed`. */
export type SocketState =
  | { status: "connecting" }
  | { status: "connected"; connectionId: string; goingAway: boolean }
  | { status: "waiting"; error: unknown; retryInMs: number }
  /** It is over: `error` tells why, unless it was closed from here. */
  | { status: "closed"; error?: unknown };

export interface SocketOptions {
  /** Called when it comes to stand otherwise. */
  onState?(state: SocketState): void;
  /**
   * How to prove who it is. `ticket` gets a ticket over HTTP for each connection, whose
   * refusal can be told; `subprotocol` puts the token into the handshake. Default: `ticket`.
   */
  auth?: "ticket" | "subprotocol";
  /** Default: the `WebSocket` of the platform. Node.js has none before 22: give that of `ws`. */
  WebSocket?: WebSocketConstructor;
  /** How long a handshake and each answer may take, in milliseconds. Default: 30000. */
  timeoutMs?: number;
  /** After what silence to ask whether the gateway is there. Default: what the gateway says. */
  pingIntervalMs?: number;
  /** Closes the socket. */
  signal?: AbortSignal;
}

/** A place in a room. */
export interface Subscription {
  room: Room;
  /** Where it began; thrown is why it did not. Nobody has to wait for it. */
  started: Promise<Subscribed>;
  /** Leaves the room. The handler is called no more. */
  unsubscribe(): void;
}

/** Tells what happens in rooms while it happens, over all that may happen to connections. */
export interface Socket {
  /**
   * Begins to tell what happens in a room: from now on, or behind the event with the offset
   * `since`. A room can be entered once at a time.
   */
  subscribe(room: Room, handler: (message: RoomMessage) => void, options?: { since?: string }): Subscription;
  /** Says goodbye. */
  close(): void;
  readonly state: SocketState;
}

/** Opens a socket, which connects by itself and comes back for ever. */
export function connect(client: Client, options: SocketOptions = {}): Socket {
  const implementation = options.WebSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
  if (!implementation)
    throw new TypeError("this platform has no WebSocket: give one as an option, such as that of the package ws");
  return new CustomerSocket(client, implementation, options);
}

/** Within which time to come back when the network does: not all pages at the same moment. */
const wakeMs = 500;
/** How long to wait before a provider is asked again that gave the token about to expire. */
const refreshAgainMs = 10_000;

class CustomerSocket implements Socket {
  state: SocketState = { status: "connecting" };
  readonly #client: Client;
  readonly #WebSocket: WebSocketConstructor;
  readonly #options: SocketOptions;
  readonly #rooms = new Map<Room, RoomState>();
  readonly #stop = new AbortController();
  /** What is under way in each room: the frames of one room must not overtake each other. */
  readonly #order = new Map<Room, Promise<unknown>>();
  #link: Link | undefined;
  #token: string | undefined;
  #refused: string | undefined;
  #sleep: AbortController | undefined;

  constructor(client: Client, implementation: WebSocketConstructor, options: SocketOptions) {
    this.#client = client;
    this.#WebSocket = implementation;
    this.#options = options;
    const { signal } = this.#stop;
    options.signal?.addEventListener("abort", () => this.close(), { signal });
    signal.addEventListener(
      "abort",
      onWake(() => this.#wake()),
      { once: true },
    );
    queueMicrotask(() => {
      if (options.signal?.aborted) this.close();
      void this.#run(); // not before the program has the socket that it is told of
    });
  }

  subscribe(room: Room, handler: (message: RoomMessage) => void, options: { since?: string } = {}): Subscription {
    if (this.#rooms.has(room)) throw new TypeError(`the room ${room} was entered already`);
    const state = new RoomState(room, options.since, handler);
    if (this.#stop.signal.aborted) state.leave(this.#stop.signal.reason);
    else this.#rooms.set(room, state);
    const link = this.#link;
    if (link) this.#enter(state, link);
    return { room, started: state.started, unsubscribe: () => this.#leave(state) };
  }

  close(): void {
    this.#finish();
  }

  #enter(state: RoomState, link: Link): void {
    this.#inOrder(state.room, async () => {
      if ((await enter(state, link)) === "refused") this.#forget(state);
    });
  }

  #leave(state: RoomState): void {
    if (!this.#forget(state)) return;
    state.leave(new FieldgateCloseError(closeCodes.normal, "the room was left"));
    const link = this.#link;
    if (link) this.#inOrder(state.room, () => link.call("unsubscribe", { room: state.room }));
  }

  #forget(state: RoomState): boolean {
    return this.#rooms.get(state.room) === state && this.#rooms.delete(state.room);
  }

  #inOrder(room: Room, step: () => Promise<unknown>): void {
    const before = this.#order.get(room) ?? Promise.resolve();
    const after = before.then(step).catch(() => {}); // a connection that broke is told by its end
    this.#order.set(room, after);
    void after.then(() => this.#order.get(room) === after && this.#order.delete(room));
  }

  async #run(): Promise<void> {
    const backoff = new Backoff();
    while (!this.#stop.signal.aborted) {
      this.#tell({ status: "connecting" });
      const ending = await this.#connection();
      if (this.#stop.signal.aborted) return;
      if (isFinal(ending.error)) return this.#finish(ending.error);
      await this.#wait(ending, backoff.after(ending));
    }
  }

  async #wait({ error, hintMs }: Ending, retryInMs: number): Promise<void> {
    this.#tell({ status: "waiting", error, retryInMs });
    const sleep = new AbortController();
    if (isBroken(error) && hintMs === 0) this.#sleep = sleep; // what the gateway asks for is waited out
    const stop = this.#stop.signal;
    await pause(retryInMs, AbortSignal.any([stop, sleep.signal])).catch(() => {});
    this.#sleep = undefined;
    if (sleep.signal.aborted) await pause(jitter(0, wakeMs, wakeMs), stop).catch(() => {});
  }

  /** Does not wait any longer for what may have come back, and asks whether what stood still does. */
  #wake(): void {
    this.#sleep?.abort();
    this.#link?.probe();
  }

  /** Makes a connection and waits for its end. */
  async #connection(): Promise<Ending> {
    try {
      const { url, protocols } = await this.#handshake();
      if (this.#stop.signal.aborted) return { error: undefined, stoodMs: 0, hintMs: 0 };
      return await this.#serve(new this.#WebSocket(url, protocols));
    } catch (error) {
      return { error, stoodMs: 0, hintMs: error instanceof FieldgateError ? (error.retryAfterMs ?? 0) : 0 };
    }
  }

  async #serve(socket: InstanceType<WebSocketConstructor>): Promise<Ending> {
    const link: Link = new Link(socket, {
      timeoutMs: this.#options.timeoutMs ?? 30_000,
      pingIntervalMs: this.#options.pingIntervalMs,
      onWelcome: (connectionId) => this.#welcomed(link, connectionId),
      onPush: (type, data) => this.#pushed(link, type, data),
    });
    const goodbye = () => link.close();
    this.#stop.signal.addEventListener("abort", goodbye);
    const ending = await link.ended;
    this.#stop.signal.removeEventListener("abort", goodbye);
    this.#link = undefined;
    const expired = ending.error instanceof FieldgateCloseError && ending.error.code === closeCodes.tokenExpired;
    if (expired) this.#refused = this.#token;
    return ending;
  }

  /** Gives where to connect to, with a credential for one connection. */
  async #handshake(): Promise<{ url: string; protocols: string[] }> {
    const url = `${this.#client.baseUrl.replace(/^http/, "ws")}/api/v1/customer/ws`;
    const refused = this.#refused;
    this.#refused = undefined;
    await this.#nextToken(refused);
    if (this.#options.auth !== "subprotocol") {
      return { url: `${url}?ticket=${encodeURIComponent(await this.#ticket())}`, protocols: [subprotocol] };
    }
    return { url, protocols: this.#token ? [subprotocol, `bearer.${this.#token}`] : [subprotocol] };
  }

  /** Gets a ticket, with another token if the first one is refused. */
  async #ticket(): Promise<string> {
    const first = this.#token;
    try {
      return await this.#askForTicket();
    } catch (error) {
      if (first === undefined || !(error instanceof FieldgateError) || error.code !== "unauthorized") throw error;
      await this.#nextToken(first);
      if (this.#token === first) throw error;
      return this.#askForTicket();
    }
  }

  async #askForTicket(): Promise<string> {
    const headers = this.#token === undefined ? {} : { Authorization: `Bearer ${this.#token}` };
    const answer = await this.#client.post("/api/v1/customer/ws-tickets", { signal: this.#stop.signal, headers });
    return answer.ticket;
  }

  async #nextToken(refused?: string): Promise<void> {
    this.#token = await this.#client.token?.(refused, this.#stop.signal);
  }

  #welcomed(link: Link, connectionId: string): void {
    this.#link = link;
    for (const room of this.#rooms.values()) this.#enter(room, link);
    this.#tell({ status: "connected", connectionId, goingAway: false }); // who enters a room then does so once
  }

  /** Deals with what nobody asked for. Kinds that are not known are left to later versions. */
  #pushed(link: Link, type: string, data: unknown): void {
    if (type === "event") {
      const event = data as RoomEvent;
      this.#rooms.get(event.room)?.take(link, event);
    }
    if (type === "token_expiring") void this.#refresh(link);
    if (type === "going_away" && this.state.status === "connected") this.#tell({ ...this.state, goingAway: true });
  }

  /** Renews the token in place, until that has worked or the connection has ended. */
  async #refresh(link: Link): Promise<void> {
    const over = new AbortController();
    void link.ended.then(() => over.abort());
    while (this.#link === link && !(await this.#renewed(link))) {
      await pause(refreshAgainMs, over.signal).catch(() => {});
    }
  }

  async #renewed(link: Link): Promise<boolean> {
    try {
      const token = await this.#client.token?.(this.#token);
      if (token === undefined || token === this.#token) return false;
      await link.call("refresh", { token });
      this.#token = token;
      return true;
    } catch {
      return false; // there is time to ask again, and the close tells if it was too late
    }
  }

  #finish(error?: unknown): void {
    if (this.#stop.signal.aborted) return;
    const reason = error ?? new FieldgateCloseError(closeCodes.normal, "the socket was closed");
    this.#stop.abort(reason);
    for (const room of this.#rooms.values()) room.leave(reason);
    this.#rooms.clear();
    this.#tell(error === undefined ? { status: "closed" } : { status: "closed", error });
  }

  #tell(state: SocketState): void {
    this.state = state;
    guarded(() => this.#options.onState?.(state));
  }
}
