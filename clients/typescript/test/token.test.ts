// Tests requests and sockets whose token provider fails or returns no new token.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FieldgateNetworkError, rooms, type TokenProvider } from "@fieldgate/client";
import { startGateway } from "./gateway.js";
import { startRelay } from "./relay.js";
import { errorOf } from "./server.js";
import { eventually, openSocket } from "./sockets.js";

const gateway = await startGateway();
const hanging = () => new Promise<string>(() => {});

/** Returns a provider that fails on its first call and returns a token on later calls. */
const failsOnce = (fails: TokenProvider): TokenProvider => {
  let calls = 0;
  return () => (calls++ === 0 ? fails() : gateway.token());
};

test("request times out when the token provider does not respond", async () => {
  const error = await errorOf(gateway.client({ token: hanging, timeoutMs: 50 }).get("/api/v1/customer/devices"));
  assert.ok(error instanceof FieldgateNetworkError && error.timedOut, String(error));
});

test("request stops waiting for a token when its signal is aborted", async () => {
  const stop = new AbortController();
  const call = gateway.client({ token: hanging }).get("/api/v1/customer/devices", { signal: stop.signal });
  stop.abort(new Error("enough"));
  assert.equal(((await errorOf(call)) as Error).message, "enough");
});

test("token renewal that timed out is not shared with later requests", async () => {
  const expired = await gateway.token({ lifetimeMs: -3_600_000 });
  let renewals = 0;
  const token = (refused?: string) => {
    if (refused === undefined) return expired;
    return renewals++ === 0 ? hanging() : gateway.token();
  };
  const client = gateway.client({ token, timeoutMs: 1000 });
  assert.ok((await errorOf(client.get("/api/v1/customer/devices"))) instanceof FieldgateNetworkError);
  await client.get("/api/v1/customer/devices");
});

test("request rethrows the error of the token provider", async () => {
  const token = () => Promise.reject(new Error("signed out"));
  const error = await errorOf(gateway.client({ token, retry: true }).get("/api/v1/customer/devices"));
  assert.equal((error as Error).message, "signed out");
});

const failures: [string, TokenProvider][] = [
  ["does not respond", hanging],
  ["rejects", () => Promise.reject(new Error("not yet"))],
  ["rejects with nothing", () => Promise.reject()],
  [
    "throws",
    () => {
      throw new Error("not yet");
    },
  ],
];
for (const [failure, fails] of failures) {
  test(`socket whose token provider ${failure} calls it again`, async () => {
    const { waitForState } = openSocket(gateway.client({ token: failsOnce(fails), timeoutMs: 200 }), {
      timeoutMs: 5000,
    });
    await waitForState((state) => state.status === "waiting");
    await waitForState((state) => state.status === "connected");
  });
}

test("socket without a token ends when the gateway refuses it", async () => {
  const { waitForState } = openSocket(gateway.client({ token: undefined }));
  await waitForState((state) => state.status === "closed");
});

test("socket replaces a token that expired during a network failure", async () => {
  const expired = await gateway.token({ lifetimeMs: -3_600_000 });
  const relay = await startRelay(gateway.url);
  let current = await gateway.token();
  const refused: (string | undefined)[] = [];
  const token = async (old?: string) => {
    refused.push(old);
    if (old === current) current = await gateway.token({ user: "bob" });
    return current;
  };
  const { socket } = openSocket(gateway.client({ baseUrl: relay.url, token }));
  await socket.subscribe(rooms.tenant, () => {}).started;
  current = expired;
  relay.close(1006);
  await eventually(() => socket.state.status !== "connected");
  await eventually(() => socket.state.status === "connected");
  assert.deepEqual(
    refused.filter((old) => old !== undefined),
    [expired],
  );
});

test("socket calls the token provider until it returns another token", async (t) => {
  const relay = await startRelay(gateway.url);
  const originalSetTimeout = setTimeout;
  const waits: (number | undefined)[] = [];
  t.mock.method(globalThis, "setTimeout", (call: () => void, ms?: number) => {
    waits.push(ms);
    return originalSetTimeout(call, ms === 10_000 ? 10 : ms);
  });
  const initial = await gateway.token();
  let calls = 0;
  const token = (old?: string) => {
    if (old === undefined || ++calls === 1) return initial;
    return calls === 2 ? Promise.reject(new Error("not yet")) : gateway.token({ lifetimeMs: 7_200_000 });
  };
  const { socket, states } = openSocket(gateway.client({ baseUrl: relay.url, token }));
  await socket.subscribe(rooms.tenant, () => {}).started;
  relay.send(JSON.stringify({ type: "token_expiring", data: { expiresAt: new Date().toISOString() } }));
  await eventually(() => relay.received.some((frame) => frame.type === "refresh"));
  assert.deepEqual([calls, waits.filter((ms) => ms === 10_000).length, states.length], [3, 2, 2]);
});

test("socket ignores a refused renewal with the token of another user", async () => {
  const relay = await startRelay(gateway.url);
  const initial = await gateway.token();
  let calls = 0;
  const token = (old?: string) => {
    if (old === undefined) return initial;
    calls++;
    return gateway.token({ user: "mallory" });
  };
  const { socket } = openSocket(gateway.client({ baseUrl: relay.url, token }));
  await socket.subscribe(rooms.tenant, () => {}).started;
  relay.send(JSON.stringify({ type: "token_expiring", data: { expiresAt: new Date().toISOString() } }));
  await eventually(() => relay.received.some((frame) => frame.type === "refresh"));
  await socket.subscribe(rooms.device("dev_none"), () => {}).started.catch(() => {}); // the gateway responds to this request after the refresh
  assert.deepEqual([calls, socket.state.status], [1, "connected"]);
});
