import createFetchClient, {
  type Client as FetchClient,
  type FetchOptions,
  type FetchResponse,
  type Middleware,
} from "openapi-fetch";
import { keyedOperations } from "./contract.gen.js";
import { errorFromResponse, FieldgateError } from "./errors.js";
import type { paths } from "./openapi.gen.js";
import { type TokenProvider, type TokenSource, tokenSource } from "./token.js";
import { networkError, type RetryOptions, transport } from "./transport.js";

export interface ClientOptions {
  /**
   * The URL of the gateway, such as `https://gateway.example.com`. In a page it may be
   * relative to the URL of the page.
   */
  baseUrl: string;
  /** Returns the token for each request. Default: none. Requests are then sent without a token. */
  token?: TokenProvider;
  /** Whether to retry requests that are safe to repeat. Default: false. */
  retry?: boolean | RetryOptions;
  /**
   * The timeout of one attempt of a request, and of one call of `token`, in milliseconds.
   * Default: 30000.
   */
  timeoutMs?: number;
  /** Sends the requests. Default: the `fetch` of the platform. */
  fetch?: (request: Request) => Promise<Response>;
}

export type Method = "get" | "post" | "put" | "patch" | "delete";

/** The paths of the contract that have an operation with the HTTP method `M`. */
export type PathWith<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, object> ? P : never;
}[keyof paths];

type Operation<P extends keyof paths, M extends Method> = Extract<paths[P][M], Record<string | number, unknown>>;

/** The options of a call: `params`, `body`, and the options of `fetch`. */
export type Init<P extends keyof paths, M extends Method> = FetchOptions<Operation<P, M>>;

type ResponseBody<T extends Record<string | number, unknown>> = Exclude<
  FetchResponse<T, unknown, `${string}/${string}`>["data"],
  undefined
>;

/** The body that a call returns, or `undefined` for a response without a body. */
export type Data<P extends keyof paths, M extends Method> = [ResponseBody<Operation<P, M>>] extends [never]
  ? undefined
  : ResponseBody<Operation<P, M>>;

type InitParameter<I> = Partial<I> extends I ? [init?: I] : [init: I];

/**
 * A call sends one request and returns the body of the response. It throws a
 * {@link FieldgateError} if the gateway refuses the request, and a `FieldgateNetworkError` if
 * there is no response.
 */
export type Call<M extends Method> = <P extends PathWith<M>>(
  path: P,
  ...init: InitParameter<Init<P, M>>
) => Promise<Data<P, M>>;

/** A client of one gateway, on behalf of one user. */
export interface Client {
  get: Call<"get">;
  post: Call<"post">;
  put: Call<"put">;
  patch: Call<"patch">;
  delete: Call<"delete">;
  /**
   * The underlying openapi-fetch client. It returns the whole response, and does not throw
   * refusals.
   */
  raw: FetchClient<paths>;
  /** The URL of the gateway, without a trailing slash. */
  baseUrl: string;
  /** Returns the token for a request: see {@link TokenProvider}. */
  token: TokenSource | undefined;
}

/**
 * Creates a client, without opening a connection. It throws a TypeError if `baseUrl` is not an
 * HTTP URL.
 */
export function createClient(options: ClientOptions): Client {
  const baseUrl = resolveBaseUrl(options.baseUrl);
  const timeoutMs = options.timeoutMs ?? 30_000;
  const token = options.token && tokenSource(options.token, timeoutMs);
  const send = transport({
    fetch: options.fetch ?? ((request) => globalThis.fetch(request)),
    token,
    retry: retryOptions(options.retry),
    timeoutMs,
  });
  // The gateway never redirects. A redirect would send the token to another server.
  const raw = createFetchClient<paths>({ baseUrl, fetch: send, redirect: "error" });
  raw.use(idempotencyKeys);
  return {
    raw,
    baseUrl,
    token,
    get: throwing(raw.GET as UntypedCall) as Call<"get">,
    post: throwing(raw.POST as UntypedCall) as Call<"post">,
    put: throwing(raw.PUT as UntypedCall) as Call<"put">,
    patch: throwing(raw.PATCH as UntypedCall) as Call<"patch">,
    delete: throwing(raw.DELETE as UntypedCall) as Call<"delete">,
  };
}

/**
 * Returns the absolute URL of the gateway. It throws a TypeError for an invalid URL, which
 * would otherwise make every request fail.
 */
function resolveBaseUrl(baseUrl: string): string {
  const url = new URL(baseUrl, globalThis.location?.href);
  if (!/^https?:$/.test(url.protocol)) throw new TypeError(`baseUrl is not an HTTP URL: ${baseUrl}`);
  return url.href.replace(/\/+$/, "");
}

function retryOptions(retry: ClientOptions["retry"]): Required<RetryOptions> {
  const chosen = typeof retry === "object" ? retry : {};
  return { attempts: retry ? (chosen.attempts ?? 4) : 1, baseMs: chosen.baseMs ?? 1000, capMs: chosen.capMs ?? 60_000 };
}

/**
 * Adds an Idempotency-Key to each request whose operation takes one. The key is added before
 * the retries, so that all attempts of a request have the same key.
 */
const idempotencyKeys: Middleware = {
  onRequest({ request, schemaPath }) {
    const operation = `${request.method} ${schemaPath}`;
    if (keyedOperations.some((keyed) => keyed === operation) && !request.headers.has("Idempotency-Key")) {
      request.headers.set("Idempotency-Key", newIdempotencyKey());
    }
  },
};

/** Returns a new idempotency key. Store it to repeat the request even after the page was reloaded. */
export function newIdempotencyKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16)); // randomUUID would require a secure context
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// openapi-fetch derives the type of a call from its path. Here the path can be any path of the
// contract.
type UntypedCall = (
  path: string,
  init?: { signal?: AbortSignal | null },
) => Promise<{ data?: unknown; response: Response }>;

/**
 * Wraps a function of openapi-fetch that sends a request. That function returns refusals as
 * values, and the wrapper throws them.
 */
function throwing(call: UntypedCall): UntypedCall {
  return async (path, init) => {
    let status = 0;
    const throwRefusals: Middleware = {
      async onResponse({ response }) {
        status = response.status;
        if (!response.ok) throw await errorFromResponse(response);
      },
    };
    try {
      return (await call(path, { ...init, middleware: [throwRefusals] } as typeof init)).data as never;
    } catch (error) {
      throw bodyError(error, status, init?.signal);
    }
  };
}

/**
 * Returns the error to throw for a failed call. `status` is the status of the response, or 0 if
 * no response has arrived. After a response has arrived, any error other than a refusal means
 * that the body could not be read or parsed.
 */
function bodyError(error: unknown, status: number, signal?: AbortSignal | null): unknown {
  if (error instanceof SyntaxError) {
    return new FieldgateError({
      status,
      detail: "the response is not valid JSON: a server between this client and the gateway sent or changed it",
      cause: error,
    });
  }
  const known = status === 0 || error instanceof FieldgateError;
  return known ? error : networkError(error, signal);
}
