// Starts a gateway as it runs in production, with `fieldgate serve` and a Redis of its own.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { expect } from "@playwright/test";

const fieldgate = process.env.FIELDGATE_TEST_PROGRAM ?? fileURLToPath(new URL("../.build/fieldgate", import.meta.url));

export interface Started {
  url: string;
  stop(): Promise<void>;
}

/**
 * Starts a gateway with additional settings, and waits until it responds. `at` is its origin, on this
 * computer. By default, the origin has an unused port.
 */
export async function startGateway(settings: Record<string, string>, at?: string): Promise<Started> {
  const url = at ?? `http://127.0.0.1:${await freePort()}`;
  const redis = await startRedis();
  const env = {
    FIELDGATE_ADDR: `127.0.0.1:${new URL(url).port}`,
    FIELDGATE_METRICS_ADDR: "off",
    FIELDGATE_REDIS_URL: redis.url,
    ...settings,
  };
  const gateway = spawn(fieldgate, ["serve"], { stdio: "ignore", env: { ...process.env, ...env } });
  await waitUntilReady(gateway, async () => (await fetch(`${url}/healthz`)).ok);
  const stop = async () => {
    await stopAll([gateway]);
    await redis.stop();
  };
  return { url, stop };
}

export interface Redis extends Started {
  port: number;
}

/** Starts a Redis that keeps nothing on the disk. */
export async function startRedis(): Promise<Redis> {
  const port = await freePort();
  const redis = spawn("redis-server", ["--port", `${port}`, "--save", "", "--maxmemory-policy", "noeviction"]);
  await waitUntilReady(redis, () => reachable(port));
  return { url: `redis://127.0.0.1:${port}`, port, stop: () => stopAll([redis]) };
}

async function stopAll(processes: ChildProcess[]): Promise<void> {
  for (const process_ of processes) {
    process_.kill("SIGKILL");
    if (process_.exitCode === null && process_.signalCode === null) await once(process_, "exit");
  }
}

/** Returns a port that no process listens on. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Reports whether a port of this computer accepts connections. It throws if it does not. */
async function reachable(port: number): Promise<boolean> {
  const { connect } = await import("node:net");
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  socket.destroy();
  return true;
}

/** Waits until a process responds. It fails the test after 30 s, or when the process has ended. */
async function waitUntilReady(process_: ChildProcess, isReady: () => Promise<boolean>): Promise<void> {
  await expect
    .poll(async () => process_.exitCode === null && (await isReady().catch(() => false)), { timeout: 30_000 })
    .toBe(true);
}
