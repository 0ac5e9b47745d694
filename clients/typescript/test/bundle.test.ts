// What a page loads: a bundle without anything of Node.js, of the size that the README says.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** Bundles an entry for browsers; what only Node.js has fails the build. */
async function bundle(entry: string): Promise<Uint8Array> {
  const result = await build({
    stdin: { contents: entry, resolveDir: process.cwd() },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "browser",
    target: "es2022",
  });
  return result.outputFiles[0]?.contents as Uint8Array;
}

const kilobytes = (code: Uint8Array) => (gzipSync(code, { level: 9 }).length / 1000).toFixed(1);

test("the bundle is for browsers, and as small as the README says", async () => {
  const whole = await bundle('export * from "@fieldgate/client"');
  const calls = await bundle('export { createClient } from "@fieldgate/client"');
  const said = `A bundle has ${kilobytes(whole)} kB (minified, gzip), without sockets and lists ${kilobytes(calls)} kB.`;
  assert.ok(readFileSync("README.md", "utf8").includes(said), `the README should say: ${said}`);
});

test("what is not used is left out of a bundle", async () => {
  const calls = Buffer.from(await bundle('export { createClient } from "@fieldgate/client"')).toString();
  assert.ok(!calls.includes("fieldgate.v1"), "the sockets are in");
});
