import assert from "node:assert/strict";
import { test } from "node:test";
import { FieldgateCloseError, FieldgateError, rooms } from "@fieldgate/client";
import { openSession, propose, registeredDevice, startGateway } from "./gateway.js";
import { startProxy } from "./proxy.js";
import { eventually, inbox, open } from "./sockets.js";

const gateway = await startGateway();

test("what happens in a room is told while it happens, with its types", async () => {
  const client = gateway.client();
  const device = await registeredDevice(client);
  const { socket } = open(client);
  const told = inbox();
  await socket.subscribe(rooms.device(device.id), told.handler).started;
  const session = await openSession(client, device.id);
  const event = await told.event("session.opened");
  const sessionId: string = event.data.sessionId; // which a session's event always has
  assert.equal(sessionId, session.id);
  assert.equal(event.room, `device:${device.id}`);
  assert.equal(event.actor?.id, "alice");
});

test("the token can open the socket as a subprotocol too", async () => {
  const { socket } = open(gateway.client(), { auth: "subprotocol" });
  await socket.subscribe(rooms.tenant, () => {}).started;
  assert.equal(socket.state.status, "connected");
});

test("a broken connection leaves no hole and tells nothing twice", async () => {
  const client = gateway.client();
  const device = await registeredDevice(client);
  const session = await openSession(client, device.id);
  const proxy = await startProxy(gateway.url);
  const { socket } = open(gateway.client({ baseUrl: proxy.url }));
  const told = inbox();
  await socket.subscribe(rooms.session(session.id), told.handler).started;
  const proposed: string[] = [];
  for (let i = 0; i < 60; i++) {
    proposed.push(await propose(client, session.id));
    if (i % 20 === 10) proxy.cut();
  }
  await told.count(proposed.length);
  const heard = told.messages.map((message) => message.kind === "event" && message.event.data.commandId);
  assert.deepEqual(heard, proposed);
  assert.ok(proxy.count() > 3, "the connection was never cut");
});

test("a connection that nothing comes over any more is replaced", async () => {
  const client = gateway.client();
  const device = await registeredDevice(client);
  const proxy = await startProxy(gateway.url);
  const { socket, until } = open(gateway.client({ baseUrl: proxy.url, timeoutMs: 300 }), { pingIntervalMs: 100 });
  const told = inbox();
  await socket.subscribe(rooms.device(device.id), told.handler).started;
  proxy.freeze();
  const session = await openSession(client, device.id);
  await until((state) => state.status === "waiting");
  assert.equal((await told.event("session.opened")).data.sessionId, session.id);
});

test("a quiet connection that stands is kept", async () => {
  const { socket, states, until } = open(gateway.client(), { pingIntervalMs: 20 });
  await until((state) => state.status === "connected");
  await new Promise((resolve) => setTimeout(resolve, 300)); // 15 pings
  assert.equal(socket.state.status, "connected");
  assert.equal(states.length, 2);
});

test("a new process goes on behind the offset that the last one kept", async () => {
  const client = gateway.client();
  const device = await registeredDevice(client);
  const { socket } = open(client);
  const { offset } = await socket.subscribe(rooms.device(device.id), () => {}).started;
  socket.close();
  const session = await openSession(client, device.id);
  const told = inbox();
  const later = open(client).socket.subscribe(rooms.device(device.id), told.handler, { since: offset });
  assert.equal((await later.started).resumed, true);
  assert.equal((await told.event("session.opened")).data.sessionId, session.id);
});

test("events that cannot be had any more are told as a gap", async () => {
  const client = gateway.client();
  const { socket } = open(client);
  const told = inbox();
  const { started } = socket.subscribe(rooms.tenant, told.handler, { since: "99999999999999-0" });
  assert.equal((await started).resumed, false);
  await told.count(1);
  const gap = told.messages[0];
  assert.ok(gap?.kind === "gap");
  assert.equal(gap.reason, "unknown");
  const device = await registeredDevice(client);
  assert.equal((await told.event("device.registered")).data.deviceId, device.id);
});

test("a room that does not exist is refused with its code, and the socket stays", async () => {
  const { socket } = open(gateway.client());
  const told = inbox();
  const { started } = socket.subscribe(rooms.device("dev_none"), told.handler);
  await assert.rejects(started, (error) => error instanceof FieldgateError && error.code === "device_not_found");
  assert.deepEqual(
    told.messages.map((message) => message.kind),
    ["ended"],
  );
  await socket.subscribe(rooms.tenant, () => {}).started;
});

