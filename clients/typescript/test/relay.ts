// A relay between clients and a gateway that understands frames: it can close a connection
// with any code, and change what the gateway says.
import { createServer, request as forward } from "node:http";
import type { AddressInfo } from "node:net";
import { after } from "node:test";
import { WebSocket, WebSocketServer } from "ws";

export interface Relay {
  url: string;
  /** Closes all connections to clients; with 1006, without a word. */
  close(code: number): void;
  /** Says a frame to all clients, whatever it is. */
  say(text: string): void;
  /** What the clients said, frame by frame. */
  readonly heard: { type: string; data?: unknown }[];
}

/** Makes of each frame of the gateway the frames that the client gets. */
export type Change = (text: string) => string[];

export async function startRelay(target: string, change: Change = (text) => [text]): Promise<Relay> {
  const clients = new Set<WebSocket>();
  const heard: Relay["heard"] = [];
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "fieldgate.v1" });
  const server = createServer((near, answer) => {
    const { method, headers, url } = near;
    near.pipe(
      forward(target + url, { method: method as string, headers }, (far) =>
        far.pipe(answer.writeHead(far.statusCode as number, far.headers)),
      ),
    );
  });
  server.on("upgrade", (request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (near) => {
      const protocols = String(request.headers["sec-websocket-protocol"]).split(", ");
      const far = new WebSocket(target.replace(/^http/, "ws") + request.url, protocols);
      clients.add(near);
      near.on("message", (text) => {
        heard.push(JSON.parse(String(text)));
        far.send(String(text));
      });
      far.on("message", (text) => {
        for (const frame of change(String(text))) near.send(frame);
      });
      far.on("error", () => near.close(1011));
      far.on("close", () => near.close(1011));
      near.on("close", () => {
        clients.delete(near);
        far.terminate();
      });
    }),
  );
  after(() => {
    for (const near of clients) near.terminate();
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: (code) => {
      for (const near of clients) {
        if (code === 1006) near.terminate();
        else near.close(code);
      }
    },
    say: (text) => {
      for (const near of clients) near.send(text);
    },
    heard,
  };
}
