// A proxy whose connections can be cut, as a bad network does.
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { after } from "node:test";

export interface Proxy {
  url: string;
  /** Breaks all connections, without a word. */
  cut(): void;
  /** Lets nothing through any more, and breaks nothing. */
  freeze(): void;
  /** Refuses new connections, or takes them again. */
  refuse(yes: boolean): void;
  /** How many connections there were. */
  count(): number;
}

export async function startProxy(target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  let refusing = false;
  let count = 0;
  const server = createServer((near) => {
    if (refusing) return void near.resetAndDestroy();
    count++;
    const far = connect(Number(port), hostname);
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
    refuse: (yes) => {
      refusing = yes;
    },
    count: () => count,
  };
}
