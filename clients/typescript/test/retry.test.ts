// Tests which requests are retried, how often, and after which delay.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { createClient, FieldgateError, FieldgateNetworkError, newIdempotencyKey } from "@fieldgate/client";
import { startGateway } from "./gateway.js";
import { errorOf, startServer } from "./server.js";

const gateway = await startGateway();

test("retry keeps the Idempotency-Key, so that a request is executed once", async () => {
  const keys: (string | null)[] = [];
  const client = gateway.client({
    token: () => gateway.token({ customer: "keys" }),
    retry: { baseMs: 1 },
    fetch: async (request) => {
      keys.push(request.headers.get("Idempotency-Key"));
      const response = await fetch(request);
      if (keys.length < 3) throw new TypeError("the response was lost");
      return response;
    },
  });
  const provisioned = await client.post("/api/v1/customer/devices", { body: { name: "Pump 7" } });
  assert.equal(keys.length, 3);
  assert.ok(keys[0]);
  assert.equal(new Set(keys).size, 1);
  const { items } = await gateway
    .client({ token: () => gateway.token({ customer: "keys" }) })
    .get("/api/v1/customer/devices");
  assert.deepEqual(
    items.map((device) => device.id),
    [provisioned.device.id],
  );
});

test("call sends the Idempotency-Key of its caller", async () => {
  const client = gateway.client();
  const params = { header: { "Idempotency-Key": newIdempotencyKey() } };
  const first = await client.post("/api/v1/customer/devices", { params, body: { name: "Pump 7" } });
  const second = await client.post("/api/v1/customer/devices", { params, body: { name: "Pump 7" } });
  assert.equal(second.device.id, first.device.id);
});

test("retry does not repeat a change without a key after a lost response", async () => {
  let sent = 0;
  const lossy = gateway.client({
    retry: { baseMs: 1 },
    fetch: () => {
      sent++;
      return Promise.reject(new TypeError("lost"));
    },
  });
  const change = lossy.patch("/api/v1/customer/devices/{deviceId}", {
    params: { path: { deviceId: "dev_1" } },
    body: { name: "A" },
  });
  assert.ok((await errorOf(change)) instanceof FieldgateNetworkError);
  assert.equal(sent, 1);
});

test("retry waits for the Retry-After of a rate limit", async () => {
  const limited = await startGateway({ FIELDGATE_RATE_CUSTOMER: "60/1" });
  const patient = limited.client({ retry: { baseMs: 1 } });
  const startedAt = Date.now();
  for (let i = 0; i < 3; i++) await patient.get("/api/v1/customer/devices");
  assert.ok(Date.now() - startedAt >= 1000, "the client did not wait");
  const impatient = limited.client();
  const error = await errorOf(
    Promise.all([impatient.get("/api/v1/customer/devices"), impatient.get("/api/v1/customer/devices")]),
  );
  assert.ok(error instanceof FieldgateError && error.code === "rate_limited");
  assert.ok((error.retryAfterMs ?? 0) >= 1000);
});

test("retry gives up after the last attempt", async () => {
  let requests = 0;
  const broken = await startServer((_, response) => {
    requests++;
    response.writeHead(503).end();
  });
  const client = createClient({ baseUrl: broken, retry: { attempts: 3, baseMs: 1 } });
  assert.equal(((await errorOf(client.get("/version"))) as FieldgateError).status, 503);
  assert.equal(requests, 3);
});

test("retry delays are a random part of a bound that doubles up to its maximum", async (t) => {
  const broken = await startServer((_, response) => response.writeHead(500).end());
  for (const randomFactor of [0, 0.25, 1]) {
    const random = mock.method(Math, "random", () => randomFactor);
    const timers = t.mock.method(globalThis, "setTimeout");
    await errorOf(createClient({ baseUrl: broken, retry: { attempts: 6, baseMs: 10, capMs: 45 } }).get("/version", {}));
    const delays = timers.mock.calls.map((call) => call.arguments[1] as number).filter((ms) => ms <= 45);
    random.mock.restore();
    timers.mock.restore();
    assert.deepEqual(
      delays,
      [10, 20, 40, 45, 45].map((bound) => bound * randomFactor),
    );
  }
});

