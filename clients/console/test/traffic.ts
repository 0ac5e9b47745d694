// Counts what a page transfers.
import type { Page } from "@playwright/test";

export interface Traffic {
  /** The URLs of the requests to the API. */
  requests: string[];
  /** Returns the bytes of all responses as they were sent, with their headers, and of the frames of sockets. */
  bytes(): Promise<number>;
}

/** Counts the traffic of a page from now on. Only sockets that are opened later are counted. */
export function countTraffic(page: Page): Traffic {
  const requests: string[] = [];
  const sizes: Promise<number>[] = [];
  let frames = 0;
  page.on("request", (request) => request.url().includes("/api/") && requests.push(request.url()));
  page.on("requestfinished", (request) => {
    const size = request
      .sizes()
      .then(({ responseBodySize, responseHeadersSize }) => responseBodySize + responseHeadersSize);
    sizes.push(size.catch(() => 0)); // the page was closed
  });
  page.on("websocket", (socket) => {
    socket.on("framereceived", ({ payload }) => {
      frames += Buffer.byteLength(payload);
    });
  });
  const bytes = async () => (await Promise.all(sizes)).reduce((sum, size) => sum + size, frames);
  return { requests, bytes };
}
