import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createClient,
  FieldgateError,
  FieldgateNetworkError,
  list,
  type Problem,
  type ProblemCode,
} from "@fieldgate/client";
import { serve, thrown } from "./answers.js";
import { registeredDevice, startGateway } from "./gateway.js";

const gateway = await startGateway();
const problem: Problem = { type: "about:blank", title: "No", status: 409, code: "session_active", requestId: "r" };

test("a call gives what was asked for", async () => {
  const client = gateway.client();
  const made = await client.post("/api/v1/customer/devices", { body: { name: "Pump 7", tags: { site: "leipzig" } } });
  const device = await client.get("/api/v1/customer/devices/{deviceId}", {
    params: { path: { deviceId: made.device.id } },
  });
  assert.equal(device.name, "Pump 7");
  assert.deepEqual(device.tags, { site: "leipzig" });
});

test("a call that is answered without a body gives nothing", async () => {
  const client = gateway.client();
  const device = await registeredDevice(client);
  const nothing: undefined = await client.delete("/api/v1/customer/devices/{deviceId}", {
    params: { path: { deviceId: device.id } },
  });
  assert.equal(nothing, undefined);
});

test("a refusal is thrown with its code and all that the problem tells", async () => {
  const client = gateway.client();
  const missing = await thrown(
    client.get("/api/v1/customer/devices/{deviceId}", { params: { path: { deviceId: "dev_none" } } }),
  );
  assert.ok(missing instanceof FieldgateError);
  assert.equal(missing.code, "device_not_found");
  assert.equal(missing.status, 404);
  assert.ok(missing.requestId);
  const invalid = await thrown(client.post("/api/v1/customer/devices", { body: { name: "" } }));
  assert.ok(invalid instanceof FieldgateError);
  assert.equal(invalid.code, "validation_failed");
  assert.equal(invalid.errors[0]?.pointer, "/name");
});

test("what a code brings with it can be read", async () => {
  const client = gateway.client();
  const device = await registeredDevice(client);
  const open = () => client.post("/api/v1/customer/sessions", { body: { deviceId: device.id, type: "diagnostic" } });
  const session = await open();
  const refused = await thrown(open());
  assert.ok(refused instanceof FieldgateError && refused.code === "session_active");
  assert.equal(refused.problem?.sessionId, session.id);
});

test("the codes can be told apart, and the compiler finds what is misspelt or missing", () => {
  const kind = (code: Extract<ProblemCode, `session_${string}`>): string => {
    switch (code) {
      case "session_active":
      case "session_closed":
      case "session_not_found":
        return "session";
      default:
        return code satisfies never;
    }
  };
  assert.equal(kind("session_active"), "session");
  // @ts-expect-error: it is misspelt
  assert.equal(kind("session_activ"), "session_activ");
  const later = new FieldgateError({ status: 409, problem: { ...problem, code: "paused" } });
  assert.equal(later.code, "paused");
});

test("no answer is another error than a refusal", async () => {
  const client = gateway.client({ baseUrl: "http://127.0.0.1:1" });
  const error = await thrown(client.get("/version"));
  assert.ok(error instanceof FieldgateNetworkError);
  assert.equal(error.timedOut, false);
});

test("an answer that does not come in time is told so", async () => {
  const silent = await serve(() => {});
  const error = await thrown(gateway.client({ baseUrl: silent, timeoutMs: 50 }).get("/version"));
  assert.ok(error instanceof FieldgateNetworkError && error.timedOut);
});

test("the caller's own abort comes out as it went in", async () => {
  const silent = await serve(() => {});
  const stop = new AbortController();
  const call = thrown(gateway.client({ baseUrl: silent, retry: true }).get("/version", { signal: stop.signal }));
  stop.abort(new Error("enough"));
  assert.equal(((await call) as Error).message, "enough");
});

test("what is not the gateway's own word has no code", async () => {
  const pages: [number, string][] = [
    [502, "<h1>Bad gateway</h1>"],
    [200, "<h1>Please log in</h1>"],
  ];
  for (const [status, page] of pages) {
    const proxy = await serve((_, response) => response.writeHead(status, { "Content-Type": "text/html" }).end(page));
    const error = await thrown(gateway.client({ baseUrl: proxy }).get("/version"));
    assert.ok(error instanceof FieldgateError, String(error));
    assert.deepEqual([error.status, error.code], [status, undefined]);
  }
});

