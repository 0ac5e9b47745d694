import assert from "node:assert/strict";
import { test } from "node:test";
import { FieldgateCloseError, FieldgateError, rooms } from "@fieldgate/client";
import { openSession, propose, registeredDevice, startGateway } from "./gateway.js";
import { startProxy } from "./proxy.js";
import { eventually, openSocket, recordMessages } from "./sockets.js";

const gateway = await startGateway();

test("socket delivers events as they happen, with their types", async () => {
  const client = gateway.client();
  const device = await registeredDevice(client);
  const { socket } = openSocket(client);
  const received = recordMessages();
  await socket.subscribe(rooms.device(device.id), received.handler).started;
  const session = await openSession(client, device.id);
  const event = await received.waitForEvent("session.opened");
  const sessionId: string = event.data.sessionId; // every session event has it
  assert.equal(sessionId, session.id);
  assert.equal(event.room, `device:${device.id}`);
  assert.equal(event.actor?.id, "alice");
  assert.deepEqual(event.actorDetails, { kind: "user", id: "alice", email: "alice@example.com" });
});

test("socket authenticates with a subprotocol", async () => {
  const { socket } = openSocket(gateway.client(), { auth: "subprotocol" });
  await socket.subscribe(rooms.tenant, () => {}).started;
  assert.equal(socket.state.status, "connected");
});

test("socket delivers each event once although connections break", async () => {
  const client = gateway.client();
  const device = await registeredDevice(client);
  const session = await openSession(client, device.id);
  const proxy = await startProxy(gateway.url);
  const { socket } = openSocket(gateway.client({ baseUrl: proxy.url }));
  const received = recordMessages();
  await socket.subscribe(rooms.session(session.id), received.handler).started;
  const proposed: string[] = [];
  for (let i = 0; i < 60; i++) {
    proposed.push(await propose(client, session.id));
    if (i % 20 === 10) proxy.cut();
  }
  await received.waitForCount(proposed.length);
  const commandIds = received.messages.map((message) => message.kind === "event" && message.event.data.commandId);
  assert.deepEqual(commandIds, proposed);
  assert.ok(proxy.connectionCount() > 3, "no connection was cut");
});

test("socket replaces a connection that is silent", async () => {
  const client = gateway.client();
  const device = await registeredDevice(client);
  const proxy = await startProxy(gateway.url);
  const { socket, waitForState } = openSocket(gateway.client({ baseUrl: proxy.url, timeoutMs: 300 }), {
    pingIntervalMs: 100,
  });
  const received = recordMessages();
  await socket.subscribe(rooms.device(device.id), received.handler).started;
  proxy.freeze();
  const session = await openSession(client, device.id);
  await waitForState((state) => state.status === "waiting");
  assert.equal((await received.waitForEvent("session.opened")).data.sessionId, session.id);
});

test("socket keeps an idle connection that replies to pings", async () => {
  const { socket, states, waitForState } = openSocket(gateway.client(), { pingIntervalMs: 20 });
  await waitForState((state) => state.status === "connected");
  await new Promise((resolve) => setTimeout(resolve, 300)); // time for 15 pings
  assert.equal(socket.state.status, "connected");
  assert.equal(states.length, 2);
});

test("subscription resumes after the offset of an earlier socket", async () => {
  const client = gateway.client();
  const device = await registeredDevice(client);
  const { socket } = openSocket(client);
  const { offset } = await socket.subscribe(rooms.device(device.id), () => {}).started;
  socket.close();
  const session = await openSession(client, device.id);
  const received = recordMessages();
  const later = openSocket(client).socket.subscribe(rooms.device(device.id), received.handler, { since: offset });
  assert.equal((await later.started).resumed, true);
  assert.equal((await received.waitForEvent("session.opened")).data.sessionId, session.id);
});

test("subscription reports missing events as a gap", async () => {
  const client = gateway.client();
  const { socket } = openSocket(client);
  const received = recordMessages();
  const { started } = socket.subscribe(rooms.tenant, received.handler, { since: "99999999999999-0" });
  assert.equal((await started).resumed, false);
  await received.waitForCount(1);
  const gap = received.messages[0];
  assert.ok(gap?.kind === "gap");
  assert.equal(gap.reason, "unknown");
  const device = await registeredDevice(client);
  assert.equal((await received.waitForEvent("device.registered")).data.deviceId, device.id);
});

test("subscription to a room that does not exist is refused, and the socket stays open", async () => {
  const { socket } = openSocket(gateway.client());
  const received = recordMessages();
  const { started } = socket.subscribe(rooms.device("dev_none"), received.handler);
  await assert.rejects(started, (error) => error instanceof FieldgateError && error.code === "device_not_found");
  assert.deepEqual(
    received.messages.map((message) => message.kind),
    ["ended"],
  );
  await socket.subscribe(rooms.tenant, () => {}).started;
});

