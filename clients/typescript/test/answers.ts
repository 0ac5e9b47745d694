// Answers that are not the gateway's, and what is thrown because of them.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after } from "node:test";

export async function thrown(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => assert.fail("it was not refused"),
    (error: unknown) => error,
  );
}

/** Something on the way that is not the gateway. */
export async function serve(handler: Parameters<typeof createServer>[1]): Promise<string> {
  const server = createServer(handler);
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
