// Pages whose network goes away and comes back, and whose timers sleep. What a page has and
// Node.js has not is put in its place here; the gateway and the connections are real.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { FieldgateNetworkError, rooms, type SocketState } from "@fieldgate/client";
import { serve } from "./answers.js";
import { startGateway } from "./gateway.js";
import { startProxy } from "./proxy.js";
import { startRelay } from "./relay.js";
import { eventually, open } from "./sockets.js";

const gateway = await startGateway();
const page = new EventTarget();
const shown = Object.assign(new EventTarget(), { visibilityState: "visible" });
const listening = new Set<unknown>();
Object.assign(globalThis, {
  document: shown,
  addEventListener: (type: string, listener: () => void) => {
    listening.add(listener);
    page.addEventListener(type, listener);
  },
  removeEventListener: (type: string, listener: () => void) => {
    listening.delete(listener);
    page.removeEventListener(type, listener);
  },
});

for (const [what, target] of [
  ["online", page],
  ["visibilitychange", shown],
] as const) {
  test(`a socket whose network is gone comes back on ${what}`, async () => {
    const proxy = await startProxy(gateway.url);
    const { socket, until } = open(gateway.client({ baseUrl: proxy.url }));
    await until((state) => state.status === "connected");
    const random = mock.method(Math, "random", () => 4e6); // the next wait would last for weeks
    proxy.cut();
    await until((state) => state.status === "waiting");
    random.mock.restore();
    target.dispatchEvent(new Event(what));
    await eventually(() => socket.state.status === "connected");
  });

  test(`a connection that died unseen is found out on ${what}`, async () => {
    const proxy = await startProxy(gateway.url);
    const { until } = open(gateway.client({ baseUrl: proxy.url, timeoutMs: 500 }), { timeoutMs: 500 });
    await until((state) => state.status === "connected");
    proxy.freeze();
    target.dispatchEvent(new Event(what));
    const state = await until((state) => state.status === "waiting");
    assert.ok(state.status === "waiting" && state.error instanceof FieldgateNetworkError && state.error.timedOut);
  });
}

test("a connection that lives is kept, however often somebody looks at the page", async () => {
  const relay = await startRelay(gateway.url);
  const { socket, states } = open(gateway.client({ baseUrl: relay.url }));
  await socket.subscribe(rooms.tenant, () => {}).started;
  for (let i = 0; i < 200; i++) shown.dispatchEvent(new Event("visibilitychange"));
  await socket.subscribe(rooms.device("dev_none"), () => {}).started.catch(() => {});
  assert.equal(relay.heard.filter((frame) => frame.type === "ping").length, 1);
  assert.equal(states.length, 2);
});

test("a page that is hidden does nothing", async () => {
  const relay = await startRelay(gateway.url);
  const { socket } = open(gateway.client({ baseUrl: relay.url }));
  await socket.subscribe(rooms.tenant, () => {}).started;
  shown.visibilityState = "hidden";
  shown.dispatchEvent(new Event("visibilitychange"));
  shown.visibilityState = "visible";
  await socket.subscribe(rooms.device("dev_none"), () => {}).started.catch(() => {});
  assert.ok(!relay.heard.some((frame) => frame.type === "ping"));
});

test("a wait for a gateway that has too much to do, or that it asked for, is not cut short", async () => {
  let asked = 0;
  const limited = await serve((_, response) => {
    asked++;
    response.writeHead(503, { "Retry-After": "3600" }).end();
  });
  const overloaded = await startRelay(gateway.url);
  const leaving = await startRelay(gateway.url);
  const urls = [limited, overloaded.url, leaving.url];
  const sockets = urls.map((baseUrl) => open(gateway.client({ baseUrl })));
  const all = (wanted: (state: SocketState) => boolean) => Promise.all(sockets.map((one) => one.until(wanted)));
  await all((state) => state.status === "connected" || state.status === "waiting");
  const random = mock.method(Math, "random", () => 4e5); // an overload is waited out for weeks
  overloaded.close(1011);
  leaving.say(JSON.stringify({ type: "going_away", data: { retryAfterMs: 3_600_000 } }));
  await sockets[2]?.until((state) => state.status === "connected" && state.goingAway);
  leaving.close(1006);
  await all((state) => state.status === "waiting");
  random.mock.restore();
  page.dispatchEvent(new Event("online"));
  await new Promise((resolve) => setTimeout(resolve, 700)); // longer than the wait after waking up
  assert.equal(asked, 1);
  for (const { socket } of sockets) assert.equal(socket.state.status, "waiting");
});

test("a socket that is over listens to nothing", async () => {
  const before = listening.size;
  const stop = new AbortController();
  const { socket } = open(gateway.client(), { signal: stop.signal });
  await socket.subscribe(rooms.tenant, () => {}).started;
  assert.equal(listening.size, before + 1);
  stop.abort();
  assert.equal(socket.state.status, "closed");
  assert.equal(listening.size, before);
});

test("a socket that is closed before it began asks for nothing", async () => {
  const stop = AbortSignal.abort();
  const { states } = open(gateway.client({ token: () => assert.fail("a token was asked for") }), { signal: stop });
  await eventually(() => states.length > 0);
  assert.deepEqual(states, [{ status: "closed" }]);
});
