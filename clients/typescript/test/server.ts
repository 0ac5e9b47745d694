// Helpers for tests that need an HTTP server other than the gateway, or the error of a call.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after } from "node:test";

/** Returns the error of a call. It fails the test if the call succeeds. */
export async function errorOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => assert.fail("the call succeeded"),
    (error: unknown) => error,
  );
}

/**
 * Starts an HTTP server that simulates a server other than the gateway, such as a proxy. It is
 * stopped after the tests of the file.
 */
export async function startServer(handler: Parameters<typeof createServer>[1]): Promise<string> {
  const server = createServer(handler);
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
