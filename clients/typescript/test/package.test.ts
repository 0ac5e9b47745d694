// The package as it is published, used by programs of each kind.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { before, test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const home = ".build/consumer";
const installed = `${home}/node_modules/@fieldgate/client`;
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
  rmSync(home, { recursive: true, force: true });
  mkdirSync(installed, { recursive: true });
  await run("npm", ["pack", "--silent", "--pack-destination", home]);
  const packed = readdirSync(home).find((name) => name.endsWith(".tgz")) as string;
  await run("tar", ["-xzf", `${home}/${packed}`, "-C", installed, "--strip-components=1"]);
  writeFileSync(`${home}/package.json`, '{"name": "consumer", "private": true, "type": "module"}');
  writeFileSync(`${home}/main.ts`, program);
  writeFileSync(`${home}/main.cjs`, 'console.log(typeof require("@fieldgate/client").FieldgateError);');
  writeFileSync(
    `${home}/nothing.mjs`,
    `import { connect, createClient } from "@fieldgate/client";
     connect(createClient({ baseUrl: "http://127.0.0.1:1" }), { WebSocket: undefined });`,
  );
});

for (const [module, resolution, lib] of [
  ["node16", "node16", "es2022"],
  ["nodenext", "nodenext", "es2022,dom"],
  ["esnext", "bundler", "es2022,dom"],
] as const) {
  test(`a strict program finds its types with ${resolution} and ${lib}`, async () => {
    const strict = [
      "--strict",
      "--exactOptionalPropertyTypes",
      "--noUncheckedIndexedAccess",
      "--noPropertyAccessFromIndexSignature",
    ];
    const kind = ["--target", "es2022", "--module", module, "--moduleResolution", resolution, "--lib", lib];
    await run("npx", ["tsc", ...strict, ...kind, "--types", "node", `${home}/main.ts`]).catch(
      (error: { stdout: string }) => assert.fail(error.stdout),
    );
  });
}

test("a program of Node.js runs with it, as a module and with require", async (t) => {
  assert.equal((await run("node", [`${home}/main.js`])).stdout, "function device:dev_1\n");
  if (!(process.features as { require_module?: boolean }).require_module)
    return t.skip("this Node.js cannot require modules");
  assert.equal((await run("node", [`${home}/main.cjs`])).stdout, "function\n");
});

test("a platform without a WebSocket is told how to get one", async (t) => {
  if (globalThis.WebSocket) return t.skip("this Node.js has one");
  await assert.rejects(run("node", [`${home}/nothing.mjs`]), /pass one in the options, such as that of the package ws/);
});

test("each source map leads to a source that is there", () => {
  const maps = readdirSync(`${installed}/dist`).filter((name) => name.endsWith(".map"));
  assert.ok(maps.length > 20);
  for (const map of maps) {
    const { sources } = JSON.parse(readFileSync(`${installed}/dist/${map}`, "utf8"));
    for (const source of sources) assert.ok(existsSync(`${installed}/dist/${source}`), `${map}: ${source}`);
  }
});
