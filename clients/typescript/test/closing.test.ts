// What a socket does after each kind of end, and how long it waits before it comes back.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mock, test } from "node:test";
import { closeCodes, FieldgateCloseError, FieldgateError, FieldgateNetworkError, rooms } from "@fieldgate/client";
import { serve } from "./answers.js";
import { openSession, registeredDevice, startGateway } from "./gateway.js";
import { startRelay } from "./relay.js";
import { eventually, inbox, open } from "./sockets.js";

const gateway = await startGateway();

/** All waits are this part of their bounds, which "full jitter" draws from. */
const part = 0.01;
mock.method(Math, "random", () => part);

const soon = 500;
const late = 4000;
/** The bound of the first wait after each close code; "ends" if there is no use in coming back. */
const outcomes: Record<number, number | "ends"> = {
  1000: soon, // nobody here has said goodbye
  1001: soon, // not of the contract, such as of a proxy
  1002: "ends",
  1003: "ends",
  1006: soon,
  1007: "ends",
  1008: late,
  1009: "ends",
  1011: late,
  1012: soon,
  1013: late,
  4001: soon,
  4003: "ends",
  4008: soon,
  4009: "ends",
  4010: soon,
  4999: soon, // from a later version
};

test("each close code of the contract is looked after here, and has a name", () => {
  const contract = readFileSync("../../asyncapi.yaml", "utf8").split("## Close codes")[1] as string;
  const codes = [...contract.matchAll(/^ +\| (\d{4}) \|/gm)].map((row) => Number(row[1]));
  assert.ok(codes.length >= 13);
  for (const code of codes) {
    assert.ok(outcomes[code] !== undefined, String(code));
    assert.ok(Object.values<number>(closeCodes).includes(code), String(code));
  }
});

for (const [text, bound] of Object.entries(outcomes)) {
  const code = Number(text);
  test(`after ${code} a socket ${bound === "ends" ? "ends" : `resumes within ${bound} ms`}`, async () => {
    const relay = await startRelay(gateway.url);
    const refused: (string | undefined)[] = [];
    const token = (old?: string) => {
      refused.push(old);
      return gateway.token();
    };
    const { socket, until } = open(gateway.client({ baseUrl: relay.url, token }));
    const device = await registeredDevice(gateway.client());
    const told = inbox();
    await socket.subscribe(rooms.device(device.id), told.handler).started;
    relay.close(code);
    const over = await until((state) => state.status === "waiting" || state.status === "closed");
    assert.ok(over.status === "waiting" || over.status === "closed");
    assert.ok(over.error instanceof FieldgateCloseError, String(over.error));
    assert.equal(over.error.code, code);
    assert.equal(over.status === "closed" ? "ends" : Math.round(over.retryInMs / part), bound);
    if (over.status === "closed") return;
    await openSession(gateway.client(), device.id);
    await told.event("session.opened");
    assert.equal(refused.filter((old) => old !== undefined).length, code === 4001 ? 1 : 0);
  });
}

