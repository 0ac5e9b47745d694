// Tests a page that loses its network or is suspended. This file simulates the events of a
// page, which Node.js lacks. The gateway and the connections are real.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { FieldgateNetworkError, rooms, type SocketState } from "@fieldgate/client";
import { startGateway } from "./gateway.js";
import { startProxy } from "./proxy.js";
import { startRelay } from "./relay.js";
import { startServer } from "./server.js";
import { eventually, openSocket } from "./sockets.js";

const gateway = await startGateway();
const page = new EventTarget();
const fakeDocument = Object.assign(new EventTarget(), { visibilityState: "visible" });
const listeners = new Set<unknown>();
Object.assign(globalThis, {
  document: fakeDocument,
  addEventListener: (type: string, listener: () => void) => {
    listeners.add(listener);
    page.addEventListener(type, listener);
  },
  removeEventListener: (type: string, listener: () => void) => {
    listeners.delete(listener);
    page.removeEventListener(type, listener);
  },
});

for (const [eventType, target] of [
  ["online", page],
  ["visibilitychange", fakeDocument],
] as const) {
  test(`socket without a network reconnects on ${eventType}`, async () => {
    const proxy = await startProxy(gateway.url);
    const { socket, waitForState } = openSocket(gateway.client({ baseUrl: proxy.url }));
    await waitForState((state) => state.status === "connected");
    const random = mock.method(Math, "random", () => 4e6); // so large that the next delay would last for weeks
    proxy.cut();
    await waitForState((state) => state.status === "waiting");
    random.mock.restore();
    target.dispatchEvent(new Event(eventType));
    await eventually(() => socket.state.status === "connected");
  });

  test(`socket detects a silent connection on ${eventType}`, async () => {
    const proxy = await startProxy(gateway.url);
    const { waitForState } = openSocket(gateway.client({ baseUrl: proxy.url, timeoutMs: 500 }), { timeoutMs: 500 });
    await waitForState((state) => state.status === "connected");
    proxy.freeze();
    target.dispatchEvent(new Event(eventType));
    const state = await waitForState((state) => state.status === "waiting");
    assert.ok(state.status === "waiting" && state.error instanceof FieldgateNetworkError && state.error.timedOut);
  });
}

test("socket keeps a working connection when the page becomes visible many times", async () => {
  const relay = await startRelay(gateway.url);
  const { socket, states } = openSocket(gateway.client({ baseUrl: relay.url }));
  await socket.subscribe(rooms.tenant, () => {}).started;
  for (let i = 0; i < 200; i++) fakeDocument.dispatchEvent(new Event("visibilitychange"));
  await socket.subscribe(rooms.device("dev_none"), () => {}).started.catch(() => {});
  assert.equal(relay.received.filter((frame) => frame.type === "ping").length, 1);
  assert.equal(states.length, 2);
});

test("socket sends no ping when the page becomes hidden", async () => {
  const relay = await startRelay(gateway.url);
  const { socket } = openSocket(gateway.client({ baseUrl: relay.url }));
  await socket.subscribe(rooms.tenant, () => {}).started;
  fakeDocument.visibilityState = "hidden";
  fakeDocument.dispatchEvent(new Event("visibilitychange"));
  fakeDocument.visibilityState = "visible";
  await socket.subscribe(rooms.device("dev_none"), () => {}).started.catch(() => {});
  assert.ok(!relay.received.some((frame) => frame.type === "ping"));
});

test("socket does not shorten a delay after an overload or one that the gateway asked for", async () => {
  let requests = 0;
  const limited = await startServer((_, response) => {
    requests++;
    response.writeHead(503, { "Retry-After": "3600" }).end();
  });
  const overloaded = await startRelay(gateway.url);
  const goingAway = await startRelay(gateway.url);
  const urls = [limited, overloaded.url, goingAway.url];
  const sockets = urls.map((baseUrl) => openSocket(gateway.client({ baseUrl })));
  const waitForAll = (wanted: (state: SocketState) => boolean) =>
    Promise.all(sockets.map((opened) => opened.waitForState(wanted)));
  await waitForAll((state) => state.status === "connected" || state.status === "waiting");
  const random = mock.method(Math, "random", () => 4e5); // so large that the delay after an overload would last for weeks
  overloaded.close(1011);
  goingAway.send(JSON.stringify({ type: "going_away", data: { retryAfterMs: 3_600_000 } }));
  await sockets[2]?.waitForState((state) => state.status === "connected" && state.goingAway);
  goingAway.close(1006);
  await waitForAll((state) => state.status === "waiting");
  random.mock.restore();
  page.dispatchEvent(new Event("online"));
  await new Promise((resolve) => setTimeout(resolve, 700)); // longer than the delay after a wake-up
  assert.equal(requests, 1);
  for (const { socket } of sockets) assert.equal(socket.state.status, "waiting");
});

test("socket removes its listeners when it is closed", async () => {
  const before = listeners.size;
  const stop = new AbortController();
  const { socket } = openSocket(gateway.client(), { signal: stop.signal });
  await socket.subscribe(rooms.tenant, () => {}).started;
  assert.equal(listeners.size, before + 1);
  stop.abort();
  assert.equal(socket.state.status, "closed");
  assert.equal(listeners.size, before);
});

test("socket whose signal is aborted already requests no token", async () => {
  const stop = AbortSignal.abort();
  const { states } = openSocket(gateway.client({ token: () => assert.fail("a token was requested") }), {
    signal: stop,
  });
  await eventually(() => states.length > 0);
  assert.deepEqual(states, [{ status: "closed" }]);
});
