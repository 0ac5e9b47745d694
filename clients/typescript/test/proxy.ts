// A TCP proxy that simulates a bad network.
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { after } from "node:test";

export interface Proxy {
  url: string;
  /** Breaks all connections without a close frame. */
  cut(): void;
  /** Stops forwarding data, and keeps the connections open. */
  freeze(): void;
  /** Returns how many connections were opened so far. */
  connectionCount(): number;
}

export async function startProxy(target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  let connectionCount = 0;
  const server = createServer((client) => {
    connectionCount++;
    const upstream = connect(Number(port), hostname);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      open.add(from);
      from.on("error", () => {});
      from.on("close", () => {
        open.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  const cut = () => {
    for (const socket of open) socket.destroy();
  };
  after(() => {
    cut();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    freeze: () => {
      for (const socket of open) socket.unpipe().pause();
    },
    connectionCount: () => connectionCount,
  };
}
