// Tests the functions of rosters, which need no browser.
import { expect, test } from "@playwright/test";
import {
  changesOf,
  documentOf,
  type Key,
  merged,
  parsePasted,
  parseRoster,
  type Roster,
  requireNext,
  sortedText,
  textOf,
  thumbprintOf,
} from "../src/roster.js";
import type { Assertion } from "../src/signing.js";

const keyOf = (kid: string, x = `x of ${kid}`): Key => ({ kty: "OKP", kid, crv: "Ed25519", alg: "EdDSA", x });

const first: Roster = {
  version: 1,
  type: "fieldgate-roster",
  threshold: 1,
  tenant: "c.acme",
  relyingParty: "example.com",
  origins: ["https://fleet.example.com"],
  approvers: [
    { user: "bob", keys: [keyOf("one")] },
    { user: "carol", keys: [keyOf("two")], email: "carol@example.com" },
  ],
};

const signature = (id: string) => ({ id }) as Assertion;

test("document of a roster has its members sorted, and survives as bytes", () => {
  const text = sortedText({ ...first, tenant: "c.ümlaut" });
  const names = Array.from(text.matchAll(/^ {2}"(\w+)":/gm), ([, name]) => name);
  expect(names).toEqual([...names].sort());
  expect(text).toMatch(/"alg": "EdDSA",\s+"crv": "Ed25519",\s+"kid": "one",\s+"kty"/);
  expect(textOf({ document: documentOf(text), signatures: [] })).toBe(text);
  expect(documentOf("x".repeat(128 << 10))).toHaveLength(174763);
});

test("changes of a roster name each approver, each key and what else differs", () => {
  const next = {
    ...first,
    threshold: 2,
    origins: ["https://evil.example.com"],
    approvers: [
      { user: "bob", keys: [keyOf("one", "another")] },
      { user: "dave", keys: [keyOf("three")] },
    ],
  };
  expect(changesOf(first, first)).toEqual([]);
  expect(changesOf(next, first)).toEqual([
    "bob signs with the passkey one too.",
    "bob signs with the passkey one no more.",
    "dave becomes an approver, with the passkeys: three",
    "carol is no approver any more.",
    "Approvers who must sign the version after it: 2, before 1",
    "Origins: https://evil.example.com, before https://fleet.example.com",
  ]);
  expect(changesOf(first, undefined)).toHaveLength(5);
});

test("signatures of other bytes are not mixed", () => {
  const draft = { text: "a", signatures: [signature("one")] };
  const same = merged(draft, { text: "a", signatures: [signature("one"), signature("two")] });
  expect(same.signatures.map(({ id }) => id)).toEqual(["one", "two"]);
  const other = { text: "b", signatures: [signature("two")] };
  expect(merged(draft, other)).toBe(other);
});

test("text that is not the next version is refused", () => {
  const text = sortedText(first);
  expect(() => parseRoster(text.replace('"tenant"', '"tenant": "c.other", "tenant"'))).toThrow("a name twice");
  expect(() => parseRoster(text.replace("fieldgate-roster", "other"))).toThrow("of the type");
  expect(() => parseRoster(text.replace('"threshold": 1', '"threshold": "1"'))).toThrow("whole numbers");
  const twice = [
    { user: "bob", keys: [keyOf("one")] },
    { user: "carol", keys: [keyOf("two", "x of one")] },
  ];
  expect(() => parseRoster(sortedText({ ...first, approvers: twice }))).toThrow("a key twice");
  expect(() => requireNext(first, first, "c.acme")).toThrow("the next version is 2");
  expect(() => requireNext(first, undefined, "c.other")).toThrow("of the tenant c.acme");
  expect(() => requireNext({ ...first, threshold: 3 }, undefined, "c.acme")).toThrow("number of approvers");
  requireNext(first, undefined, "c.acme");
});

test("text of another approver is an entry or a version", () => {
  expect(parsePasted(JSON.stringify(first.approvers[0]))).toEqual({ approver: first.approvers[0] });
  const sent = { document: documentOf("{}"), signatures: [signature("one")] };
  expect(parsePasted(JSON.stringify(sent))).toEqual({ draft: { text: "{}", signatures: sent.signatures } });
  for (const wrong of ["{}", '{"document": "e30", "signatures": [{}]}', '{"user": "bob", "keys": [{}]}', "null"])
    expect(() => parsePasted(wrong), wrong).toThrow();
});

// The key and its thumbprint are those of RFC 8037, appendix A.3.
test("thumbprint is that of RFC 7638", async () => {
  const x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
  expect(await thumbprintOf(keyOf("any", x))).toBe("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
});
