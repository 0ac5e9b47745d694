// Tests the published npm package with programs of each module system.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { before, test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const consumer = ".build/consumer";
const installed = `${consumer}/node_modules/@fieldgate/client`;
const program = `
import { connect, createClient, FieldgateError, list, rooms } from "@fieldgate/client";
import { WebSocket } from "ws";
const client = createClient({ baseUrl: "http://127.0.0.1:1", token: () => "none" });
connect(client, { WebSocket }).close();
export const names = async () => {
  const found: string[] = [];
  for await (const device of list(client, "/api/v1/customer/devices")) found.push(device.name);
  return found;
};
console.log(typeof FieldgateError, rooms.device("dev_1"));
`;

before(async () => {
  rmSync(consumer, { recursive: true, force: true });
  mkdirSync(installed, { recursive: true });
  await run("npm", ["pack", "--silent", "--pack-destination", consumer]);
  const packed = readdirSync(consumer).find((name) => name.endsWith(".tgz")) as string;
  await run("tar", ["-xzf", `${consumer}/${packed}`, "-C", installed, "--strip-components=1"]);
  writeFileSync(`${consumer}/package.json`, '{"name": "consumer", "private": true, "type": "module"}');
  writeFileSync(`${consumer}/main.ts`, program);
  writeFileSync(`${consumer}/main.cjs`, 'console.log(typeof require("@fieldgate/client").FieldgateError);');
  writeFileSync(
    `${consumer}/no-websocket.mjs`,
    `import { connect, createClient } from "@fieldgate/client";
     connect(createClient({ baseUrl: "http://127.0.0.1:1" }), { WebSocket: undefined });`,
  );
});

for (const [module, resolution, lib] of [
  ["node16", "node16", "es2022"],
  ["nodenext", "nodenext", "es2022,dom"],
  ["esnext", "bundler", "es2022,dom"],
] as const) {
  test(`package has its types in a strict program with ${resolution} and ${lib}`, async () => {
    const strict = [
      "--strict",
      "--exactOptionalPropertyTypes",
      "--noUncheckedIndexedAccess",
      "--noPropertyAccessFromIndexSignature",
    ];
    const kind = ["--target", "es2022", "--module", module, "--moduleResolution", resolution, "--lib", lib];
    await run("npx", ["tsc", ...strict, ...kind, "--types", "node", `${consumer}/main.ts`]).catch(
      (error: { stdout: string }) => assert.fail(error.stdout),
    );
  });
}

test("package runs in Node.js with import and with require", async (t) => {
  assert.equal((await run("node", [`${consumer}/main.js`])).stdout, "function device:dev_1\n");
  if (!(process.features as { require_module?: boolean }).require_module)
    return t.skip("this Node.js cannot require modules");
  assert.equal((await run("node", [`${consumer}/main.cjs`])).stdout, "function\n");
});

test("connect names the remedy on a platform without a WebSocket", async (t) => {
  if (globalThis.WebSocket) return t.skip("this Node.js has a WebSocket");
  await assert.rejects(
    run("node", [`${consumer}/no-websocket.mjs`]),
    /pass one in the options, such as that of the package ws/,
  );
});

test("package contains the sources of its source maps", () => {
  const maps = readdirSync(`${installed}/dist`).filter((name) => name.endsWith(".map"));
  assert.ok(maps.length > 20);
  for (const map of maps) {
    const { sources } = JSON.parse(readFileSync(`${installed}/dist/${map}`, "utf8"));
    for (const source of sources) assert.ok(existsSync(`${installed}/dist/${source}`), `${map}: ${source}`);
  }
});
