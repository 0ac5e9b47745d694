import type { ConnectionEnd } from "./backoff.js";
import { closeCodes, FieldgateCloseError } from "./closecode.js";
import { FieldgateError, FieldgateNetworkError, isProblem } from "./errors.js";

/**
 * The part of a WebSocket that this client uses. The WebSockets of browsers and of the package
 * `ws` both have it.
 */
export interface WebSocketLike {
  readonly protocol: string;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
  /**
   * Closes the connection immediately, without waiting for the other side's close frame. Only
   * the package `ws` has this method.
   */
  terminate?(): void;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

export const subprotocol = "fieldgate.v1";

/** The maximum number of concurrent calls. The gateway refuses more than 32 on one connection. */
const maxConcurrentCalls = 24;
/** The longest wait for the reply to a ping. */
const pongTimeoutMs = 10_000;

interface Frame {
  type: string;
  requestId?: string;
  data?: unknown;
}

interface PendingCall {
  onReply: ((data: unknown) => void) | undefined;
  resolve(data: unknown): void;
  reject(error: unknown): void;
}

export interface ConnectionOptions {
  /** How long to wait for the welcome frame and for each reply, in milliseconds. */
  timeoutMs: number;
  /**
   * The silence after which a ping is sent, in milliseconds. `undefined` means the interval
   * that the gateway announces.
   */
  pingIntervalMs: number | undefined;
  /** Called when the connection is established. */
  onWelcome(connectionId: string): void;
  /** Called for each frame that is not a reply. */
  onPush(type: string, data: unknown): void;
}

/** One connection of a socket, from the handshake to its end. */
export class Connection {
  /** Resolves when the connection has ended. It never rejects. */
  readonly ended: Promise<ConnectionEnd>;
  readonly #socket: WebSocketLike;
  readonly #options: ConnectionOptions;
  readonly #calls = new Map<string, PendingCall>();
  /** The calls that wait until another call ends, oldest first. */
  readonly #waiting: (() => void)[] = [];
  #resolveEnded!: (end: ConnectionEnd) => void;
  #hasEnded = false;
  #concurrentCalls = 0;
  #lastId = 0;
  #retryAfterMs = 0;
  #openedAt: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pingIntervalMs = 0;
  #pinging = false;

  constructor(socket: WebSocketLike, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    socket.onmessage = (event: { data: unknown }) => this.#onMessage(event.data);
    socket.onerror = () => {}; // onclose handles errors; without a listener, Node.js would end the process
    socket.onclose = (event: { code: number; reason: string }) =>
      this.#end(new FieldgateCloseError(event.code, event.reason));
    this.#startTimer(options.timeoutMs, () =>
      this.drop(new FieldgateNetworkError("no welcome frame in time", { timedOut: true })),
    );
  }

  /**
   * Sends a request and returns the data of the reply. If the gateway refuses the request, it
   * throws the same error as a request over HTTP. `onReply` runs before the next frame is read,
   * but the returned promise settles only later. Work that must be done before the next frame
   * therefore belongs in `onReply`.
   */
  async call(type: string, data?: object, onReply?: (data: unknown) => void): Promise<unknown> {
    await this.#acquireSlot();
    const requestId = `ts-${++this.#lastId}`;
    try {
      return await new Promise((resolve, reject) =>
        this.#send({ type, requestId, data }, { resolve, reject, onReply }),
      );
    } finally {
      this.#calls.delete(requestId);
      this.#concurrentCalls--;
      this.#waiting.shift()?.();
    }
  }

