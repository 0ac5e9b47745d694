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
import { registeredDevice, startGateway } from "./gateway.js";
import { errorOf, startServer } from "./server.js";

const gateway = await startGateway();
const problem: Problem = { type: "about:blank", title: "No", status: 409, code: "session_active", requestId: "r" };

test("call returns the body of the response", async () => {
  const client = gateway.client();
  const provisioned = await client.post("/api/v1/customer/devices", {
    body: { name: "Pump 7", tags: { site: "leipzig" } },
  });
  const device = await client.get("/api/v1/customer/devices/{deviceId}", {
    params: { path: { deviceId: provisioned.device.id } },
  });
  assert.equal(device.name, "Pump 7");
  assert.deepEqual(device.tags, { site: "leipzig" });
});

test("call without a response body returns undefined", async () => {
  const client = gateway.client();
  const device = await registeredDevice(client);
  const body: undefined = await client.delete("/api/v1/customer/devices/{deviceId}", {
    params: { path: { deviceId: device.id } },
  });
  assert.equal(body, undefined);
});

test("call throws a refusal with the fields of the problem document", async () => {
  const client = gateway.client();
  const missing = await errorOf(
    client.get("/api/v1/customer/devices/{deviceId}", { params: { path: { deviceId: "dev_none" } } }),
  );
  assert.ok(missing instanceof FieldgateError);
  assert.equal(missing.code, "device_not_found");
  assert.equal(missing.status, 404);
  assert.ok(missing.requestId);
  const invalid = await errorOf(client.post("/api/v1/customer/devices", { body: { name: "" } }));
  assert.ok(invalid instanceof FieldgateError);
  assert.equal(invalid.code, "validation_failed");
  assert.equal(invalid.errors[0]?.pointer, "/name");
});

test("refusal has the additional fields of its code", async () => {
  const client = gateway.client();
  const device = await registeredDevice(client);
  const open = () => client.post("/api/v1/customer/sessions", { body: { deviceId: device.id, type: "diagnostic" } });
  const session = await open();
  const refused = await errorOf(open());
  assert.ok(refused instanceof FieldgateError && refused.code === "session_active");
  assert.equal(refused.problem?.sessionId, session.id);
});

test("ProblemCode lets the compiler find misspelled and missing codes", () => {
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
  // @ts-expect-error: the code is misspelled
  assert.equal(kind("session_activ"), "session_activ");
  const later = new FieldgateError({ status: 409, problem: { ...problem, code: "paused" } });
  assert.equal(later.code, "paused");
});

test("call without a response throws a network error", async () => {
  const client = gateway.client({ baseUrl: "http://127.0.0.1:1" });
  const error = await errorOf(client.get("/version"));
  assert.ok(error instanceof FieldgateNetworkError);
  assert.equal(error.timedOut, false);
});

test("call throws a network error with timedOut after the timeout", async () => {
  const unresponsive = await startServer(() => {});
  const error = await errorOf(gateway.client({ baseUrl: unresponsive, timeoutMs: 50 }).get("/version"));
  assert.ok(error instanceof FieldgateNetworkError && error.timedOut);
});

test("call rethrows the abort of its caller", async () => {
  const unresponsive = await startServer(() => {});
  const stop = new AbortController();
  const call = errorOf(gateway.client({ baseUrl: unresponsive, retry: true }).get("/version", { signal: stop.signal }));
  stop.abort(new Error("enough"));
  assert.equal(((await call) as Error).message, "enough");
});

test("response of another server has no code", async () => {
  const pages: [number, string][] = [
    [502, "<h1>Bad gateway</h1>"],
    [200, "<h1>Please log in</h1>"],
  ];
  for (const [status, page] of pages) {
    const proxy = await startServer((_, response) =>
      response.writeHead(status, { "Content-Type": "text/html" }).end(page),
    );
    const error = await errorOf(gateway.client({ baseUrl: proxy }).get("/version"));
    assert.ok(error instanceof FieldgateError, String(error));
    assert.deepEqual([error.status, error.code], [status, undefined]);
  }
});