test("subscription can be replaced at once after unsubscribe", async () => {
  const client = gateway.client();
  const device = await registeredDevice(client);
  const { socket } = openSocket(client);
  const left = recordMessages();
  const first = socket.subscribe(rooms.device(device.id), left.handler);
  assert.throws(() => socket.subscribe(rooms.device(device.id), () => {}), TypeError);
  first.unsubscribe();
  const received = recordMessages();
  await socket.subscribe(rooms.device(device.id), received.handler).started;
  await openSession(client, device.id);
  await received.waitForEvent("session.opened");
  assert.equal(left.messages.length, 0);
});

test("socket resubscribes to more rooms than the limit of concurrent requests", async () => {
  const client = gateway.client();
  const proxy = await startProxy(gateway.url);
  const { socket } = openSocket(gateway.client({ baseUrl: proxy.url }));
  const devices = await Promise.all(Array.from({ length: 60 }, () => registeredDevice(client)));
  const recorders = devices.map(() => recordMessages());
  const subscribe = (device: { id: string }, i: number) =>
    socket.subscribe(rooms.device(device.id), (recorders[i] as ReturnType<typeof recordMessages>).handler).started;
  await Promise.all(devices.map(subscribe));
  proxy.cut();
  await Promise.all(devices.map((device) => openSession(client, device.id)));
  await Promise.all(recorders.map((received) => received.waitForEvent("session.opened")));
});

test("socket renews an expiring token without reconnecting", async () => {
  const client = gateway.client();
  const device = await registeredDevice(client);
  const tokens = [await gateway.token({ lifetimeMs: 61_000 }), await gateway.token()];
  const refused: (string | undefined)[] = [];
  const expiring = gateway.client({
    token: (old) => {
      refused.push(old);
      return tokens[old === undefined ? 0 : 1] as string;
    },
  });
  const { socket, states } = openSocket(expiring);
  const received = recordMessages();
  await socket.subscribe(rooms.device(device.id), received.handler).started;
  await eventually(() => refused.includes(tokens[0]));
  await openSession(client, device.id);
  await received.waitForEvent("session.opened");
  assert.deepEqual(
    states.map((state) => state.status),
    ["connecting", "connected"],
  );
});

test("socket whose token is refused connects with another token", async () => {
  const expired = await gateway.token({ lifetimeMs: -3_600_000 });
  const { waitForState } = openSocket(
    gateway.client({ token: (old) => (old === undefined ? expired : gateway.token()) }),
  );
  await waitForState((state) => state.status === "connected");
});

test("socket that the gateway refuses ends with the error", async () => {
  const { waitForState } = openSocket(gateway.client({ token: () => "nonsense" }));
  const state = await waitForState((state) => state.status === "closed");
  assert.ok(state.status === "closed" && state.error instanceof FieldgateError);
  assert.equal(state.error.code, "unauthorized");
});

test("socket that was closed with 4003 does not reconnect", async () => {
  const client = gateway.client({ token: () => gateway.token({ customer: "closed-by-admin" }) });
  const { socket, waitForState } = openSocket(client);
  const connected = await waitForState((state) => state.status === "connected");
  const connectionId = connected.status === "connected" ? connected.connectionId : "";
  await client.delete("/api/v1/customer/connections/{connectionId}", { params: { path: { connectionId } } });
  const state = await waitForState((state) => state.status === "closed");
  assert.ok(state.status === "closed" && state.error instanceof FieldgateCloseError && state.error.code === 4003);
  await assert.rejects(socket.subscribe(rooms.tenant, () => {}).started, FieldgateCloseError);
});

test("socket that was closed during a wait does not reconnect", async () => {
  const proxy = await startProxy(gateway.url);
  const { socket, states, waitForState } = openSocket(gateway.client({ baseUrl: proxy.url }));
  await waitForState((state) => state.status === "connected");
  const connections = proxy.connectionCount();
  proxy.cut();
  await waitForState((state) => state.status === "waiting");
  socket.close();
  assert.deepEqual(states.at(-1), { status: "closed" });
  await new Promise((resolve) => setTimeout(resolve, 700)); // longer than the first random delay
  assert.equal(proxy.connectionCount(), connections);
});

test("socket reports that the instance is going away, and waits after the close", async () => {
  const leaving = await startGateway({ FIELDGATE_DRAIN_WINDOW: "1s" });
  const { waitForState } = openSocket(leaving.client());
  await waitForState((state) => state.status === "connected");
  leaving.stop("SIGTERM");
  await waitForState((state) => state.status === "connected" && state.goingAway);
  const state = await waitForState((state) => state.status === "waiting");
  assert.ok(state.status === "waiting" && state.error instanceof FieldgateCloseError && state.error.code === 1012);
});
