// Tests that a device runs what its approver has signed, and nothing that was written to the store since.
import { spawnSync } from "node:child_process";
import { createHash, generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import type { Page, TestInfo } from "@playwright/test";
import { test as base, expect, type Gateway, type ProvisionedDevice, readToEnd } from "./fixtures.js";
import { type Redis, startRedis } from "./production.js";
import { copied, openRoster, publish, sign } from "./rosters.js";

interface Fixtures {
  redis: Redis;
  /** The record key of the gateway. Empty for the one that is kept in the store. */
  recordKey: string;
}

const test = base.extend<Fixtures>({
  recordKey: ["", { option: true }],
  // biome-ignore lint/correctness/noEmptyPattern: Playwright requires a pattern
  redis: async ({}, use) => {
    const redis = await startRedis();
    await use(redis);
    await redis.stop();
  },
  settings: async ({ redis, recordKey }, use) => {
    const { privateKey } = generateKeyPairSync("ed25519");
    await use({
      FIELDGATE_DEV_REDIS_URL: redis.url,
      FIELDGATE_SIGNING_KEY: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
      ...(recordKey && { FIELDGATE_RECORD_KEY: recordKey }),
    });
  },
});

interface Shown {
  status: string;
  setAsideAt?: string;
  approval?: { votes?: { user: { id: string } }[] };
  result?: { output?: string; error?: string; data?: { code?: string } };
}

interface Fleet {
  deviceId: string;
  /** Starts the agent of the device, which runs only what a passkey of the roster has signed. */
  start: () => Promise<() => Promise<void>>;
  /** Proposes a command and approves it with a passkey in the console. It returns the id of the command. */
  approve: () => Promise<string>;
  read: (id: string) => Promise<Shown>;
}

/** Publishes a roster in the console, and registers a device that follows it and is then switched off. */
async function openFleet(page: Page, gateway: Gateway, agent: AgentFixture, info: TestInfo): Promise<Fleet> {
  const alice = await gateway.token("alice", "admin");
  await gateway.call(alice, "PUT", "/policy", { rules: [{ name: "all", effect: "review", assurance: "passkey" }] });
  await openRoster(page, gateway, "dora", "admin");
  await sign(page);
  await publish(page, 1);
  const file = info.outputPath("roster.json");
  writeFileSync(file, await copied(page, "Copy all versions for devices"));
  const { device, activationCode } = await gateway.call<ProvisionedDevice>(alice, "POST", "/devices", { name: "Pump" });
  const flags = ["--trust=approvers", `--roster=${file}`, "--require-approvals=*=1"];
  const start = () => agent(gateway.url, activationCode, ...flags);
  const stop = await start();
  await page.getByRole("link", { name: "Devices" }).click();
  await expect(page.getByRole("row").getByText("online", { exact: true })).toBeVisible();
  await stop();
  const request = { deviceId: device.id, type: "remediation" };
  const session = await gateway.call<{ id: string }>(alice, "POST", "/sessions", request);
  const commands = `/sessions/${session.id}/commands`;
  const approve = async () => {
    const body = { type: "remediation.run_script", parameters: { name: "greet.sh", args: ["Leipzig"] } };
    const { id } = await gateway.call<{ id: string }>(alice, "POST", commands, body);
    await page.getByRole("link", { name: /Inbox/ }).click();
    await page.getByRole("button", { name: "Approve…" }).click();
    await readToEnd(page);
    await page.getByRole("dialog").getByRole("button", { name: "Approve", exact: true }).click();
    await expect(page.getByRole("dialog")).toHaveCount(0);
    return id;
  };
  return { deviceId: device.id, start, approve, read: (id) => gateway.call<Shown>(alice, "GET", `${commands}/${id}`) };
}

type AgentFixture = (url: string, code: string, ...more: string[]) => Promise<() => Promise<void>>;

/** Runs a command of Redis, and returns its reply. */
function run(redis: Redis, ...args: string[]): string {
  const done = spawnSync("redis-cli", ["-p", `${redis.port}`, "-e", ...args], { encoding: "utf8" });
  if (done.status !== 0) throw new Error(done.stderr || done.stdout);
  return done.stdout.replace(/\n$/, "");
}

/** The key of the commands of a device. */
const commandsOf = (redis: Redis, deviceId: string) =>
  run(redis, "--scan", "--pattern", `fg:{*}:device:${deviceId}:commands`);

/** Changes the state `c` of a stored command with a text in Lua. */
function editState(redis: Redis, deviceId: string, id: string, change: string): void {
  const script = `
    local raw = redis.call('HGET', KEYS[1], ARGV[1])
    local codec = string.sub(raw, 1, 1) == '{' and { cjson.decode, cjson.encode } or { cmsgpack.unpack, cmsgpack.pack }
    local c = codec[1](raw)
    ${change}
    redis.call('HSET', KEYS[1], ARGV[1], codec[2](c))`;
  run(redis, "EVAL", script, "1", commandsOf(redis, deviceId), id);
}

/** Changes the statement of a stored command, and the digest with it. */
function editStatement(redis: Redis, deviceId: string, id: string): void {
  const key = commandsOf(redis, deviceId);
  const statement = run(redis, "HGET", key, `${id}:body`);
  const changed = statement.replace("Leipzig", "Dresden");
  expect(changed).not.toBe(statement);
  run(redis, "HSET", key, `${id}:body`, changed);
  editState(redis, deviceId, id, `c.digest = '${createHash("sha256").update(changed).digest("hex")}'`);
}

/** What a writer of the store changes in an approved command, and what the device says about it. */
const changes: Record<string, [(redis: Redis, deviceId: string, id: string) => void, RegExp]> = {
  parameters: [editStatement, /signed something else/],
  "the vote": [
    (redis, deviceId, id) => editState(redis, deviceId, id, "c.approval.by = 'user:mallory'"),
    /one of another user/,
  ],
};

test.describe("a gateway that finds no change", () => {
  for (const [what, [change, why]] of Object.entries(changes)) {
    test(`device refuses a command in whose record ${what} changed after the approval`, async ({
      page,
      gateway,
      redis,
      agent,
    }, info) => {
      test.slow();
      const { deviceId, start, approve, read } = await openFleet(page, gateway, agent, info);
      const id = await approve();
      change(redis, deviceId, id);
      editState(redis, deviceId, id, "c.mac, c.approval.mac = nil, nil"); // a gateway without a key of its own accepts that
      await start();
      await expect.poll(async () => (await read(id)).status).toBe("failed");
      const { result } = await read(id);
      expect(result).toMatchObject({ data: { code: "receipt_invalid" } });
      expect(result?.error).toMatch(why);
      expect(result?.output).toBeUndefined();

      const next = await approve();
      await expect.poll(async () => (await read(next)).status).toBe("succeeded");
      expect((await read(next)).result?.output).toContain("hello Leipzig");
    });
  }
});

test.describe("a gateway with a record key", () => {
  test.use({ recordKey: "a key that the store does not have" });

  test("changed commands are set aside, shown as that, and never run", async ({
    page,
    gateway,
    redis,
    agent,
  }, info) => {
    test.slow();
    const { deviceId, start, approve, read } = await openFleet(page, gateway, agent, info);
    const ids = [];
    for (const [change] of Object.values(changes)) {
      const id = await approve();
      change(redis, deviceId, id);
      ids.push(id);
    }
    const last = await approve();
    await start();
    await expect.poll(async () => (await read(last)).status).toBe("succeeded");
    for (const id of ids) {
      const command = await read(id);
      expect(command.setAsideAt).toBeDefined();
      expect(command).toMatchObject({ status: "queued", attempt: 0 });
      expect(command.result).toBeUndefined();
      expect(command.approval?.votes?.map(({ user }) => user.id) ?? []).not.toContain("mallory");
    }
    await page.goto(`${page.url().split("#")[0]}#/commands`);
    await expect(page.getByText("set aside", { exact: true }).filter({ visible: true })).toHaveCount(ids.length);
  });
});
