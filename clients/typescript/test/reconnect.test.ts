// Tests after which close codes a socket reconnects, and after what delay.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mock, test } from "node:test";
import { closeCodes, FieldgateCloseError, FieldgateError, FieldgateNetworkError, rooms } from "@fieldgate/client";
import { openSession, registeredDevice, startGateway } from "./gateway.js";
import { startRelay } from "./relay.js";
import { startServer } from "./server.js";
import { eventually, openSocket, recordMessages } from "./sockets.js";

const gateway = await startGateway();

/**
 * The result of Math.random in this file. It is constant, so that a test can calculate the upper
 * bound of a delay from the delay.
 */
const randomFactor = 0.01;
mock.method(Math, "random", () => randomFactor);

const initialBoundMs = 500;
const overloadBoundMs = 4000;
/**
 * The expected upper bound of the first delay after each close code. "ends" means that the
 * socket must not reconnect.
 */
const boundsByCode: Record<number, number | "ends"> = {
  1000: initialBoundMs, // the program did not close the socket itself
  1001: initialBoundMs, // not in the contract, but a proxy may send it
  1002: "ends",
  1003: "ends",
  1006: initialBoundMs,
  1007: "ends",
  1008: overloadBoundMs,
  1009: "ends",
  1011: overloadBoundMs,
  1012: initialBoundMs,
  1013: overloadBoundMs,
  4001: initialBoundMs,
  4003: "ends",
  4008: initialBoundMs,
  4009: "ends",
  4010: initialBoundMs,
  4999: initialBoundMs, // an unknown code of a later version
};

test("closeCodes has each code of the contract, and a case below tests it", () => {
  const contract = readFileSync("../../asyncapi.yaml", "utf8").split("## Close codes")[1] as string;
  const codes = [...contract.matchAll(/^ +\| (\d{4}) \|/gm)].map((row) => Number(row[1]));
  assert.ok(codes.length >= 13);
  for (const code of codes) {
    assert.ok(boundsByCode[code] !== undefined, String(code));
    assert.ok(Object.values<number>(closeCodes).includes(code), String(code));
  }
});

for (const [text, bound] of Object.entries(boundsByCode)) {
  const code = Number(text);
  test(`socket closed with ${code} ${bound === "ends" ? "ends" : `reconnects within ${bound} ms`}`, async () => {
    const relay = await startRelay(gateway.url);
    const refused: (string | undefined)[] = [];
    const token = (old?: string) => {
      refused.push(old);
      return gateway.token();
    };
    const { socket, waitForState } = openSocket(gateway.client({ baseUrl: relay.url, token }));
    const device = await registeredDevice(gateway.client());
    const received = recordMessages();
    await socket.subscribe(rooms.device(device.id), received.handler).started;
    relay.close(code);
    const after = await waitForState((state) => state.status === "waiting" || state.status === "closed");
    assert.ok(after.status === "waiting" || after.status === "closed");
    assert.ok(after.error instanceof FieldgateCloseError, String(after.error));
    assert.equal(after.error.code, code);
    assert.equal(after.status === "closed" ? "ends" : Math.round(after.retryInMs / randomFactor), bound);
    if (after.status === "closed") return;
    await openSession(gateway.client(), device.id);
    await received.waitForEvent("session.opened");
    assert.equal(refused.filter((old) => old !== undefined).length, code === 4001 ? 1 : 0);
  });
}

