// What becomes of requests and sockets when the program has no token to give.
import assert from "node:assert/strict";
import { test } from "node:test";
import { FieldgateNetworkError, rooms, type TokenProvider } from "@fieldgate/client";
import { thrown } from "./answers.js";
import { startGateway } from "./gateway.js";
import { startRelay } from "./relay.js";
import { eventually, open } from "./sockets.js";

const gateway = await startGateway();
const hanging = () => new Promise<string>(() => {});

/** Fails in this way at first, and gives tokens from then on. */
const first = (fails: TokenProvider): TokenProvider => {
  let asked = 0;
  return () => (asked++ === 0 ? fails() : gateway.token());
};

test("a token that never comes ends the request in time", async () => {
  const error = await thrown(gateway.client({ token: hanging, timeoutMs: 50 }).get("/api/v1/customer/devices"));
  assert.ok(error instanceof FieldgateNetworkError && error.timedOut, String(error));
});

test("who does not want to wait for a token any longer does not have to", async () => {
  const stop = new AbortController();
  const call = gateway.client({ token: hanging }).get("/api/v1/customer/devices", { signal: stop.signal });
  stop.abort(new Error("enough"));
  assert.equal(((await thrown(call)) as Error).message, "enough");
});

test("a renewal that never comes is not shared with those who ask later", async () => {
  const expired = await gateway.token({ lifetimeMs: -3_600_000 });
  let renewals = 0;
  const token = (refused?: string) => {
    if (refused === undefined) return expired;
    return renewals++ === 0 ? hanging() : gateway.token();
  };
  const client = gateway.client({ token, timeoutMs: 1000 });
  assert.ok((await thrown(client.get("/api/v1/customer/devices"))) instanceof FieldgateNetworkError);
  await client.get("/api/v1/customer/devices");
});

test("what a token provider throws comes out as it went in", async () => {
  const token = () => Promise.reject(new Error("signed out"));
  const error = await thrown(gateway.client({ token, retry: true }).get("/api/v1/customer/devices"));
  assert.equal((error as Error).message, "signed out");
});

const failures: [string, TokenProvider][] = [
  ["never answers", hanging],
  ["rejects", () => Promise.reject(new Error("not yet"))],
  ["rejects with nothing", () => Promise.reject()],
  [
    "throws",
    () => {
      throw new Error("not yet");
    },
  ],
];
for (const [how, fails] of failures) {
  test(`a socket whose token provider ${how} asks again`, async () => {
    const { until } = open(gateway.client({ token: first(fails), timeoutMs: 200 }), { timeoutMs: 5000 });
    await until((state) => state.status === "waiting");
    await until((state) => state.status === "connected");
  });
}

test("a socket without a token ends, for the gateway says so", async () => {
  const { until } = open(gateway.client({ token: undefined }));
  await until((state) => state.status === "closed");
});

test("a token that expires while the network is away is replaced when it is back", async () => {
  const expired = await gateway.token({ lifetimeMs: -3_600_000 });
  const relay = await startRelay(gateway.url);
  let held = await gateway.token();
  const refused: (string | undefined)[] = [];
  const token = async (old?: string) => {
    refused.push(old);
    if (old === held) held = await gateway.token({ user: "bob" });
    return held;
  };
  const { socket } = open(gateway.client({ baseUrl: relay.url, token }));
  await socket.subscribe(rooms.tenant, () => {}).started;
  held = expired;
  relay.close(1006);
  await eventually(() => socket.state.status !== "connected");
  await eventually(() => socket.state.status === "connected");
  assert.deepEqual(
    refused.filter((old) => old !== undefined),
    [expired],
  );
});

test("a provider that has no newer token is asked again, until it has one", async (t) => {
  const relay = await startRelay(gateway.url);
  const soon = setTimeout;
  const waits: (number | undefined)[] = [];
  t.mock.method(globalThis, "setTimeout", (call: () => void, ms?: number) => {
    waits.push(ms);
    return soon(call, ms === 10_000 ? 10 : ms);
  });
  const mine = await gateway.token();
  let asked = 0;
  const token = (old?: string) => {
    if (old === undefined || ++asked === 1) return mine;
    return asked === 2 ? Promise.reject(new Error("not yet")) : gateway.token({ lifetimeMs: 7_200_000 });
  };
  const { socket, states } = open(gateway.client({ baseUrl: relay.url, token }));
  await socket.subscribe(rooms.tenant, () => {}).started;
  relay.say(JSON.stringify({ type: "token_expiring", data: { expiresAt: new Date().toISOString() } }));
  await eventually(() => relay.heard.some((frame) => frame.type === "refresh"));
  assert.deepEqual([asked, waits.filter((ms) => ms === 10_000).length, states.length], [3, 2, 2]);
});

test("a token of somebody else does not renew a socket, and does not end it", async () => {
  const relay = await startRelay(gateway.url);
  const mine = await gateway.token();
  let asked = 0;
  const token = (old?: string) => {
    if (old === undefined) return mine;
    asked++;
    return gateway.token({ user: "mallory" });
  };
  const { socket } = open(gateway.client({ baseUrl: relay.url, token }));
  await socket.subscribe(rooms.tenant, () => {}).started;
  relay.say(JSON.stringify({ type: "token_expiring", data: { expiresAt: new Date().toISOString() } }));
  await eventually(() => relay.heard.some((frame) => frame.type === "refresh"));
  await socket.subscribe(rooms.device("dev_none"), () => {}).started.catch(() => {}); // an answer behind that of the refresh
  assert.deepEqual([asked, socket.state.status], [1, "connected"]);
});
