// A network whose connections can be cut, as a bad network does.
import { createServer as createHTTPServer, request } from "node:http";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export interface Network {
  url: string;
  /** Says where the gateway is. */
  to(target: string): void;
  /** Breaks all connections, without a word, and refuses others until they are mended. */
  cut(): void;
  mend(): void;
  close(): void;
}

export async function startNetwork(): Promise<Network> {
  const open = new Set<Socket>();
  let target = new URL("http://127.0.0.1:1");
  let broken = false;
  const server = createServer((near) => {
    if (broken) return void near.resetAndDestroy();
    const far = connect(Number(target.port), target.hostname);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one);
      one.on("error", () => {});
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  const cut = () => {
    broken = true;
    for (const socket of open) socket.destroy();
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    to: (url) => {
      target = new URL(url);
    },
    cut,
    mend: () => {
      broken = false;
    },
    close: () => {
      cut();
      server.close();
    },
  };
}

/** A proxy that asks in its own name, as some do unless they are told to keep the host. */
export async function startRenamingProxy(target: string): Promise<{ url: string; close(): void }> {
  const server = createHTTPServer((near, answer) => {
    const headers = { ...near.headers, host: new URL(target).host, "x-forwarded-host": near.headers.host };
    const far = request(target + near.url, { method: near.method, headers }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    far.on("error", () => answer.destroy());
    near.pipe(far);
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
