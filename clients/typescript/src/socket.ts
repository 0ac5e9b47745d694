import { Backoff, type ConnectionEnd } from "./backoff.js";
import type { Client } from "./client.js";
import { closeCodes, FieldgateCloseError, isFinal, isNetworkFailure } from "./closecode.js";
import { Connection, subprotocol, type WebSocketConstructor } from "./connection.js";
import { FieldgateError } from "./errors.js";
import type { Room, RoomEvent, RoomMessage, Subscribed } from "./events.js";
import { jitter, sleep } from "./sleep.js";
import { RoomSubscription, runCallback, subscribeOn } from "./subscription.js";
import { onWake } from "./wake.js";

/** The state of a socket. A socket reconnects until it is `closed`. */
export type SocketState =
  | { status: "connecting" }
  | { status: "connected"; connectionId: string; goingAway: boolean }
  | { status: "waiting"; error: unknown; retryInMs: number }
  /** The socket has ended. `error` is the reason. It is not set if the program closed the socket. */
  | { status: "closed"; error?: unknown };

export interface SocketOptions {
  /** Called when the state changes. */
  onState?(state: SocketState): void;
  /**
   * How the socket authenticates. `ticket` requests a ticket over HTTP for each connection, so
   * that the reason of a refusal is known. `subprotocol` sends the token in the handshake.
   * Default: `ticket`.
   */
  auth?: "ticket" | "subprotocol";
  /**
   * The implementation of WebSocket. Default: the `WebSocket` of the platform. Node.js has none
   * before version 22: pass the `WebSocket` of the package `ws`.
   */
  WebSocket?: WebSocketConstructor;
  /** The timeout of a handshake and of each response, in milliseconds. Default: 30000. */
  timeoutMs?: number;
  /**
   * The silence after which the socket sends a ping, in milliseconds. Default: the interval
   * that the gateway announces.
   */
  pingIntervalMs?: number;
  /** When this signal is aborted, the socket is closed. */
  signal?: AbortSignal;
}

/** A subscription to a room. */
export interface Subscription {
  room: Room;
  /**
   * Resolves when the subscription has started, and rejects if it could not start. The promise
   * may be ignored: a rejection is not reported as unhandled.
   */
  started: Promise<Subscribed>;
  /** Ends the subscription. The handler is not called any more. */
  unsubscribe(): void;
}

/** A socket delivers the events of rooms as they happen. It reconnects and resumes by itself. */
export interface Socket {
  /**
   * Subscribes to the events of a room. It delivers the events after the offset `since`. If
   * `since` is not set, it delivers the events from now on. It throws a TypeError if the socket
   * is already subscribed to the room.
   */
  subscribe(room: Room, handler: (message: RoomMessage) => void, options?: { since?: string }): Subscription;
  /** Closes the socket and its subscriptions. */
  close(): void;
  readonly state: SocketState;
}

/**
 * Opens a socket and returns immediately. The socket connects in the background, and reconnects
 * until it is closed. It throws a TypeError if there is no implementation of WebSocket.
 */
export function connect(client: Client, options: SocketOptions = {}): Socket {
  const implementation = options.WebSocket ?? (globalThis.WebSocket as WebSocketConstructor | undefined);
  if (!implementation)
    throw new TypeError("this platform has no WebSocket: pass one in the options, such as that of the package ws");
  return new CustomerSocket(client, implementation, options);
}

/**
 * The maximum random delay before a reconnect after a wake-up. It keeps pages from reconnecting
 * together.
 */
const wakeDelayMs = 500;
/** The delay before the token provider is called again after it returned no new token. */
const renewRetryMs = 10_000;

class CustomerSocket implements Socket {
  state: SocketState = { status: "connecting" };
  readonly #client: Client;
  readonly #WebSocket: WebSocketConstructor;
  readonly #options: SocketOptions;
  readonly #subscriptions = new Map<Room, RoomSubscription>();
  readonly #closing = new AbortController();
  /** The last queued request of each room. The queue keeps the requests for one room in order. */
  readonly #queues = new Map<Room, Promise<unknown>>();
  /** The established connection, if there is one. */
  #connection: Connection | undefined;
  #token: string | undefined;
  /** The token of the last connection, if the connection ended because the token had expired. */
  #expiredToken: string | undefined;
  /**
   * Ends the current wait. It is `undefined` if there is no wait, or if the wait must not be
   * shortened.
   */
  #wakeUp: AbortController | undefined;

