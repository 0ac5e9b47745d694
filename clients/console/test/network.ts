// Proxies that simulate a bad network.
import { createServer as createHTTPServer, request } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface Network {
  url: string;
  /** Sets the URL of the gateway. Connections fail until it is set. */
  setTarget(target: string): void;
  /** Breaks all connections, and refuses new ones until restore is called. */
  cut(): void;
  restore(): void;
  close(): void;
}

export async function startNetwork(): Promise<Network> {
  const open = new Set<Socket>();
  let target = new URL("http://127.0.0.1:1");
  let isCut = false;
  const server = createServer((client) => {
    if (isCut) return void client.resetAndDestroy();
    const upstream = connect(Number(target.port), target.hostname);
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
    isCut = true;
    for (const socket of open) socket.destroy();
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    setTarget: (url) => {
      target = new URL(url);
    },
    cut,
    restore: () => {
      isCut = false;
    },
    close: () => {
      cut();
      server.close();
    },
  };
}

/** Starts an HTTP proxy that replaces the Host header, as some proxies do by default. */
export async function startRenamingProxy(target: string): Promise<{ url: string; close(): void }> {
  const server = createHTTPServer((incoming, outgoing) => {
    const headers = { ...incoming.headers, host: new URL(target).host, "x-forwarded-host": incoming.headers.host };
    const upstream = request(target + incoming.url, { method: incoming.method, headers }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    upstream.on("error", () => outgoing.destroy());
    incoming.pipe(upstream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
