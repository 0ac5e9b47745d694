import { type Ending, FieldgateCloseError } from "./closing.js";
import { FieldgateError, FieldgateNetworkError, isProblem } from "./errors.js";

/** What is used of a WebSocket: that of browsers, and that of the package `ws`, have it. */
export interface WebSocketLike {
  readonly protocol: string;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  send(data: string): void;
  close(code?: number, reason?: string): void;
  /** Only `ws` has it: it lets go at once of what would be kept for an answer. */
  terminate?(): void;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

export const subprotocol = "fieldgate.v1";

/** The gateway answers 32 frames of a connection at a time, and refuses more. */
const maxUnanswered = 24;
/** How long to wait for a sign of life after asking for one. */
const silenceMs = 10_000;

interface Frame {
  type: string;
  requestId?: string;
  data?: unknown;
}

interface Call {
  onReply: ((data: unknown) => void) | undefined;
  resolve(data: unknown): void;
  reject(error: unknown): void;
}

export interface LinkOptions {
  /** How long to wait for the welcome and for each answer, in milliseconds. */
  timeoutMs: number;
  /** How long nothing may come before the other side is asked whether it is there. */
  pingIntervalMs: number | undefined;
  onWelcome(connectionId: string): void;
  /** Told of what nobody asked for. */
  onPush(type: string, data: unknown): void;
}

/** One connection of a socket, from the handshake to its end. */
export class Link {
  /** When the connection has ended. */
  readonly ended: Promise<Ending>;
  readonly #socket: WebSocketLike;
  readonly #options: LinkOptions;
  readonly #calls = new Map<string, Call>();
  readonly #waiting: (() => void)[] = [];
  #finish!: (ending: Ending) => void;
  #over = false;
  #calling = 0;
  #lastId = 0;
  #hintMs = 0;
  #openedAt: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pingIntervalMs = 0;
  #asked = false;

  constructor(socket: WebSocketLike, options: LinkOptions) {
    this.#socket = socket;
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#finish = resolve;
    });
    socket.onmessage = (event: { data: unknown }) => this.#read(event.data);
    socket.onerror = () => {}; // onclose follows; in Node an error without a listener would end the process
    socket.onclose = (event: { code: number; reason: string }) =>
      this.#end(new FieldgateCloseError(event.code, event.reason));
    this.#within(options.timeoutMs, () => this.drop(new FieldgateNetworkError("no welcome came", { timedOut: true })));
  }

  /**
   * Asks, and gives the data of the reply. A refusal is thrown as over HTTP. What must be done
   * before anything behind the reply is read has to be done in `onReply`: several frames may
   * be read before a promise is.
   */
  async call(type: string, data?: object, onReply?: (data: unknown) => void): Promise<unknown> {
    await this.#slot();
    const requestId = `ts-${++this.#lastId}`;
    try {
      return await new Promise((resolve, reject) => this.#ask({ type, requestId, data }, { resolve, reject, onReply }));
    } finally {
      this.#calls.delete(requestId);
      this.#calling--;
      this.#waiting.shift()?.();
    }
  }

  #ask(frame: Required<Pick<Frame, "requestId">> & Frame, call: Call): void {
    if (this.#over) {
      call.reject(interrupted());
      return;
    }
    const timer = setTimeout(
      () => this.drop(new FieldgateNetworkError("no answer came in time", { timedOut: true })),
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

  async #slot(): Promise<void> {
    while (this.#calling >= maxUnanswered && !this.#over) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#calling++;
  }

  /** Says goodbye. */
  close(): void {
    this.#socket.close(1000);
    this.#end(new FieldgateCloseError(1000, ""));
  }

  /** Ends the connection from here, without waiting for the other side to agree. */
  drop(error: unknown): void {
    if (this.#socket.terminate) this.#socket.terminate();
    else this.#socket.close();
    this.#end(error);
  }

  #end(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#socket.onmessage = null;
    for (const call of [...this.#calls.values()]) call.reject(interrupted(error));
    for (const resolve of this.#waiting.splice(0)) resolve();
    const stoodMs = this.#openedAt === undefined ? 0 : Date.now() - this.#openedAt;
    this.#finish({ error, stoodMs, hintMs: this.#hintMs });
  }

  #read(text: unknown): void {
    try {
      const frame = JSON.parse(text as string) as Frame;
      if (this.#openedAt === undefined) this.#welcome(frame);
      else this.#heard(frame);
    } catch (cause) {
      this.drop(new FieldgateNetworkError("a frame came that is not of the contract", { cause }));
    }
  }

  #heard(frame: Frame): void {
    this.#listen();
    if (frame.requestId !== undefined) this.#answer(frame);
    else this.#push(frame);
  }

  #welcome({ type, data }: Frame): void {
    const welcome = data as { connectionId: string; pingIntervalMs: number };
    if (type !== "welcome" || this.#socket.protocol !== subprotocol) {
      this.drop(new FieldgateNetworkError(`who answered does not speak ${subprotocol}`));
      return;
    }
    this.#openedAt = Date.now();
    this.#pingIntervalMs = this.#options.pingIntervalMs ?? welcome.pingIntervalMs;
    this.#listen();
    this.#options.onWelcome(welcome.connectionId);
  }

  #answer({ type, requestId, data }: Frame): void {
    const call = this.#calls.get(requestId as string);
    if (type === "reply") call?.resolve(data);
    if (type === "error") call?.reject(refused(data));
  }

  #push({ type, data }: Frame): void {
    if (type === "going_away") this.#hintMs = (data as { retryAfterMs: number }).retryAfterMs || 0;
    this.#options.onPush(type, data);
  }

  /** Waits for the next frame. Browsers do not show the pings of the protocol, so it asks. */
  #listen(): void {
    this.#asked = false;
    this.#within(this.#pingIntervalMs, () => this.probe());
  }

  /** Finds out whether the other side is there. */
  probe(): void {
    if (this.#asked || this.#over) return;
    this.#asked = true;
    this.call("ping").catch(() => {});
    this.#within(Math.min(silenceMs, this.#options.timeoutMs), () =>
      this.drop(new FieldgateNetworkError("nothing comes any more", { timedOut: true })),
    );
  }

  #within(ms: number, late: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(late, ms);
  }
}

function interrupted(cause?: unknown): FieldgateNetworkError {
  return new FieldgateNetworkError("the connection broke before the answer came", { cause });
}

function refused(data: unknown): FieldgateError {
  if (isProblem(data)) return new FieldgateError({ status: data.status, problem: data });
  return new FieldgateError({ status: 0, detail: "the refusal cannot be read" });
}
