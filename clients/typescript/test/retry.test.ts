// What is repeated, how often, and after what wait.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { createClient, FieldgateError, FieldgateNetworkError, newIdempotencyKey } from "@fieldgate/client";
import { serve, thrown } from "./answers.js";
import { startGateway } from "./gateway.js";

const gateway = await startGateway();

test("a creating request keeps its key over repetitions, so that it is done once", async () => {
  const keys: (string | null)[] = [];
  const client = gateway.client({
    token: () => gateway.token({ customer: "keys" }),
    retry: { baseMs: 1 },
    fetch: async (request) => {
      keys.push(request.headers.get("Idempotency-Key"));
      const response = await fetch(request);
      if (keys.length < 3) throw new TypeError("the answer was lost");
      return response;
    },
  });
  const made = await client.post("/api/v1/customer/devices", { body: { name: "Pump 7" } });
  assert.equal(keys.length, 3);
  assert.ok(keys[0]);
  assert.equal(new Set(keys).size, 1);
  const { items } = await gateway
    .client({ token: () => gateway.token({ customer: "keys" }) })
    .get("/api/v1/customer/devices");
  assert.deepEqual(
    items.map((device) => device.id),
    [made.device.id],
  );
});

test("a key of the caller's own is sent as it is", async () => {
  const client = gateway.client();
  const params = { header: { "Idempotency-Key": newIdempotencyKey() } };
  const first = await client.post("/api/v1/customer/devices", { params, body: { name: "Pump 7" } });
  const second = await client.post("/api/v1/customer/devices", { params, body: { name: "Pump 7" } });
  assert.equal(second.device.id, first.device.id);
});

test("a change without a key is not repeated when its answer is lost", async () => {
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
  assert.ok((await thrown(change)) instanceof FieldgateNetworkError);
  assert.equal(sent, 1);
});

test("a limit is waited out for as long as the gateway asks", async () => {
  const limited = await startGateway({ FIELDGATE_RATE_CUSTOMER: "60/1" });
  const waiting = limited.client({ retry: { baseMs: 1 } });
  const began = Date.now();
  for (let i = 0; i < 3; i++) await waiting.get("/api/v1/customer/devices");
  assert.ok(Date.now() - began >= 1000, "it did not wait");
  const hasty = limited.client();
  const error = await thrown(
    Promise.all([hasty.get("/api/v1/customer/devices"), hasty.get("/api/v1/customer/devices")]),
  );
  assert.ok(error instanceof FieldgateError && error.code === "rate_limited");
  assert.ok((error.retryAfterMs ?? 0) >= 1000);
});

test("the repetitions have an end", async () => {
  let asked = 0;
  const broken = await serve((_, response) => {
    asked++;
    response.writeHead(503).end();
  });
  const client = createClient({ baseUrl: broken, retry: { attempts: 3, baseMs: 1 } });
  assert.equal(((await thrown(client.get("/version"))) as FieldgateError).status, 503);
  assert.equal(asked, 3);
});

test("the waits are a random part of a bound that doubles and has an end", async (t) => {
  const broken = await serve((_, response) => response.writeHead(500).end());
  for (const part of [0, 0.25, 1]) {
    const random = mock.method(Math, "random", () => part);
    const timers = t.mock.method(globalThis, "setTimeout");
    await thrown(createClient({ baseUrl: broken, retry: { attempts: 6, baseMs: 10, capMs: 45 } }).get("/version", {}));
    const waits = timers.mock.calls.map((call) => call.arguments[1] as number).filter((ms) => ms <= 45);
    random.mock.restore();
    timers.mock.restore();
    assert.deepEqual(
      waits,
      [10, 20, 40, 45, 45].map((bound) => bound * part),
    );
  }
});

test("Retry-After is honoured as seconds and as a date, and nothing else is taken for it", async () => {
  const day = (ms: number) => new Date(Date.now() + ms).toUTCString();
  const headers: [string, (ms: number | undefined) => boolean][] = [
    ["7", (ms) => ms === 7000],
    [day(60_000), (ms) => ms !== undefined && ms > 50_000 && ms <= 60_000],
    [day(-60_000), (ms) => ms === undefined],
    ["1.5", (ms) => ms === undefined],
    ["-1", (ms) => ms === undefined],
    ["Sun, soon", (ms) => ms === undefined],
  ];
  for (const [header, right] of headers) {
    const baseUrl = await serve((_, response) => response.writeHead(503, { "Retry-After": header }).end());
    const error = await thrown(createClient({ baseUrl }).get("/version"));
    assert.ok(error instanceof FieldgateError && right(error.retryAfterMs), `${header}: ${String(error)}`);
  }
});

test("a wait that is longer than the longest is left to the caller", async () => {
  let asked = 0;
  const baseUrl = await serve((_, response) => {
    asked++;
    response.writeHead(503, { "Retry-After": "3600" }).end();
  });
  const error = await thrown(createClient({ baseUrl, retry: true }).get("/version"));
  assert.ok(error instanceof FieldgateError && error.retryAfterMs === 3_600_000);
  assert.equal(asked, 1);
});

test("a wait ends with the caller's signal", async () => {
  const baseUrl = await serve((_, response) => response.writeHead(503, { "Retry-After": "50" }).end());
  const stop = new AbortController();
  const call = createClient({ baseUrl, retry: true }).get("/version", { signal: stop.signal });
  setTimeout(() => stop.abort(new Error("enough")), 100);
  assert.equal(((await thrown(call)) as Error).message, "enough");
});

test("a refusal that will not change is not repeated", async () => {
  for (const status of [400, 401, 403, 404, 409]) {
    let asked = 0;
    const baseUrl = await serve((_, response) => {
      asked++;
      response.writeHead(status).end();
    });
    await thrown(createClient({ baseUrl, retry: { baseMs: 1 } }).get("/version"));
    assert.equal(asked, 1, String(status));
  }
});

test("an answer that breaks off while nobody reads it is repeated like others", async () => {
  let asked = 0;
  const breaking = await serve((_, response) => {
    if (++asked === 2) return void response.end('{"version":"1"}');
    response.writeHead(503, { "Content-Length": "100" });
    response.write("half of");
    setTimeout(() => response.destroy(), 20);
  });
  const broken = async (request: Request) => {
    const answer = await fetch(request);
    await new Promise((resolve) => setTimeout(resolve, 100)); // until it has broken off
    return answer;
  };
  await createClient({ baseUrl: breaking, retry: { baseMs: 1 }, fetch: broken }).get("/version");
  assert.equal(asked, 2);
});

test("no answer is left unread, for that would keep its connection", async () => {
  const broken = await serve((_, response) => response.writeHead(503).end("later"));
  const expired = await gateway.token({ lifetimeMs: -3_600_000 });
  const answers: Response[] = [];
  const noted = async (request: Request) => {
    const answer = await fetch(request);
    answers.push(answer);
    return answer;
  };
  await thrown(createClient({ baseUrl: broken, retry: { baseMs: 1 }, fetch: noted }).get("/version"));
  const token = (old?: string) => (old === undefined ? expired : gateway.token());
  await gateway.client({ token, fetch: noted }).get("/api/v1/customer/devices");
  assert.equal(answers.length, 6);
  for (const answer of answers) assert.ok(answer.bodyUsed);
});