test("Retry-After is read as seconds or a date, and any other value is ignored", async () => {
  const dateIn = (ms: number) => new Date(Date.now() + ms).toUTCString();
  const headers: [string, (ms: number | undefined) => boolean][] = [
    ["7", (ms) => ms === 7000],
    [dateIn(60_000), (ms) => ms !== undefined && ms > 50_000 && ms <= 60_000],
    [dateIn(-60_000), (ms) => ms === undefined],
    ["1.5", (ms) => ms === undefined],
    ["-1", (ms) => ms === undefined],
    ["Sun, soon", (ms) => ms === undefined],
  ];
  for (const [header, isExpected] of headers) {
    const baseUrl = await startServer((_, response) => response.writeHead(503, { "Retry-After": header }).end());
    const error = await errorOf(createClient({ baseUrl }).get("/version"));
    assert.ok(error instanceof FieldgateError && isExpected(error.retryAfterMs), `${header}: ${String(error)}`);
  }
});

test("retry throws a refusal whose Retry-After is longer than capMs", async () => {
  let requests = 0;
  const baseUrl = await startServer((_, response) => {
    requests++;
    response.writeHead(503, { "Retry-After": "3600" }).end();
  });
  const error = await errorOf(createClient({ baseUrl, retry: true }).get("/version"));
  assert.ok(error instanceof FieldgateError && error.retryAfterMs === 3_600_000);
  assert.equal(requests, 1);
});

test("retry delay ends when the signal of the caller is aborted", async () => {
  const baseUrl = await startServer((_, response) => response.writeHead(503, { "Retry-After": "50" }).end());
  const stop = new AbortController();
  const call = createClient({ baseUrl, retry: true }).get("/version", { signal: stop.signal });
  setTimeout(() => stop.abort(new Error("enough")), 100);
  assert.equal(((await errorOf(call)) as Error).message, "enough");
});

test("retry does not repeat a permanent refusal", async () => {
  for (const status of [400, 401, 403, 404, 409]) {
    let requests = 0;
    const baseUrl = await startServer((_, response) => {
      requests++;
      response.writeHead(status).end();
    });
    await errorOf(createClient({ baseUrl, retry: { baseMs: 1 } }).get("/version"));
    assert.equal(requests, 1, String(status));
  }
});

test("retry follows a response whose connection breaks before its body was read", async () => {
  let requests = 0;
  const failing = await startServer((_, response) => {
    if (++requests === 2) return void response.end('{"version":"1"}');
    response.writeHead(503, { "Content-Length": "100" });
    response.write("half of");
    setTimeout(() => response.destroy(), 20);
  });
  const fetchSlowly = async (request: Request) => {
    const response = await fetch(request);
    await new Promise((resolve) => setTimeout(resolve, 100)); // wait until the connection has broken
    return response;
  };
  await createClient({ baseUrl: failing, retry: { baseMs: 1 }, fetch: fetchSlowly }).get("/version");
  assert.equal(requests, 2);
});

test("retry discards each unread response, which would occupy a connection", async () => {
  const broken = await startServer((_, response) => response.writeHead(503).end("later"));
  const expired = await gateway.token({ lifetimeMs: -3_600_000 });
  const responses: Response[] = [];
  const fetchAndRecord = async (request: Request) => {
    const response = await fetch(request);
    responses.push(response);
    return response;
  };
  await errorOf(createClient({ baseUrl: broken, retry: { baseMs: 1 }, fetch: fetchAndRecord }).get("/version"));
  const token = (old?: string) => (old === undefined ? expired : gateway.token());
  await gateway.client({ token, fetch: fetchAndRecord }).get("/api/v1/customer/devices");
  assert.equal(responses.length, 6);
  for (const response of responses) assert.ok(response.bodyUsed);
});