  constructor(client: Client, implementation: WebSocketConstructor, options: SocketOptions) {
    this.#client = client;
    this.#WebSocket = implementation;
    this.#options = options;
    const { signal } = this.#closing;
    options.signal?.addEventListener("abort", () => this.close(), { signal });
    signal.addEventListener(
      "abort",
      onWake(() => this.#onWake()),
      { once: true },
    );
    // onState may use the socket, so it must not be called before connect has returned the
    // socket.
    queueMicrotask(() => {
      if (options.signal?.aborted) this.close();
      void this.#run();
    });
  }

  subscribe(room: Room, handler: (message: RoomMessage) => void, options: { since?: string } = {}): Subscription {
    if (this.#subscriptions.has(room)) throw new TypeError(`this socket is already subscribed to the room ${room}`);
    const subscription = new RoomSubscription(room, options.since, handler);
    if (this.#closing.signal.aborted) subscription.close(this.#closing.signal.reason);
    else this.#subscriptions.set(room, subscription);
    const connection = this.#connection;
    if (connection) this.#subscribeOn(connection, subscription);
    return { room, started: subscription.started, unsubscribe: () => this.#unsubscribe(subscription) };
  }

  close(): void {
    this.#finish();
  }

  #subscribeOn(connection: Connection, subscription: RoomSubscription): void {
    this.#enqueue(subscription.room, async () => {
      if ((await subscribeOn(connection, subscription)) === "refused") this.#remove(subscription);
    });
  }

  #unsubscribe(subscription: RoomSubscription): void {
    if (!this.#remove(subscription)) return;
    const { room } = subscription;
    subscription.close(new FieldgateCloseError(closeCodes.normal, "the program unsubscribed from the room"));
    const connection = this.#connection;
    if (connection) this.#enqueue(room, () => connection.call("unsubscribe", { room }));
  }

  /** Removes a subscription. It returns false if the subscription was already removed or replaced. */
  #remove(subscription: RoomSubscription): boolean {
    return this.#subscriptions.get(subscription.room) === subscription && this.#subscriptions.delete(subscription.room);
  }

  /** Runs a request after all earlier requests for the same room. */
  #enqueue(room: Room, request: () => Promise<unknown>): void {
    const previous = this.#queues.get(room) ?? Promise.resolve();
    const done = previous.then(request).catch(() => {}); // ignore errors: if the connection broke, its end is reported
    this.#queues.set(room, done);
    void done.then(() => this.#queues.get(room) === done && this.#queues.delete(room));
  }

  async #run(): Promise<void> {
    const backoff = new Backoff();
    while (!this.#closing.signal.aborted) {
      this.#setState({ status: "connecting" });
      const end = await this.#connect();
      if (this.#closing.signal.aborted) return;
      if (isFinal(end.error)) return this.#finish(end.error);
      await this.#wait(end, backoff.next(end));
    }
  }

