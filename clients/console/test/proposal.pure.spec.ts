// Tests what the form of a proposal holds and keeps, without a browser.
import { expect, test } from "@playwright/test";
import { type CommandType, commandTypes, parametersOf, problemOf, valuesFor } from "../src/schema.js";
import { looksSecret, withoutSecrets } from "../src/secrets.js";

const script = commandTypes["remediation.run_script"] as CommandType;
const log = commandTypes["diagnostic.log"] as CommandType;

test("patterns of the described types are those of a browser, and fit their examples", () => {
  // The attribute "pattern" has this flag.
  for (const [name, { properties = {} }] of Object.entries(commandTypes as Record<string, CommandType>))
    for (const [parameter, { pattern, examples = [] }] of Object.entries(properties))
      for (const example of examples)
        if (pattern)
          expect(String(example), `${name} ${parameter}`).toMatch(new RegExp(`^(?:${pattern})$`, "v" as "u"));
  expect(Object.keys(commandTypes)).toHaveLength(12);
});

test("fields and parameters become each other", () => {
  const values = { name: "greet.sh", args: ["a", ""] };
  expect(parametersOf(script, values)).toEqual(values);
  expect(valuesFor(script, JSON.stringify(values))).toEqual(values);
  expect(parametersOf(script, { name: "", args: [] })).toEqual({});
  expect(parametersOf(log, { unit: "ssh", lines: "50" })).toEqual({ unit: "ssh", lines: 50 });
  expect(valuesFor(log, '{"unit":"ssh","lines":50}')).toEqual({ unit: "ssh", lines: "50" });
  expect(parametersOf(log, { lines: "1e999" })).toEqual({ lines: "1e999" }); // the device refuses it
  expect(valuesFor(log, "{}")).toEqual({});
});

test("fields do not hold what they would change", () => {
  for (const json of [
    '{"unit":"a\\nb"}',
    '{"lines":"50"}',
    '{"lines":1.5}',
    '{"lines":12345678901234567890}',
    '{"more":1}',
    '{"__proto__":1}',
    '{"unit":""}',
    "[]",
    "1",
    "{",
  ])
    expect(valuesFor(log, json), json).toBeUndefined();
  for (const json of ['{"args":[1]}', '{"args":"a"}', '{"args":["a\\nb"]}', '{"args":null}'])
    expect(valuesFor(script, json), json).toBeUndefined();
});

test("a limit in bytes counts bytes", () => {
  expect(problemOf({ type: "string", "x-max-bytes": 4 }, "üü")).toBe("");
  expect(problemOf({ type: "string", "x-max-bytes": 3 }, "üü")).toBe("At most 3 bytes.");
});

test("what looks like a secret is found by its name and by itself", () => {
  const secrets: [string, unknown][] = [
    ["password", "x"],
    ["dbPassword", "x"],
    ["api_key", "x"],
    ["accessToken", 1],
    ["pin", "1234"],
    ["config", { wifi: { psk: "x" } }],
    ["config", [{ a: 1 }, { clientSecret: "x" }]],
    ["args", ["--password=hunter2"]],
    ["args", ["--user", "a", "--password", "hunter2"]],
    ["args", ["PASSWORD=hunter2"]],
    ["url", "https://alice:hunter2@example.com/"],
    ["url", "https://example.com/?a=b&api_key=123"],
    ["header", "Bearer abc"],
    ["text", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln"],
    ["text", "-----BEGIN PRIVATE KEY-----\nMIIE"],
    ["text", "ghp_0123456789abcdefghijklmnop"],
    ["text", "d41d8cd98f00b204e9800998ecf8427e"],
    ["text", "Zm9vYmFyQmF6MTIzNDU2Nzg5"],
  ];
  for (const [name, value] of secrets) expect(looksSecret(name, value), JSON.stringify([name, value])).toBe(true);
  const others: [string, unknown][] = [
    ["host", "example.com"],
    ["url", "https://example.com/a?b=c"],
    ["name", "restart.sh"],
    ["args", ["--hard", "modem-2", "level=3"]],
    ["lines", 50],
    ["unit", "fieldgate-agent.service"],
  ];
  for (const [name, value] of others) expect(looksSecret(name, value), JSON.stringify([name, value])).toBe(false);
  expect(withoutSecrets({ host: "a", token: "b" })).toEqual({ kept: { host: "a" }, secrets: ["token"] });
});
