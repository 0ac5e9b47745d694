// Tests that each operation of openapi.yaml can be called, by its path and method.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { type Client, createClient, type operations } from "@fieldgate/client";

type OperationId = keyof operations;

const device = { params: { path: { deviceId: "deviceId" } } };
const session = { params: { path: { sessionId: "sessionId" } } };
const command = { params: { path: { sessionId: "sessionId", commandId: "commandId" } } };
const claimed = { params: { path: { commandId: "commandId" } } };
const claimToken = "t4Xn8qLz2vRb6mKc";

/** The call of each operation. The value of a path parameter is the name of the parameter. */
const calls: Partial<Record<OperationId, (client: Client) => Promise<unknown>>> = {
  getHealth: (c) => c.get("/healthz"),
  getReadiness: (c) => c.get("/readyz"),
  getVersion: (c) => c.get("/version"),
  getSigningKeys: (c) => c.get("/.well-known/fieldgate/keys"),

  registerDevice: (c) => c.post("/api/v1/device/register", { body: { activationCode: "7K2M-Q9TX-4WPA" } }),
  authenticateDevice: (c) => c.post("/api/v1/device/auth", { body: { deviceId: "d", deviceSecret: "s" } }),
  endDeviceLogin: (c) => c.delete("/api/v1/device/auth"),
  sendHeartbeat: (c) => c.post("/api/v1/device/heartbeat", { body: { status: "ok" } }),
  claimCommands: (c) => c.post("/api/v1/device/commands/claim", { body: {} }),
  getDeviceTrust: (c) => c.get("/api/v1/device/trust"),
  getDeviceCommand: (c) => c.get("/api/v1/device/commands/{commandId}", claimed),
  extendCommand: (c) =>
    c.post("/api/v1/device/commands/{commandId}/extend", { ...claimed, body: { claimToken, extensionMs: 1000 } }),
  reportProgress: (c) =>
    c.post("/api/v1/device/commands/{commandId}/progress", { ...claimed, body: { claimToken, seq: 1, percent: 50 } }),
  releaseCommand: (c) => c.post("/api/v1/device/commands/{commandId}/release", { ...claimed, body: { claimToken } }),
  submitResult: (c) =>
    c.post("/api/v1/device/commands/{commandId}/result", { ...claimed, body: { claimToken, status: "succeeded" } }),

  provisionDevice: (c) => c.post("/api/v1/customer/devices", { body: { name: "Pump 7" } }),
  listDevices: (c) => c.get("/api/v1/customer/devices"),
  getDevice: (c) => c.get("/api/v1/customer/devices/{deviceId}", device),
  updateDevice: (c) => c.patch("/api/v1/customer/devices/{deviceId}", { ...device, body: { name: "Pump 8" } }),
  decommissionDevice: (c) => c.delete("/api/v1/customer/devices/{deviceId}", device),
  issueActivationCode: (c) => c.post("/api/v1/customer/devices/{deviceId}/activation-code", device),
  suspendDevice: (c) => c.post("/api/v1/customer/devices/{deviceId}/suspend", device),
  resumeDevice: (c) => c.post("/api/v1/customer/devices/{deviceId}/resume", device),
  revokeDeviceLogins: (c) => c.post("/api/v1/customer/devices/{deviceId}/revoke-logins", device),
  resolveDeviceIdentity: (c) =>
    c.post("/api/v1/customer/devices/{deviceId}/resolve-identity", { ...device, body: { keep: "newest" } }),

  openSession: (c) => c.post("/api/v1/customer/sessions", { body: { deviceId: "d", type: "diagnostic" } }),
  listSessions: (c) => c.get("/api/v1/customer/sessions"),
  getSession: (c) => c.get("/api/v1/customer/sessions/{sessionId}", session),
  closeSession: (c) => c.post("/api/v1/customer/sessions/{sessionId}/close", session),
  listSessionEvents: (c) => c.get("/api/v1/customer/sessions/{sessionId}/events", session),

  proposeCommand: (c) =>
    c.post("/api/v1/customer/sessions/{sessionId}/commands", { ...session, body: { type: "service.restart" } }),
  listCommands: (c) => c.get("/api/v1/customer/sessions/{sessionId}/commands", session),
  getCommand: (c) => c.get("/api/v1/customer/sessions/{sessionId}/commands/{commandId}", command),
  getReceipt: (c) => c.get("/api/v1/customer/sessions/{sessionId}/commands/{commandId}/receipt", command),
  getCommandOutput: (c) => c.get("/api/v1/customer/sessions/{sessionId}/commands/{commandId}/output", command),
  cancelCommand: (c) => c.post("/api/v1/customer/sessions/{sessionId}/commands/{commandId}/cancel", command),
  retryCommand: (c) => c.post("/api/v1/customer/sessions/{sessionId}/commands/{commandId}/retry", command),
  decideCommand: (c) =>
    c.post("/api/v1/customer/sessions/{sessionId}/approve", { ...session, body: { commandId: "c", approved: true } }),
  listTenantCommands: (c) =>
    c.get("/api/v1/customer/commands", { params: { query: { status: ["failed", "timed_out"] } } }),
  withdrawVote: (c) => c.post("/api/v1/customer/sessions/{sessionId}/commands/{commandId}/withdraw", command),
  breakGlass: (c) =>
    c.post("/api/v1/customer/sessions/{sessionId}/commands/{commandId}/break-glass", {
      ...command,
      body: { reason: "reason" },
    }),
  reviewBreakGlass: (c) =>
    c.post("/api/v1/customer/sessions/{sessionId}/commands/{commandId}/break-glass/review", {
      ...command,
      body: { comment: "comment" },
    }),
  listApprovals: (c) => c.get("/api/v1/customer/approvals"),

  issueTicket: (c) => c.post("/api/v1/customer/ws-tickets"),
  listConnections: (c) => c.get("/api/v1/customer/connections"),
  closeConnection: (c) =>
    c.delete("/api/v1/customer/connections/{connectionId}", { params: { path: { connectionId: "connectionId" } } }),
  cutOff: (c) =>
    c.post("/api/v1/customer/users/{userId}/cut-off", {
      params: { path: { userId: "userId" } },
      body: { reason: "laptop stolen" },
    }),
  listCutOffs: (c) => c.get("/api/v1/customer/cut-offs"),
  createPasskeyOptions: (c) => c.post("/api/v1/customer/passkeys/options"),
  registerPasskey: (c) =>
    c.post("/api/v1/customer/passkeys", {
      body: {
        name: "n",
        credential: {
          id: "i",
          rawId: "i",
          type: "public-key",
          response: { clientDataJSON: "c", attestationObject: "a" },
        },
      },
    }),
  listPasskeys: (c) => c.get("/api/v1/customer/passkeys"),
  deletePasskey: (c) =>
    c.delete("/api/v1/customer/passkeys/{passkeyId}", { params: { path: { passkeyId: "passkeyId" } } }),
  getRoster: (c) => c.get("/api/v1/customer/roster"),
  setRoster: (c) => c.put("/api/v1/customer/roster", { body: { document: "d", signatures: [] } }),
  getPolicy: (c) => c.get("/api/v1/customer/policy"),
  setPolicy: (c) => c.put("/api/v1/customer/policy", { body: { rules: [{ name: "all", effect: "deny" }] } }),
  listPolicyVersions: (c) => c.get("/api/v1/customer/policy/versions"),
  decidePolicyChange: (c) => c.post("/api/v1/customer/policy/decide", { body: { version: "1", approved: false } }),
  evaluatePolicy: (c) => c.post("/api/v1/customer/policy/evaluate", { body: { deviceId: "d", type: "a" } }),
  getMe: (c) => c.get("/api/v1/customer/me"),
  getUsage: (c) => c.get("/api/v1/customer/usage"),
  getSystemInfo: (c) => c.get("/api/v1/customer/system/info"),
};