  async #wait({ error, retryAfterMs }: ConnectionEnd, retryInMs: number): Promise<void> {
    this.#setState({ status: "waiting", error, retryInMs });
    const wakeUp = new AbortController();
    // Allow a wake-up to end the wait, unless the gateway asked for the wait.
    if (isNetworkFailure(error) && retryAfterMs === 0) this.#wakeUp = wakeUp;
    const closing = this.#closing.signal;
    await sleep(retryInMs, AbortSignal.any([closing, wakeUp.signal])).catch(() => {});
    this.#wakeUp = undefined;
    if (wakeUp.signal.aborted) await sleep(jitter(0, wakeDelayMs, wakeDelayMs), closing).catch(() => {});
  }

  /**
   * Reconnects immediately if the socket is waiting, and otherwise checks the connection with a
   * ping.
   */
  #onWake(): void {
    this.#wakeUp?.abort();
    this.#connection?.ping();
  }

  /** Opens a connection and waits for its end. */
  async #connect(): Promise<ConnectionEnd> {
    try {
      const { url, protocols } = await this.#handshake();
      if (this.#closing.signal.aborted) return { error: undefined, lastedMs: 0, retryAfterMs: 0 };
      return await this.#serve(new this.#WebSocket(url, protocols));
    } catch (error) {
      return { error, lastedMs: 0, retryAfterMs: error instanceof FieldgateError ? (error.retryAfterMs ?? 0) : 0 };
    }
  }

  async #serve(webSocket: InstanceType<WebSocketConstructor>): Promise<ConnectionEnd> {
    const connection: Connection = new Connection(webSocket, {
      timeoutMs: this.#options.timeoutMs ?? 30_000,
      pingIntervalMs: this.#options.pingIntervalMs,
      onWelcome: (connectionId) => this.#onWelcome(connection, connectionId),
      onPush: (type, data) => this.#onPush(connection, type, data),
    });
    const onClosing = () => connection.close();
    this.#closing.signal.addEventListener("abort", onClosing);
    const end = await connection.ended;
    this.#closing.signal.removeEventListener("abort", onClosing);
    this.#connection = undefined;
    const expired = end.error instanceof FieldgateCloseError && end.error.code === closeCodes.tokenExpired;
    if (expired) this.#expiredToken = this.#token;
    return end;
  }

  /**
   * Returns the URL and the subprotocols for a handshake. They contain a credential for one
   * connection.
   */
  async #handshake(): Promise<{ url: string; protocols: string[] }> {
    const url = `${this.#client.baseUrl.replace(/^http/, "ws")}/api/v1/customer/ws`;
    const expired = this.#expiredToken;
    this.#expiredToken = undefined;
    await this.#updateToken(expired);
    if (this.#options.auth !== "subprotocol") {
      return { url: `${url}?ticket=${encodeURIComponent(await this.#ticket())}`, protocols: [subprotocol] };
    }
    return { url, protocols: this.#token ? [subprotocol, `bearer.${this.#token}`] : [subprotocol] };
  }

  /** Returns a ticket. If the token is refused, it tries once more with another token. */
  async #ticket(): Promise<string> {
    const first = this.#token;
    try {
      return await this.#requestTicket();
    } catch (error) {
      if (first === undefined || !(error instanceof FieldgateError) || error.code !== "unauthorized") throw error;
      await this.#updateToken(first);
      if (this.#token === first) throw error;
      return this.#requestTicket();
    }
  }

  async #requestTicket(): Promise<string> {
    const headers = this.#token === undefined ? {} : { Authorization: `Bearer ${this.#token}` };
    const response = await this.#client.post("/api/v1/customer/ws-tickets", { signal: this.#closing.signal, headers });
    return response.ticket;
  }

  async #updateToken(refused?: string): Promise<void> {
    this.#token = await this.#client.token?.(refused, this.#closing.signal);
  }

  #onWelcome(connection: Connection, connectionId: string): void {
    this.#connection = connection;
    for (const subscription of this.#subscriptions.values()) this.#subscribeOn(connection, subscription);
    // This must come last, because onState may subscribe to a room. The loop above would
    // subscribe to that room a second time.
    this.#setState({ status: "connected", connectionId, goingAway: false });
  }

  /**
   * Handles a frame that is not a reply. It ignores frames of an unknown type, which later
   * versions may send.
   */
  #onPush(connection: Connection, type: string, data: unknown): void {
    if (type === "event") {
      const event = data as RoomEvent;
      this.#subscriptions.get(event.room)?.deliver(connection, event);
    }
    if (type === "token_expiring") void this.#renewToken(connection);
    if (type === "going_away" && this.state.status === "connected") this.#setState({ ...this.state, goingAway: true });
  }

  /** Renews the token of a connection. It retries until it succeeds or the connection ends. */
  async #renewToken(connection: Connection): Promise<void> {
    const ended = new AbortController();
    void connection.ended.then(() => ended.abort());
    while (this.#connection === connection && !(await this.#tryRenewToken(connection))) {
      await sleep(renewRetryMs, ended.signal).catch(() => {});
    }
  }

  /** Requests a new token and sends it. It reports whether the gateway accepted the token. */
  async #tryRenewToken(connection: Connection): Promise<boolean> {
    try {
      const token = await this.#client.token?.(this.#token);
      if (token === undefined || token === this.#token) return false;
      await connection.call("refresh", { token });
      this.#token = token;
      return true;
    } catch {
      return false; // the caller tries again; if that is too late, the gateway closes the connection
    }
  }

  #finish(error?: unknown): void {
    if (this.#closing.signal.aborted) return;
    const reason = error ?? new FieldgateCloseError(closeCodes.normal, "the program closed the socket");
    this.#closing.abort(reason);
    for (const subscription of this.#subscriptions.values()) subscription.close(reason);
    this.#subscriptions.clear();
    this.#setState(error === undefined ? { status: "closed" } : { status: "closed", error });
  }

  #setState(state: SocketState): void {
    this.state = state;
    runCallback(() => this.#options.onState?.(state));
  }
}
