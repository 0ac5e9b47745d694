// Rosters: the versions of the list of approvers with their passkeys, and the document of the next one.
import type { Schemas } from "@fieldgate/client";
import { decode, encode } from "./base64url.js";
import type { Assertion } from "./signing.js";
import { hasDuplicateName } from "./statement.js";

export type Key = Schemas["PasskeyKey"];
export type SignedVersion = Schemas["RosterVersion"];

/** A version of a roster. The gateway and devices refuse a document with other members. */
export interface Roster {
  approvers: Approver[];
  origins: string[];
  relyingParty: string;
  tenant: string;
  threshold: number;
  type: string;
  version: number;
}

export interface Approver {
  email?: string;
  keys: Key[];
  user: string;
}

/** A document with the signatures of approvers, as approvers send it to one another. */
export interface Draft {
  /** The document. Its bytes in UTF-8 are what approvers sign. */
  text: string;
  signatures: Assertion[];
}

const type = "fieldgate-roster";

/** Returns a value as JSON whose members are sorted by name. The gateway refuses another order. */
export function sortedText(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) => (isObject(member) ? sorted(member) : member), 2);
}

function sorted(object: object): object {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Returns the roster in a text. It throws an error that says what is wrong with the text. */
export function parseRoster(text: string): Roster {
  const value: unknown = JSON.parse(text);
  if (hasDuplicateName(text)) throw new Error("The document has a name twice.");
  if (!isObject(value) || value.type !== type)
    throw new Error(`The document must be a JSON object of the type ${type}.`);
  const { approvers, origins, relyingParty, tenant, threshold, version } = value;
  if (!Array.isArray(approvers) || !approvers.every(isApprover))
    throw new Error('Each of "approvers" needs a "user" and a list of "keys".');
  if (hasKeyTwice(approvers)) throw new Error("The document has a key twice, perhaps under different ids.");
  if (!Array.isArray(origins) || typeof relyingParty !== "string" || typeof tenant !== "string")
    throw new Error('The document needs "origins", "relyingParty" and "tenant".');
  if (!Number.isInteger(threshold) || !Number.isInteger(version))
    throw new Error('"threshold" and "version" must be whole numbers.');
  return value as unknown as Roster;
}

/**
 * Reports whether a key is in a roster twice: one person would count as two. The x coordinate stands for a key, because
 * who has a key also has the one with the other y.
 */
function hasKeyTwice(approvers: Approver[]): boolean {
  const keys = approvers.flatMap((approver) => approver.keys);
  return new Set(keys.map(({ kid }) => kid)).size < keys.length || new Set(keys.map(({ x }) => x)).size < keys.length;
}

function isApprover(value: unknown): value is Approver {
  if (!isObject(value) || typeof value.user !== "string" || !Array.isArray(value.keys)) return false;
  return value.keys.every((key) => isObject(key) && typeof key.kid === "string" && typeof key.x === "string");
}

/** Returns the text of the document in a version. */
export function textOf(version: SignedVersion): string {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(decode(version.document));
}

/** Returns the bytes of a document in base64url. */
export function documentOf(text: string): string {
  return encode(new TextEncoder().encode(text));
}

/** Throws an error if the roster is not the next version after `current`, which is `undefined` for the first. */
export function requireNext(next: Roster, current: Roster | undefined, tenant: string): void {
  const expected = (current?.version ?? 0) + 1;
  if (next.version !== expected)
    throw new Error(`The document is version ${next.version}, and the next version is ${expected}.`);
  if (next.tenant !== tenant) throw new Error(`The document is of the tenant ${next.tenant}, and not of ${tenant}.`);
  if (next.threshold < 1 || next.threshold > next.approvers.length)
    throw new Error('"threshold" must be from 1 to the number of approvers.');
}

/** Returns a roster with another approver, or with other keys of one who is in it. */
export function withApprover(roster: Roster, approver: Approver): Roster {
  const others = roster.approvers.filter(({ user }) => user !== approver.user);
  return { ...roster, approvers: [...others, approver] };
}

/** What an approver copies to another one: their own entry, or a draft. */
export type Pasted = { approver: Approver } | { draft: Draft };

/** Returns what a text of another approver contains. */
export function parsePasted(text: string): Pasted {
  const value: unknown = JSON.parse(text);
  if (hasDuplicateName(text)) throw new Error("The text has a name twice.");
  if (isApprover(value)) return { approver: value };
  if (!isObject(value) || typeof value.document !== "string" || !Array.isArray(value.signatures))
    throw new Error("The text is neither the entry of an approver nor a version with signatures.");
  if (!value.signatures.every((signature) => isObject(signature) && typeof signature.id === "string"))
    throw new Error("A signature in the text has no id of a passkey.");
  const draft = { text: textOf(value as SignedVersion), signatures: value.signatures as Assertion[] };
  return { draft };
}

/** Returns a draft with the signatures of another one, if both are of the same document. Otherwise the other replaces it. */
export function merged(draft: Draft, other: Draft): Draft {
  if (draft.text !== other.text) return other;
  const added = other.signatures.filter(({ id }) => !draft.signatures.some((signature) => signature.id === id));
  return { text: draft.text, signatures: [...draft.signatures, ...added] };
}

/** Returns the user of the passkey with an id, or `undefined` if the passkey is not in the roster. */
export function signerOf(roster: Roster, passkeyId: string): string | undefined {
  return roster.approvers.find(({ keys }) => keys.some(({ kid }) => kid === passkeyId))?.user;
}

/** Reports whether a key is that of a user in a roster, so that devices count what it signs. */
export function isKeyOf(roster: Roster, user: string, key: Key): boolean {
  return roster.approvers.some((approver) => approver.user === user && includesKey(approver.keys, key));
}

/** Returns what the next version changes, as sentences. All approvers of a first version are new. */
export function changesOf(next: Roster, current: Roster | undefined): string[] {
  const before = new Map(current?.approvers.map((approver) => [approver.user, approver]));
  const after = new Map(next.approvers.map((approver) => [approver.user, approver]));
  const changes = next.approvers.flatMap((approver) => changesOfApprover(approver, before.get(approver.user)));
  for (const user of before.keys()) if (!after.has(user)) changes.push(`${user} is no approver any more.`);
  for (const [what, of] of Object.entries(facts))
    if (!current) changes.push(`${what}: ${of(next)}`);
    else if (of(next) !== of(current)) changes.push(`${what}: ${of(next)}, before ${of(current)}`);
  return changes;
}

const facts: Record<string, (roster: Roster) => string> = {
  "Approvers who must sign the version after it": ({ threshold }) => String(threshold),
  "Relying party": ({ relyingParty }) => relyingParty,
  Origins: ({ origins }) => origins.join(", "),
};

function changesOfApprover(next: Approver, before: Approver | undefined): string[] {
  const name = next.email ? `${next.user} (${next.email})` : next.user;
  if (!before) return [`${name} becomes an approver, with the passkeys: ${next.keys.map(shortId).join(", ")}`];
  const added = next.keys.filter((key) => !includesKey(before.keys, key));
  const removed = before.keys.filter((key) => !includesKey(next.keys, key));
  const changes = added.map((key) => `${name} signs with the passkey ${shortId(key)} too.`);
  changes.push(...removed.map((key) => `${name} signs with the passkey ${shortId(key)} no more.`));
  if (next.email !== before.email) changes.push(`The e-mail address of ${next.user} is ${next.email ?? "removed"}.`);
  return changes;
}

/** Reports whether a list has a key with all its members: an id alone does not tell which key it is. */
function includesKey(keys: Key[], key: Key): boolean {
  return keys.some((other) => sortedText(other) === sortedText(key));
}

/** Returns the beginning of the id of a passkey. */
export function shortId({ kid }: Key): string {
  return kid.length > 12 ? `${kid.slice(0, 12)}…` : kid;
}

/** Returns the thumbprint of a key (RFC 7638), by which users compare it. */
export async function thumbprintOf({ crv, kty, x, y }: Key): Promise<string> {
  const text = JSON.stringify(y === undefined ? { crv, kty, x } : { crv, kty, x, y });
  return encode(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}
