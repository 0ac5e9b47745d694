// A WebSocket proxy between clients and a gateway. It can close a connection with any code,
// and change the frames of the gateway.
import { createServer, request as forward } from "node:http";
import type { AddressInfo } from "node:net";
import { after } from "node:test";
import { WebSocket, WebSocketServer } from "ws";

export interface Relay {
  url: string;
  /**
   * Closes all connections to clients with a code. 1006 breaks the connections without a close
   * frame.
   */
  close(code: number): void;
  /** Sends a text to all clients, even if it is not a valid frame. */
  send(text: string): void;
  /** The frames that the clients have sent. */
  readonly received: { type: string; data?: unknown }[];
}

/** Returns the frames to send to the client in place of `text`, a frame from the gateway. */
export type Transform = (text: string) => string[];

export async function startRelay(target: string, transform: Transform = (text) => [text]): Promise<Relay> {
  const clients = new Set<WebSocket>();
  const received: Relay["received"] = [];
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => "fieldgate.v1" });
  const server = createServer((request, response) => {
    const { method, headers, url } = request;
    request.pipe(
      forward(target + url, { method: method as string, headers }, (upstream) =>
        upstream.pipe(response.writeHead(upstream.statusCode as number, upstream.headers)),
      ),
    );
  });
  server.on("upgrade", (request, socket, head) =>
    sockets.handleUpgrade(request, socket, head, (client) => {
      const protocols = String(request.headers["sec-websocket-protocol"]).split(", ");
      const upstream = new WebSocket(target.replace(/^http/, "ws") + request.url, protocols);
      clients.add(client);
      client.on("message", (text) => {
        received.push(JSON.parse(String(text)));
        upstream.send(String(text));
      });
      upstream.on("message", (text) => {
        for (const frame of transform(String(text))) client.send(frame);
      });
      upstream.on("error", () => client.close(1011));
      upstream.on("close", () => client.close(1011));
      client.on("close", () => {
        clients.delete(client);
        upstream.terminate();
      });
    }),
  );
  after(() => {
    for (const client of clients) client.terminate();
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: (code) => {
      for (const client of clients) {
        if (code === 1006) client.terminate();
        else client.close(code);
      }
    },
    send: (text) => {
      for (const client of clients) client.send(text);
    },
    received,
  };
}