  #send(frame: Required<Pick<Frame, "requestId">> & Frame, call: PendingCall): void {
    if (this.#hasEnded) {
      call.reject(interruptedError());
      return;
    }
    const timer = setTimeout(
      () => this.drop(new FieldgateNetworkError("no response in time", { timedOut: true })),
      this.#options.timeoutMs,
    );
    this.#calls.set(frame.requestId, {
      onReply: call.onReply,
      resolve: (reply) => {
        clearTimeout(timer);
        call.onReply?.(reply);
        call.resolve(reply);
      },
      reject: (error) => {
        clearTimeout(timer);
        call.reject(error);
      },
    });
    this.#socket.send(JSON.stringify(frame));
  }

  async #acquireSlot(): Promise<void> {
    while (this.#concurrentCalls >= maxConcurrentCalls && !this.#hasEnded) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#concurrentCalls++;
  }

  /** Closes the connection with the code for a normal close. */
  close(): void {
    this.#socket.close(closeCodes.normal);
    this.#end(new FieldgateCloseError(closeCodes.normal, ""));
  }

  /** Ends the connection with an error, without waiting for the gateway's close frame. */
  drop(error: unknown): void {
    if (this.#socket.terminate) this.#socket.terminate();
    else this.#socket.close();
    this.#end(error);
  }

  #end(error: unknown): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.#socket.onmessage = null;
    for (const call of [...this.#calls.values()]) call.reject(interruptedError(error));
    for (const resolve of this.#waiting.splice(0)) resolve();
    const lastedMs = this.#openedAt === undefined ? 0 : Date.now() - this.#openedAt;
    this.#resolveEnded({ error, lastedMs, retryAfterMs: this.#retryAfterMs });
  }

  #onMessage(text: unknown): void {
    try {
      const frame = JSON.parse(text as string) as Frame;
      if (this.#openedAt === undefined) this.#onFirstFrame(frame);
      else this.#onFrame(frame);
    } catch (cause) {
      this.drop(new FieldgateNetworkError("received a frame that cannot be parsed", { cause }));
    }
  }

  #onFrame(frame: Frame): void {
    this.#resetPingTimer();
    if (frame.requestId !== undefined) this.#onReply(frame);
    else this.#onPush(frame);
  }

  #onFirstFrame({ type, data }: Frame): void {
    const welcome = data as { connectionId: string; pingIntervalMs: number };
    if (type !== "welcome" || this.#socket.protocol !== subprotocol) {
      this.drop(new FieldgateNetworkError(`the server does not support the subprotocol ${subprotocol}`));
      return;
    }
    this.#openedAt = Date.now();
    this.#pingIntervalMs = this.#options.pingIntervalMs ?? welcome.pingIntervalMs;
    this.#resetPingTimer();
    this.#options.onWelcome(welcome.connectionId);
  }

  #onReply({ type, requestId, data }: Frame): void {
    const call = this.#calls.get(requestId as string);
    if (type === "reply") call?.resolve(data);
    if (type === "error") call?.reject(errorFromFrame(data));
  }

  #onPush({ type, data }: Frame): void {
    if (type === "going_away") this.#retryAfterMs = (data as { retryAfterMs: number }).retryAfterMs || 0;
    this.#options.onPush(type, data);
  }

  /**
   * Schedules a ping, which is sent if no frame arrives meanwhile. Browsers hide the pings of
   * the WebSocket protocol from programs, so the client sends a frame of its own.
   */
  #resetPingTimer(): void {
    this.#pinging = false;
    this.#startTimer(this.#pingIntervalMs, () => this.ping());
  }

  /** Sends a ping, and drops the connection if no frame arrives in time. */
  ping(): void {
    if (this.#pinging || this.#hasEnded) return;
    this.#pinging = true;
    this.call("ping").catch(() => {});
    this.#startTimer(Math.min(pongTimeoutMs, this.#options.timeoutMs), () =>
      this.drop(new FieldgateNetworkError("no reply to a ping in time", { timedOut: true })),
    );
  }

  /** Starts the timer of the connection, and stops the previous one. */
  #startTimer(ms: number, onTimeout: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(onTimeout, ms);
  }
}

function interruptedError(cause?: unknown): FieldgateNetworkError {
  return new FieldgateNetworkError("the connection broke before the response arrived", { cause });
}

function errorFromFrame(data: unknown): FieldgateError {
  if (isProblem(data)) return new FieldgateError({ status: data.status, problem: data });
  return new FieldgateError({ status: 0, detail: "the gateway refused the request without a problem document" });
}