test("a room can be left and entered again at once", async () => {
  const client = gateway.client();
  const device = await registeredDevice(client);
  const { socket } = open(client);
  const left = inbox();
  const first = socket.subscribe(rooms.device(device.id), left.handler);
  assert.throws(() => socket.subscribe(rooms.device(device.id), () => {}), TypeError);
  first.unsubscribe();
  const told = inbox();
  await socket.subscribe(rooms.device(device.id), told.handler).started;
  await openSession(client, device.id);
  await told.event("session.opened");
  assert.equal(left.messages.length, 0);
});

test("more rooms than may be asked for at once are all entered again", async () => {
  const client = gateway.client();
  const proxy = await startProxy(gateway.url);
  const { socket } = open(gateway.client({ baseUrl: proxy.url }));
  const devices = await Promise.all(Array.from({ length: 60 }, () => registeredDevice(client)));
  const inboxes = devices.map(() => inbox());
  const enter = (device: { id: string }, i: number) =>
    socket.subscribe(rooms.device(device.id), (inboxes[i] as ReturnType<typeof inbox>).handler).started;
  await Promise.all(devices.map(enter));
  proxy.cut();
  await Promise.all(devices.map((device) => openSession(client, device.id)));
  await Promise.all(inboxes.map((told) => told.event("session.opened")));
});

test("an expiring token is renewed in place", async () => {
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
  const { socket, states } = open(expiring);
  const told = inbox();
  await socket.subscribe(rooms.device(device.id), told.handler).started;
  await eventually(() => refused.includes(tokens[0]));
  await openSession(client, device.id);
  await told.event("session.opened");
  assert.deepEqual(
    states.map((state) => state.status),
    ["connecting", "connected"],
  );
});

test("a socket whose token was refused comes with another one", async () => {
  const expired = await gateway.token({ lifetimeMs: -3_600_000 });
  const { until } = open(gateway.client({ token: (old) => (old === undefined ? expired : gateway.token()) }));
  await until((state) => state.status === "connected");
});

test("a socket that the gateway refuses is over, and tells why", async () => {
  const { until } = open(gateway.client({ token: () => "nonsense" }));
  const state = await until((state) => state.status === "closed");
  assert.ok(state.status === "closed" && state.error instanceof FieldgateError);
  assert.equal(state.error.code, "unauthorized");
});

test("a socket whose rights were withdrawn does not come back", async () => {
  const client = gateway.client({ token: () => gateway.token({ customer: "kicked" }) });
  const { socket, until } = open(client);
  const connected = await until((state) => state.status === "connected");
  const connectionId = connected.status === "connected" ? connected.connectionId : "";
  await client.delete("/api/v1/customer/connections/{connectionId}", { params: { path: { connectionId } } });
  const state = await until((state) => state.status === "closed");
  assert.ok(state.status === "closed" && state.error instanceof FieldgateCloseError && state.error.code === 4003);
  await assert.rejects(socket.subscribe(rooms.tenant, () => {}).started, FieldgateCloseError);
});

test("a socket that was closed stays closed, whatever it was about to do", async () => {
  const proxy = await startProxy(gateway.url);
  const { socket, states, until } = open(gateway.client({ baseUrl: proxy.url }));
  await until((state) => state.status === "connected");
  const connections = proxy.count();
  proxy.cut();
  await until((state) => state.status === "waiting");
  socket.close();
  assert.deepEqual(states.at(-1), { status: "closed" });
  await new Promise((resolve) => setTimeout(resolve, 700)); // longer than the first random wait
  assert.equal(proxy.count(), connections);
});

test("an instance that goes away says so first, and the socket waits as long as it asks", async () => {
  const leaving = await startGateway({ FIELDGATE_DRAIN_WINDOW: "1s" });
  const { until } = open(leaving.client());
  await until((state) => state.status === "connected");
  leaving.stop("SIGTERM");
  await until((state) => state.status === "connected" && state.goingAway);
  const state = await until((state) => state.status === "waiting");
  assert.ok(state.status === "waiting" && state.error instanceof FieldgateCloseError && state.error.code === 1012);
});
