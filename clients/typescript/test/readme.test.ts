// Type-checks and runs the samples of the README. It does the same with the sample of the guide
// for teams that generate their own client.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import { registeredDevice, startGateway } from "./gateway.js";

const run = promisify(execFile);
const gateway = await startGateway();

/** Declares the names that the samples use but do not declare. */
const prelude = `import { WebSocket } from "ws";
const baseUrl = process.env.GATEWAY_URL as string;
const accessToken = async (_?: { otherThan: string | undefined }) => process.env.GATEWAY_TOKEN as string;
void [WebSocket, baseUrl, accessToken];
`;

const text = readFileSync("README.md", "utf8");
const samples = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => match[1] as string);
const folder = ".build/samples";
const config = {
  extends: "../../test/tsconfig.json",
  compilerOptions: { rootDir: ".", outDir: "out", noUnusedLocals: false },
  include: ["."],
};

test("README has samples that compile and run", async () => {
  assert.ok(samples.length >= 5);
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/tsconfig.json`, JSON.stringify(config));
  for (const [i, sample] of samples.entries()) writeFileSync(`${folder}/sample${i}.ts`, prelude + sample);
  await run("npx", ["tsc", "-p", folder]).catch((error: { stdout: string }) => assert.fail(error.stdout));
  await registeredDevice(gateway.client());
  const env = { ...process.env, GATEWAY_URL: gateway.url, GATEWAY_TOKEN: await gateway.token() };
  for (const i of samples.keys()) await run("node", [`${folder}/out/sample${i}.js`], { env, timeout: 20_000 });
});

test("guide leads to a working generated client", async () => {
  const guide = readFileSync("../../docs/guides/typescript.md", "utf8");
  const [, options] = guide.match(/npx openapi-typescript@7 http:\/\/localhost:8080(\/openapi.yaml .*)/) as string[];
  assert.equal(guide.match(/^```ts$/gm)?.length, 1, "this test runs only the first sample");
  const directory = ".build/guide";
  mkdirSync(directory, { recursive: true });
  const [path, ...rest] = (options as string).replace("src/", `${directory}/`).split(" ");
  await run("npx", ["openapi-typescript", gateway.url + path, ...rest]);
  const values = `const baseUrl = process.env.GATEWAY_URL as string;\nconst token = process.env.GATEWAY_TOKEN as string;\n`;
  writeFileSync(`${directory}/sample.ts`, values + guide.match(/^```ts\n(.*?)^```$/ms)?.[1]);
  writeFileSync(`${directory}/tsconfig.json`, JSON.stringify(config));
  await run("npx", ["tsc", "-p", directory]).catch((error: { stdout: string }) => assert.fail(error.stdout));
  const env = { ...process.env, GATEWAY_URL: gateway.url, GATEWAY_TOKEN: await gateway.token() };
  const { stdout } = await run("node", [`${directory}/out/sample.js`], { env, timeout: 20_000 });
  assert.match(stdout, /^dev_\S+ \S+\n$/);
});