test("the bound of the wait doubles up to a minute", async () => {
  const { states } = open(gateway.client({ baseUrl: "http://127.0.0.1:1" }));
  const bounds = () =>
    states.flatMap((state) => (state.status === "waiting" ? [Math.round(state.retryInMs / part)] : []));
  await eventually(() => bounds().length >= 9);
  assert.deepEqual(bounds().slice(0, 9), [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
});

test("a connection that stood for a minute ends the counting, and a shorter one does not", async (t) => {
  const relay = await startRelay(gateway.url);
  const { socket, states } = open(gateway.client({ baseUrl: relay.url }));
  const waits = () => states.filter((state) => state.status === "waiting");
  let ahead = 0;
  const now = Date.now;
  t.mock.method(Date, "now", () => now() + ahead);
  for (const [i, lasted] of [0, 0, 59_000, 61_000].entries()) {
    await eventually(() => socket.state.status === "connected");
    ahead += lasted;
    relay.close(1006);
    await eventually(() => waits().length > i);
  }
  const bounds = waits().map((state) => state.status === "waiting" && Math.round(state.retryInMs / part));
  assert.deepEqual(bounds, [500, 1000, 2000, 500]);
});

const problem = (status: number, code: string) => JSON.stringify({ type: "about:blank", title: "No", status, code });
const refusals: [string, number, Record<string, string>, string, "ends" | number][] = [
  ["a limit", 429, { "Retry-After": "7" }, problem(429, "rate_limited"), 7000],
  ["an instance that goes away", 503, { "Retry-After": "3" }, problem(503, "draining"), 3000],
  ["a role that was taken away", 403, {}, problem(403, "insufficient_role"), "ends"],
  ["a code of a later version", 409, {}, problem(409, "paused"), "ends"],
  ["a proxy that wants a login", 401, {}, "<h1>Please log in</h1>", 0],
  ["a proxy that is overloaded", 503, { "Retry-After": "9" }, "<h1>Overloaded</h1>", 9000],
];
for (const [what, status, headers, body, outcome] of refusals) {
  test(`a ticket that is refused by ${what}: ${outcome === "ends" ? "ends" : "is asked for again"}`, async () => {
    const baseUrl = await serve((_, response) => response.writeHead(status, headers).end(body));
    const { until } = open(gateway.client({ baseUrl }));
    const state = await until((state) => state.status === "waiting" || state.status === "closed");
    assert.ok((state.status === "waiting" || state.status === "closed") && state.error instanceof FieldgateError);
    assert.equal(state.error.status, status);
    if (state.status === "waiting") assert.equal(Math.round(state.retryInMs - soon * part), outcome);
    else assert.equal(outcome, "ends");
  });
}

test("what is no frame of the contract ends the connection and not the program", async () => {
  for (const frame of ["<h1>", "null", "[]", '{"type":"event"}', '{"type":"going_away"}']) {
    const relay = await startRelay(gateway.url);
    const { until, socket } = open(gateway.client({ baseUrl: relay.url }));
    await socket.subscribe(rooms.tenant, () => {}).started;
    relay.say(frame);
    if (frame === "[]") continue; // a frame of a type that is not known, as it were
    const state = await until((state) => state.status === "waiting");
    assert.ok(state.status === "waiting" && state.error instanceof FieldgateNetworkError, frame);
  }
});

test("an event that comes twice is told once", async () => {
  const relay = await startRelay(gateway.url, (text) => (JSON.parse(text).type === "event" ? [text, text] : [text]));
  const { socket } = open(gateway.client({ baseUrl: relay.url }));
  const device = await registeredDevice(gateway.client());
  const told = inbox();
  await socket.subscribe(rooms.device(device.id), told.handler).started;
  await openSession(gateway.client(), device.id);
  await gateway.client().delete("/api/v1/customer/devices/{deviceId}", { params: { path: { deviceId: device.id } } });
  await eventually(() => told.types().includes("device.decommissioned"));
  assert.deepEqual(told.types(), [...new Set(told.types())]);
});

test("a room is entered again behind the last event that was told", async () => {
  const relay = await startRelay(gateway.url);
  const { socket, until } = open(gateway.client({ baseUrl: relay.url }));
  const device = await registeredDevice(gateway.client());
  const told = inbox();
  await socket.subscribe(rooms.device(device.id), told.handler).started;
  await openSession(gateway.client(), device.id);
  const { offset } = await told.event("session.opened");
  relay.close(1006);
  await until((state) => state.status === "waiting");
  await eventually(() => relay.heard.filter((frame) => frame.type === "subscribe").length === 2);
  assert.deepEqual(relay.heard.at(-1)?.data, { room: `device:${device.id}`, since: offset });
});

test("what was under way to those who left a room is not told to those who enter it", async () => {
  let old: string | undefined;
  const relay = await startRelay(gateway.url, (text) => {
    if (JSON.parse(text).type === "event") old = text;
    const begins = old !== undefined && JSON.parse(text).data?.resumed !== undefined;
    return begins ? [old as string, text] : [text];
  });
  const { socket } = open(gateway.client({ baseUrl: relay.url }));
  const left = inbox();
  const first = socket.subscribe(rooms.tenant, left.handler);
  await first.started;
  const device = await registeredDevice(gateway.client());
  await left.event("device.registered");
  first.unsubscribe();
  const told = inbox();
  await socket.subscribe(rooms.tenant, told.handler).started;
  await openSession(gateway.client(), device.id);
  await told.event("session.opened");
  assert.deepEqual(told.types(), ["session.opened"]);
});

test("who enters a room on being told of a connection enters it once", async () => {
  const relay = await startRelay(gateway.url);
  const told = inbox();
  let entered = false;
  const { socket } = open(gateway.client({ baseUrl: relay.url }), {
    onState: (state) => {
      if (state.status !== "connected" || entered) return;
      entered = true;
      socket.subscribe(rooms.tenant, told.handler);
    },
  });
  await eventually(() => entered);
  const device = await registeredDevice(gateway.client());
  await openSession(gateway.client(), device.id);
  await eventually(() => told.types().includes("session.opened"));
  assert.equal(relay.heard.filter((frame) => frame.type === "subscribe").length, 1);
});