test("backoff doubles its bound up to a minute", async () => {
  const { states } = openSocket(gateway.client({ baseUrl: "http://127.0.0.1:1" }));
  const bounds = () =>
    states.flatMap((state) => (state.status === "waiting" ? [Math.round(state.retryInMs / randomFactor)] : []));
  await eventually(() => bounds().length >= 9);
  assert.deepEqual(bounds().slice(0, 9), [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
});

test("backoff starts over after a connection of a minute", async (t) => {
  const relay = await startRelay(gateway.url);
  const { socket, states } = openSocket(gateway.client({ baseUrl: relay.url }));
  const waits = () => states.filter((state) => state.status === "waiting");
  let aheadMs = 0;
  const now = Date.now;
  t.mock.method(Date, "now", () => now() + aheadMs);
  for (const [i, lastedMs] of [0, 0, 59_000, 61_000].entries()) {
    await eventually(() => socket.state.status === "connected");
    aheadMs += lastedMs;
    relay.close(1006);
    await eventually(() => waits().length > i);
  }
  const bounds = waits().map((state) => state.status === "waiting" && Math.round(state.retryInMs / randomFactor));
  assert.deepEqual(bounds, [500, 1000, 2000, 500]);
});

const problem = (status: number, code: string) => JSON.stringify({ type: "about:blank", title: "No", status, code });
const refusals: [string, number, Record<string, string>, string, "ends" | number][] = [
  ["a rate limit", 429, { "Retry-After": "7" }, problem(429, "rate_limited"), 7000],
  ["an instance that is shutting down", 503, { "Retry-After": "3" }, problem(503, "draining"), 3000],
  ["an insufficient role", 403, {}, problem(403, "insufficient_role"), "ends"],
  ["an unknown code", 409, {}, problem(409, "paused"), "ends"],
  ["a proxy that requires a login", 401, {}, "<h1>Please log in</h1>", 0],
  ["an overloaded proxy", 503, { "Retry-After": "9" }, "<h1>Overloaded</h1>", 9000],
];
for (const [reason, status, headers, body, expected] of refusals) {
  test(`socket whose ticket is refused by ${reason} ${expected === "ends" ? "ends" : "tries again"}`, async () => {
    const baseUrl = await startServer((_, response) => response.writeHead(status, headers).end(body));
    const { waitForState } = openSocket(gateway.client({ baseUrl }));
    const state = await waitForState((state) => state.status === "waiting" || state.status === "closed");
    assert.ok((state.status === "waiting" || state.status === "closed") && state.error instanceof FieldgateError);
    assert.equal(state.error.status, status);
    if (state.status === "waiting") assert.equal(Math.round(state.retryInMs - initialBoundMs * randomFactor), expected);
    else assert.equal(expected, "ends");
  });
}

test("socket reconnects after a frame that it cannot parse", async () => {
  for (const frame of ["<h1>", "null", "[]", '{"type":"event"}', '{"type":"going_away"}']) {
    const relay = await startRelay(gateway.url);
    const { waitForState, socket } = openSocket(gateway.client({ baseUrl: relay.url }));
    await socket.subscribe(rooms.tenant, () => {}).started;
    relay.send(frame);
    if (frame === "[]") continue; // the client ignores this frame, like a frame of an unknown type
    const state = await waitForState((state) => state.status === "waiting");
    assert.ok(state.status === "waiting" && state.error instanceof FieldgateNetworkError, frame);
  }
});

test("subscription drops duplicate events", async () => {
  const relay = await startRelay(gateway.url, (text) => (JSON.parse(text).type === "event" ? [text, text] : [text]));
  const { socket } = openSocket(gateway.client({ baseUrl: relay.url }));
  const device = await registeredDevice(gateway.client());
  const received = recordMessages();
  await socket.subscribe(rooms.device(device.id), received.handler).started;
  await openSession(gateway.client(), device.id);
  await gateway.client().delete("/api/v1/customer/devices/{deviceId}", { params: { path: { deviceId: device.id } } });
  await eventually(() => received.types().includes("device.decommissioned"));
  assert.deepEqual(received.types(), [...new Set(received.types())]);
});

test("subscription resumes after the last delivered event", async () => {
  const relay = await startRelay(gateway.url);
  const { socket, waitForState } = openSocket(gateway.client({ baseUrl: relay.url }));
  const device = await registeredDevice(gateway.client());
  const received = recordMessages();
  await socket.subscribe(rooms.device(device.id), received.handler).started;
  await openSession(gateway.client(), device.id);
  const { offset } = await received.waitForEvent("session.opened");
  relay.close(1006);
  await waitForState((state) => state.status === "waiting");
  await eventually(() => relay.received.filter((frame) => frame.type === "subscribe").length === 2);
  assert.deepEqual(relay.received.at(-1)?.data, { room: `device:${device.id}`, since: offset });
});

test("subscription does not deliver events of an earlier subscription to the same room", async () => {
  let earlierEvent: string | undefined;
  const relay = await startRelay(gateway.url, (text) => {
    if (JSON.parse(text).type === "event") earlierEvent = text;
    const isReply = earlierEvent !== undefined && JSON.parse(text).data?.resumed !== undefined;
    return isReply ? [earlierEvent as string, text] : [text];
  });
  const { socket } = openSocket(gateway.client({ baseUrl: relay.url }));
  const left = recordMessages();
  const first = socket.subscribe(rooms.tenant, left.handler);
  await first.started;
  const device = await registeredDevice(gateway.client());
  await left.waitForEvent("device.registered");
  first.unsubscribe();
  const received = recordMessages();
  await socket.subscribe(rooms.tenant, received.handler).started;
  await openSession(gateway.client(), device.id);
  await received.waitForEvent("session.opened");
  assert.deepEqual(received.types(), ["session.opened"]);
});

test("socket subscribes once to a room that onState subscribes to", async () => {
  const relay = await startRelay(gateway.url);
  const received = recordMessages();
  let subscribed = false;
  const { socket } = openSocket(gateway.client({ baseUrl: relay.url }), {
    onState: (state) => {
      if (state.status !== "connected" || subscribed) return;
      subscribed = true;
      socket.subscribe(rooms.tenant, received.handler);
    },
  });
  await eventually(() => subscribed);
  const device = await registeredDevice(gateway.client());
  await openSession(gateway.client(), device.id);
  await eventually(() => received.types().includes("session.opened"));
  assert.equal(relay.received.filter((frame) => frame.type === "subscribe").length, 1);
});
