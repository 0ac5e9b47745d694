// The client of the gateway that all views share.
import { type Client, createClient } from "@fieldgate/client";
import { onResponse, token } from "./signin/tokens.js";
import { parseExact } from "./verbatim.js";

/**
 * Sends a request and parses the response with parseExact, so that numbers keep all their
 * digits. It sets Content-Length, because openapi-fetch would otherwise parse the text with
 * JSON.parse.
 */
async function fetchExact(request: Request): Promise<Response> {
  const response = await fetch(request);
  onResponse(request.headers.get("Authorization"), response);
  const text = await response.text();
  const headers = new Headers(response.headers);
  headers.set("Content-Length", String(text.length));
  const copy = new Response(response.status === 204 ? null : text, { status: response.status, headers });
  return Object.defineProperty(copy, "json", { value: async () => parseExact(text) });
}

export const gateway: Client = createClient({ baseUrl: location.origin, token, retry: true, fetch: fetchExact });
