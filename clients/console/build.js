// Builds the page into api/console, from where the gateway serves it. With --check it
// writes nothing, and fails if what is there is not what it would write.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const target = at("../../api/console/");

const bundled = await build({
  entryPoints: { console: at("src/main.tsx") },
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
  alias: { "@fieldgate/client": at("../typescript/src/index.ts") },
});

const files = new Map(["index.html", "icon.svg"].map((name) => [name, readFileSync(at(`src/${name}`))]));
for (const file of bundled.outputFiles) files.set(file.path.slice(target.length), Buffer.from(file.contents));

mkdirSync(target, { recursive: true });
for (const [name, content] of files) {
  if (!process.argv.includes("--check")) writeFileSync(target + name, content);
  else if (!content.equals(current(name))) {
    console.error(`api/console/${name} is not what clients/console gives: run make console, and commit it`);
    process.exitCode = 1;
  }
}

function current(name) {
  try {
    return readFileSync(target + name);
  } catch {
    return Buffer.alloc(0);
  }
}
