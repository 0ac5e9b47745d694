// Tests the bundle that a page loads: its size, and that it uses no module of Node.js.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** Bundles an entry for browsers. The build fails if the bundle needs a module of Node.js. */
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

test("bundle is for browsers and has the size that the README states", async () => {
  const everything = await bundle('export * from "@fieldgate/client"');
  const calls = await bundle('export { createClient } from "@fieldgate/client"');
  const sentence = `A bundle of everything has ${kilobytes(everything)} kB (minified, gzip), and one without sockets and lists ${kilobytes(calls)} kB.`;
  assert.ok(readFileSync("README.md", "utf8").includes(sentence), `the README needs this sentence: ${sentence}`);
});

test("bundle omits unused exports", async () => {
  const calls = Buffer.from(await bundle('export { createClient } from "@fieldgate/client"')).toString();
  assert.ok(!calls.includes("fieldgate.v1"), "the bundle contains the sockets");
});