test("call does not follow a redirect", async () => {
  let requests = 0;
  const elsewhere = await startServer((_, response) => {
    requests++;
    response.end("{}");
  });
  const proxy = await startServer((_, response) => response.writeHead(307, { Location: elsewhere }).end());
  assert.ok((await errorOf(gateway.client({ baseUrl: proxy }).get("/version"))) instanceof FieldgateNetworkError);
  assert.equal(requests, 0);
});

test("token provider is called for each request", async () => {
  let calls = 0;
  const client = gateway.client({
    token: () => {
      calls++;
      return gateway.token();
    },
  });
  await client.get("/api/v1/customer/devices");
  await client.get("/api/v1/customer/devices");
  assert.equal(calls, 2);
});

test("refused token is replaced once, and the request repeated", async () => {
  const expired = await gateway.token({ lifetimeMs: -3_600_000 });
  const refused: (string | undefined)[] = [];
  const client = gateway.client({
    token: (old) => {
      refused.push(old);
      return old === undefined ? expired : gateway.token();
    },
  });
  const provisioned = await client.post("/api/v1/customer/devices", { body: { name: "Pump 7" } });
  assert.equal(provisioned.device.name, "Pump 7");
  assert.deepEqual(refused, [undefined, expired]);
});

test("token renewal is shared by concurrent requests", async () => {
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

test("token that stays refused is an error", async () => {
  const expired = await gateway.token({ lifetimeMs: -3_600_000 });
  const error = await errorOf(gateway.client({ token: () => expired, retry: true }).get("/api/v1/customer/devices"));
  assert.ok(error instanceof FieldgateError && error.code === "unauthorized");
});

test("list returns the items of all pages", async () => {
  const client = gateway.client({ token: () => gateway.token({ customer: "lists" }) });
  const ids = new Set<string>();
  for (let i = 0; i < 7; i++) {
    ids.add(
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
  assert.deepEqual(new Set(read), ids);
});

test("list can be empty, and throws the error of a later page", async () => {
  const client = gateway.client({ token: () => gateway.token({ customer: "fails" }) });
  const namesOf = async (source: typeof client): Promise<string[]> => {
    const read: string[] = [];
    const query = { limit: 1 };
    const devices = list(source, "/api/v1/customer/devices", { params: { query } });
    for await (const device of devices) read.push(device.name);
    return read;
  };
  assert.deepEqual(await namesOf(client), []);
  for (const name of ["A", "B", "C"]) await client.post("/api/v1/customer/devices", { body: { name } });
  assert.equal((await namesOf(client)).length, 3);
  let pages = 0;
  const failing = gateway.client({
    token: client.token,
    fetch: (request) => (++pages === 3 ? Promise.reject(new TypeError("lost")) : fetch(request)),
  });
  assert.ok((await errorOf(namesOf(failing))) instanceof FieldgateNetworkError);
  assert.equal(pages, 3);
});

test("list ends within a page when its signal is aborted", async () => {
  const client = gateway.client({ token: () => gateway.token({ customer: "stops" }) });
  for (const name of ["A", "B", "C"]) await client.post("/api/v1/customer/devices", { body: { name } });
  const stop = new AbortController();
  let read = 0;
  const reading = async () => {
    for await (const _ of list(client, "/api/v1/customer/devices", { signal: stop.signal })) {
      if (++read === 2) stop.abort(new Error("enough"));
    }
  };
  assert.equal(((await errorOf(reading())) as Error).message, "enough");
  assert.equal(read, 2);
});

test("createClient rejects an invalid baseUrl", () => {
  for (const baseUrl of ["", "gateway.example.com", "localhost:8080", "ws://localhost:8080"]) {
    assert.throws(() => createClient({ baseUrl }), TypeError, baseUrl);
  }
});
