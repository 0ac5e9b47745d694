// Tests that a program ends by itself after it has closed its sockets and left its loops. No
// timer and no connection may keep it alive.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import { startGateway } from "./gateway.js";
import { startProxy } from "./proxy.js";

const gateway = await startGateway();
const proxy = await startProxy(gateway.url);
const token = await gateway.token();

const prelude = `
import { connect, createClient, list, rooms } from "@fieldgate/client";
import { WebSocket } from "ws";
const token = () => process.env.GATEWAY_TOKEN;
const hanging = () => new Promise(() => {});
const client = createClient({ baseUrl: process.env.GATEWAY_URL, token });
const until = (status, options) => new Promise((resolve) => {
  const socket = connect(options?.client ?? client, { WebSocket, onState: (state) => state.status === status && resolve(socket) });
});
`;

const programs: [string, string][] = [
  ["a connected socket", `(await until("connected")).close();`],
  [
    "a subscribed socket",
    `const s = await until("connected"); await s.subscribe(rooms.tenant, () => {}).started; s.close();`,
  ],
  ["a socket that is connecting", `connect(client, { WebSocket }).close();`],
  ["a socket during its handshake", `const s = await until("connecting"); setTimeout(() => s.close(), 5);`],
  [
    "a socket that waits to reconnect",
    `Math.random = () => 4e6;
     (await until("waiting", { client: createClient({ baseUrl: "http://127.0.0.1:1", token }) })).close();`,
  ],
  [
    "a socket that waits for a token",
    `(await until("connecting", { client: createClient({ baseUrl: process.env.GATEWAY_URL, token: hanging }) })).close();`,
  ],
  [
    "a list that was left early",
    `for (let i = 0; i < 3; i++) await client.post("/api/v1/customer/devices", { body: { name: "Pump" } });
     for await (const _ of list(client, "/api/v1/customer/devices", { params: { query: { limit: 1 } } })) break;`,
  ],
  [
    "a request that waits for its retry",
    `const patient = createClient({ baseUrl: "http://127.0.0.1:1", token, retry: { baseMs: 1e8, capMs: 1e8 } });
     const stop = new AbortController();
     const call = patient.get("/version", { signal: stop.signal }).catch(() => {});
     setTimeout(() => stop.abort(), 100);
     await call;`,
  ],
];

for (const [i, [subject, program]] of programs.entries()) {
  test(`process ends after ${subject}`, async () => {
    await requireExit(i, program, gateway.url);
  });
}

test("process ends after a connection that became silent", async () => {
  const program = `
    const impatient = createClient({ baseUrl: process.env.GATEWAY_URL, token, timeoutMs: 300 });
    const socket = connect(impatient, { WebSocket, timeoutMs: 300, pingIntervalMs: 100, onState: (state) => {
      if (state.status === "connected") process.stdout.write("connected");
      if (state.status === "waiting") socket.close();
    } });`;
  const running = requireExit("silent", program, proxy.url);
  running.child.stdout?.once("data", () => proxy.freeze());
  await running;
});

/** Runs a program and requires that it ends by itself within 10 s. */
function requireExit(name: unknown, program: string, url: string) {
  mkdirSync(".build/programs", { recursive: true });
  const file = `.build/programs/${name}.mjs`;
  writeFileSync(file, prelude + program);
  const env = { ...process.env, GATEWAY_URL: url, GATEWAY_TOKEN: token };
  const running = promisify(execFile)("node", [file], { env, timeout: 10_000 });
  const ended = running.catch((error: { killed: boolean; stderr: string }) =>
    assert.fail(error.killed ? "the process did not end" : error.stderr),
  );
  return Object.assign(ended, { child: running.child });
}