test("a redirect is not followed", async () => {
  let asked = 0;
  const elsewhere = await serve((_, response) => {
    asked++;
    response.end("{}");
  });
  const proxy = await serve((_, response) => response.writeHead(307, { Location: elsewhere }).end());
  assert.ok((await thrown(gateway.client({ baseUrl: proxy }).get("/version"))) instanceof FieldgateNetworkError);
  assert.equal(asked, 0);
});

test("the token is asked for anew for each request", async () => {
  let asked = 0;
  const client = gateway.client({
    token: () => {
      asked++;
      return gateway.token();
    },
  });
  await client.get("/api/v1/customer/devices");
  await client.get("/api/v1/customer/devices");
  assert.equal(asked, 2);
});

test("a refused token is replaced once, and the request repeated", async () => {
  const expired = await gateway.token({ lifetimeMs: -3_600_000 });
  const refused: (string | undefined)[] = [];
  const client = gateway.client({
    token: (old) => {
      refused.push(old);
      return old === undefined ? expired : gateway.token();
    },
  });
  const made = await client.post("/api/v1/customer/devices", { body: { name: "Pump 7" } });
  assert.equal(made.device.name, "Pump 7");
  assert.deepEqual(refused, [undefined, expired]);
});

test("many requests that are refused together share one renewal", async () => {
  const expired = await gateway.token({ lifetimeMs: -3_600_000 });
  let renewals = 0;
  const client = gateway.client({
    token: async (old) => {
      if (old === undefined) return expired;
      renewals++;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return gateway.token();
    },
  });
  await Promise.all(Array.from({ length: 5 }, () => client.get("/api/v1/customer/devices")));
  assert.equal(renewals, 1);
});

test("a token that stays refused is an error and not a loop", async () => {
  const expired = await gateway.token({ lifetimeMs: -3_600_000 });
  const error = await thrown(gateway.client({ token: () => expired, retry: true }).get("/api/v1/customer/devices"));
  assert.ok(error instanceof FieldgateError && error.code === "unauthorized");
});

test("a list is read to its end, page after page", async () => {
  const client = gateway.client({ token: () => gateway.token({ customer: "lists" }) });
  const made = new Set<string>();
  for (let i = 0; i < 7; i++) {
    made.add(
      (await client.post("/api/v1/customer/devices", { body: { name: `Pump ${i}`, tags: { line: "a" } } })).device.id,
    );
  }
  const read: string[] = [];
  for await (const device of list(client, "/api/v1/customer/devices", {
    params: { query: { limit: 2, tag: "line:a" } },
  })) {
    read.push(device.id);
  }
  assert.equal(read.length, 7);
  assert.deepEqual(new Set(read), made);
});

test("a list without items has none, and one that breaks off on the way is an error", async () => {
  const client = gateway.client({ token: () => gateway.token({ customer: "breaks" }) });
  const names = async (fetched: typeof client): Promise<string[]> => {
    const read: string[] = [];
    const query = { limit: 1 };
    const devices = list(fetched, "/api/v1/customer/devices", { params: { query } });
    for await (const device of devices) read.push(device.name);
    return read;
  };
  assert.deepEqual(await names(client), []);
  for (const name of ["A", "B", "C"]) await client.post("/api/v1/customer/devices", { body: { name } });
  assert.equal((await names(client)).length, 3);
  let pages = 0;
  const breaking = gateway.client({
    token: client.token,
    fetch: (request) => (++pages === 3 ? Promise.reject(new TypeError("lost")) : fetch(request)),
  });
  assert.ok((await thrown(names(breaking))) instanceof FieldgateNetworkError);
  assert.equal(pages, 3);
});

test("a list whose signal is raised ends in the middle of a page", async () => {
  const client = gateway.client({ token: () => gateway.token({ customer: "stops" }) });
  for (const name of ["A", "B", "C"]) await client.post("/api/v1/customer/devices", { body: { name } });
  const stop = new AbortController();
  let read = 0;
  const reading = async () => {
    for await (const _ of list(client, "/api/v1/customer/devices", { signal: stop.signal })) {
      if (++read === 2) stop.abort(new Error("enough"));
    }
  };
  assert.equal(((await thrown(reading())) as Error).message, "enough");
  assert.equal(read, 2);
});

test("an address that cannot be one of a gateway is found out at once", () => {
  for (const baseUrl of ["", "gateway.example.com", "localhost:8080", "ws://localhost:8080"]) {
    assert.throws(() => createClient({ baseUrl }), TypeError, baseUrl);
  }
});