/** Maps each operation that has no call to the reason why it has none. */
const withoutCall: Partial<Record<OperationId, string>> = {
  openCustomerSocket: "connect() opens it",
  openDeviceSocket: "devices use the Go client",
  getContractYAML: "a document for people and generators",
  getContractJSON: "a document for people and generators",
  getSocketContract: "a document for people and generators",
  getSocketContractJSON: "a document for people and generators",
  getDocs: "a web page",
};

/** Returns the requests of openapi.yaml by their operationId, such as "GET /healthz". */
function contract(): Map<string, string> {
  const found = new Map<string, string>();
  let path = "";
  let method = "";
  for (const line of readFileSync("../../openapi.yaml", "utf8").split("\n")) {
    path = line.match(/^ {2}(\/\S*):$/)?.[1] ?? path;
    method = line.match(/^ {4}(get|put|post|patch|delete):$/)?.[1] ?? method;
    const id = line.match(/^ {6}operationId: (\w+)$/)?.[1];
    if (id) found.set(id, `${method.toUpperCase()} ${path}`);
  }
  return found;
}

test("client has a call for each operation of the contract", () => {
  const ids = [...contract().keys()];
  assert.ok(ids.length > 0);
  const known = { ...calls, ...withoutCall };
  const missing = ids.filter((id) => !(id in known));
  assert.deepEqual(missing, [], "run npm run generate and add the call, or give a reason in withoutCall");
  const removed = Object.keys(known).filter((id) => !ids.includes(id));
  assert.deepEqual(removed, [], "the contract lacks these operations");
});

test("call sends the request of its operation", async () => {
  let sent = "";
  const client = createClient({
    baseUrl: "http://gateway",
    fetch: async (request) => {
      sent = `${request.method} ${new URL(request.url).pathname}`;
      return new Response(null, { status: 204 });
    },
  });
  const requests = contract();
  for (const [id, call] of Object.entries(calls)) {
    await call(client);
    assert.equal(sent, requests.get(id)?.replaceAll(/[{}]/g, ""), id);
  }
});
