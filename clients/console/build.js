// Builds the console into api/console, which the gateway embeds and serves. With --check, the
// script only compares: it fails if a file in api/console does not match the sources.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const pathOf = (path) => fileURLToPath(new URL(path, import.meta.url));
const target = pathOf("../../api/console/");

const bundled = await build({
  entryPoints: { console: pathOf("src/main.tsx") },
  outdir: target,
  bundle: true,
  minify: true,
  write: false,
  format: "iife",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  alias: { "@fieldgate/client": pathOf("../typescript/src/index.ts") },
});

const files = new Map(["index.html", "icon.svg"].map((name) => [name, readFileSync(pathOf(`src/${name}`))]));
for (const file of bundled.outputFiles) files.set(file.path.slice(target.length), Buffer.from(file.contents));

mkdirSync(target, { recursive: true });
for (const [name, content] of files) {
  if (!process.argv.includes("--check")) writeFileSync(target + name, content);
  else if (!content.equals(readBuilt(name))) {
    console.error(`api/console/${name} does not match clients/console: run make console and commit the result`);
    process.exitCode = 1;
  }
}

/** Returns a built file, or an empty buffer if it does not exist. */
function readBuilt(name) {
  try {
    return readFileSync(target + name);
  } catch {
    return Buffer.alloc(0);
  }
}
