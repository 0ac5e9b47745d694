// Generates the types of all operations from openapi.yaml. It also generates lists of values
// from openapi.yaml and asyncapi.yaml. With --check, the script only compares: it fails if a
// generated file does not match the contract.
import { readFileSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";

const urlOf = (path) => new URL(path, import.meta.url);
const contract = readFileSync(urlOf("../../../openapi.yaml"), "utf8");
const sockets = readFileSync(urlOf("../../../asyncapi.yaml"), "utf8");
const header = "// Generated from openapi.yaml and asyncapi.yaml by `npm run generate`. Do not edit.\n\n";

/** Returns the problem codes in the table under "Errors". */
function problemCodes() {
  return [...contract.matchAll(/^ +\| `([a-z_]+)` \| [45]\d\d \|/gm)].map((row) => row[1]);
}

/** Returns the types of the events in rooms. */
function eventTypes() {
  const [, list] = sockets.match(/^ {4}EventType:\n(?: {6}.*\n)*? {6}enum:\n((?: {8}- .*\n?)+)/m);
  return [...list.matchAll(/- (\S+)/g)].map((item) => item[1]);
}

/** Returns the operations that take an Idempotency-Key, such as "POST /api/v1/customer/sessions". */
function keyedOperations() {
  const keyed = [];
  let path;
  let method;
  for (const line of contract.split("\ncomponents:\n")[0].split("\n")) {
    path = line.match(/^ {2}(\/\S*):$/)?.[1] ?? path;
    method = line.match(/^ {4}(get|put|post|patch|delete):$/)?.[1] ?? method;
    if (/^ {8}- \$ref: '#\/components\/parameters\/IdempotencyKey'$/.test(line)) {
      keyed.push(`${method.toUpperCase()} ${path}`);
    }
  }
  return keyed;
}

/** Returns the declaration of a union type. It throws if there are no values. */
function union(name, comment, values) {
  if (values.length === 0) throw new Error(`${name}: the contract has no values`);
  return `/** ${comment} */\nexport type ${name} =\n${values.map((value) => `  | ${JSON.stringify(value)}`).join("\n")};\n`;
}

/** Returns the content of contract.gen.ts. */
function contractLists() {
  const keyed = keyedOperations();
  return [
    union("ProblemCode", "The codes with which the gateway refuses a request.", problemCodes()),
    union("EventType", "What happens in a room.", eventTypes()),
    union("KeyedOperation", "The operations that take an `Idempotency-Key`.", keyed),
    `export const keyedOperations: readonly KeyedOperation[] = ${JSON.stringify(keyed, null, 2).replace(/"\n\]/, '",\n]')};\n`,
  ].join("\n");
}

const files = {
  "../src/openapi.gen.ts": header + astToString(await openapiTS(contract, { silent: true, defaultNonNullable: false })),
  "../src/contract.gen.ts": header + contractLists(),
};
for (const [path, text] of Object.entries(files)) {
  if (!process.argv.includes("--check")) {
    writeFileSync(urlOf(path), text);
  } else if (readFileSync(urlOf(path), "utf8") !== text) {
    console.error(`${path.slice(3)} does not match the contract: run npm run generate and commit the result`);
    process.exitCode = 1;
  }
}
