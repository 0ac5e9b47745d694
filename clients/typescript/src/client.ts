import createFetchClient, {
  type Client as FetchClient,
  type FetchOptions,
  type FetchResponse,
  type Middleware,
} from "openapi-fetch";
import { keyedOperations } from "./contract.gen.js";
import { FieldgateError, refusal } from "./errors.js";
import type { paths } from "./openapi.gen.js";
import { type TokenProvider, type TokenSource, tokenSource } from "./token.js";
import { type RetryOptions, transport, unanswered } from "./transport.js";

export interface ClientOptions {
  /** Where the gateway is, such as `https://gateway.example.com`; in a page, it may be relative to that. */
  baseUrl: string;
  /** Gives the token of each request. Without it none is sent. */
  token?: TokenProvider;
  /** Whether requests that are safe to repeat are repeated. Default: false. */
  retry?: boolean | RetryOptions;
  /** How long one try of a request may take, and how long `token`, in milliseconds. Default: 30000. */
  timeoutMs?: number;
  /** What sends the requests. Default: the `fetch` of the platform. */
  fetch?: (request: Request) => Promise<Response>;
}

export type Method = "get" | "post" | "patch" | "delete";

/** The paths of the contract that know a method. */
export type PathWith<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, object> ? P : never;
}[keyof paths];

type Operation<P extends keyof paths, M extends Method> = Extract<paths[P][M], Record<string | number, unknown>>;

/** What a call takes: `params`, `body`, and what `fetch` takes. */
export type Init<P extends keyof paths, M extends Method> = FetchOptions<Operation<P, M>>;

type Answered<T extends Record<string | number, unknown>> = Exclude<
  FetchResponse<T, unknown, `${string}/${string}`>["data"],
  undefined
>;

/** What a call gives. */
export type Data<P extends keyof paths, M extends Method> = [Answered<Operation<P, M>>] extends [never]
  ? undefined
  : Answered<Operation<P, M>>;

type InitParameter<I> = Partial<I> extends I ? [init?: I] : [init: I];

/** A call gives what was asked for, or throws why not. */
export type Call<M extends Method> = <P extends PathWith<M>>(
  path: P,
  ...init: InitParameter<Init<P, M>>
) => Promise<Data<P, M>>;

/** A client of one gateway, on behalf of one user. */
export interface Client {
  get: Call<"get">;
  post: Call<"post">;
  patch: Call<"patch">;
  delete: Call<"delete">;
  /** The openapi-fetch client underneath, to see the whole response. It throws no refusals. */
  raw: FetchClient<paths>;
  /** Where the gateway is, without a slash at the end. */
  baseUrl: string;
  /** Gives the token, see {@link TokenProvider}. */
  token: TokenSource | undefined;
}

/** Makes a client. It opens no connection. */
export function createClient(options: ClientOptions): Client {
  const baseUrl = absolute(options.baseUrl);
  const timeoutMs = options.timeoutMs ?? 30_000;
  const token = options.token && tokenSource(options.token, timeoutMs);
  const send = transport({
    fetch: options.fetch ?? ((request) => globalThis.fetch(request)),
    token,
    retry: retryOf(options.retry),
    timeoutMs,
  });
  // The gateway never redirects: whoever does is something else, and gets no token.
  const raw = createFetchClient<paths>({ baseUrl, fetch: send, redirect: "error" });
  raw.use(idempotencyKeys);
  return {
    raw,
    baseUrl,
    token,
    get: caller(raw.GET as Loose) as Call<"get">,
    post: caller(raw.POST as Loose) as Call<"post">,
    patch: caller(raw.PATCH as Loose) as Call<"patch">,
    delete: caller(raw.DELETE as Loose) as Call<"delete">,
  };
}

/** Makes an address whole: one that cannot be would only be found out request by request. */
function absolute(baseUrl: string): string {
  const url = new URL(baseUrl, globalThis.location?.href);
  if (!/^https?:$/.test(url.protocol)) throw new TypeError(`not the address of a gateway: ${baseUrl}`);
  return url.href.replace(/\/+$/, "");
}

function retryOf(retry: ClientOptions["retry"]): Required<RetryOptions> {
  const chosen = typeof retry === "object" ? retry : {};
  return { attempts: retry ? (chosen.attempts ?? 4) : 1, baseMs: chosen.baseMs ?? 1000, capMs: chosen.capMs ?? 60_000 };
}

/** Gives each creating request a key, which stays the same however often it is sent. */
const idempotencyKeys: Middleware = {
  onRequest({ request, schemaPath }) {
    const operation = `${request.method} ${schemaPath}`;
    if (keyedOperations.some((keyed) => keyed === operation) && !request.headers.has("Idempotency-Key")) {
      request.headers.set("Idempotency-Key", newIdempotencyKey());
    }
  },
};

/** Makes a key of one's own, to repeat a request even after a reload of the page. */
export function newIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is for secure pages only
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// The types of openapi-fetch are for callers that know their path. Here it can be any.
type Loose = (path: string, init?: { signal?: AbortSignal | null }) => Promise<{ data?: unknown; response: Response }>;

function caller(call: Loose): Loose {
  return async (path, init) => {
    let status = 0;
    const noted: Middleware = {
      async onResponse({ response }) {
        status = response.status;
        if (!response.ok) throw await refusal(response);
      },
    };
    try {
      return (await call(path, { ...init, middleware: [noted] } as typeof init)).data as never;
    } catch (error) {
      throw explained(error, status, init?.signal);
    }
  };
}

/** Tells what became of an answer that began well and could not be read. */
function explained(error: unknown, status: number, signal?: AbortSignal | null): unknown {
  if (error instanceof SyntaxError) {
    return new FieldgateError({
      status,
      detail: "the answer cannot be read: something on the way gave or changed it",
      cause: error,
    });
  }
  const known = status === 0 || error instanceof FieldgateError;
  return known ? error : unanswered(error, signal);
}
