// Reads the statement of a command: the bytes that a decision is about. The approver sees what is in them,
// and not the copies beside them.
import type { Command } from "@fieldgate/client";
import { decode } from "./base64url.js";
import { parseExact } from "./verbatim.js";

/** The members of a statement that this page knows. `rest` has all others. */
export interface Statement {
  command: string;
  deliverBy: string;
  device: { id: string; name?: string; externalId?: string; serialNumber?: string; tags?: Record<string, string> };
  maxAttempts: number;
  parameters: unknown;
  policy: {
    effect: string;
    rule?: string;
    version: string;
    approvals?: number;
    roles?: string[];
    assurance?: string;
    signInAge?: string;
    within?: string;
    reason?: boolean;
    breakGlass?: boolean;
  };
  priority: number;
  proposer: { id: string; kind: string; role?: string };
  reason?: string;
  retryOf?: string;
  session: string;
  tenant: string;
  type: string;
}

/** What a decision on a command is about. */
export interface Shown {
  /** The digest that this page has computed, or that of the gateway if the browser computes none. */
  digest: string;
  computed: boolean;
  /** `undefined` for a command that was proposed before the installation kept statements. */
  statement?: Statement;
  /** Members that this page does not know. They are shown as they are. */
  rest: Record<string, unknown>;
}

/** The version of the format that this page reads. */
const version = 1;

/** The members of a statement and of the objects in it, by their types. */
const known = {
  command: "string",
  deliverBy: "string",
  device: "object",
  maxAttempts: "number",
  parameters: "object",
  policy: "object",
  priority: "number",
  proposer: "object",
  reason: "string",
  retryOf: "string",
  session: "string",
  tenant: "string",
  type: "string",
  version: "number",
} as const;
const optional = new Set(["reason", "retryOf"]);
const nested = {
  device: { id: "string", name: "string", externalId: "string", serialNumber: "string", tags: "object" },
  policy: {
    effect: "string",
    rule: "string",
    version: "string",
    approvals: "number",
    roles: "object",
    assurance: "string",
    signInAge: "string",
    within: "string",
    reason: "boolean",
    breakGlass: "boolean",
  },
  proposer: { id: "string", kind: "string", role: "string" },
} as const;

/**
 * Returns what a decision on the command is about. It throws an error that says why the command cannot be
 * shown, so that it must not be approved.
 */
export async function readStatement(command: Command): Promise<Shown> {
  if (!command.statement) return { digest: command.digest, computed: false, rest: {} };
  const bytes = decode(command.statement);
  const digest = await digestOf(bytes);
  if (digest !== undefined && digest !== command.digest) throw new Error("The digest is not that of its statement.");
  const { statement, rest } = parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  requireSame(command, statement);
  return { digest: digest ?? command.digest, computed: digest !== undefined, statement, rest };
}

/**
 * Reports whether the rule of a command lets an admin approve it alone. It does not check the digest: it decides
 * only what is offered, and the gateway decides.
 */
export function allowsBreakGlass(command: Command): boolean {
  if (!command.statement) return false;
  const { policy } = JSON.parse(new TextDecoder().decode(decode(command.statement))) as Statement;
  return policy.breakGlass === true;
}

/** Returns the SHA-256, in hexadecimal. A browser computes it only for a page of HTTPS or localhost. */
export async function digestOf(bytes: Uint8Array<ArrayBuffer>): Promise<string | undefined> {
  if (!globalThis.crypto?.subtle) return undefined;
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(sum, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function parse(text: string): { statement: Statement; rest: Record<string, unknown> } {
  if (hasDuplicateName(text)) throw new Error("The statement has a name twice.");
  const members = parseExact(text);
  requireMembers(members, known, optional);
  if (members.version !== version) throw new Error("The statement has a version that this page does not know.");
  const rest: Record<string, unknown> = unknownIn(members, known, "");
  for (const [name, types] of Object.entries(nested)) {
    const object = members[name];
    requireMembers(object, types, new Set(Object.keys(types).filter((member) => member !== "id" && member !== "kind")));
    Object.assign(rest, unknownIn(object, types, `${name}.`));
  }
  return { statement: members as unknown as Statement, rest };
}

function requireMembers(
  object: unknown,
  types: Record<string, string>,
  optional: Set<string>,
): asserts object is Record<string, unknown> {
  if (typeof object !== "object" || object === null) throw new Error("The statement has an unknown form.");
  const members = object as Record<string, unknown>;
  for (const [name, type] of Object.entries(types)) {
    const value = members[name];
    if (value === undefined && optional.has(name)) continue;
    if (typeof value !== type || value === null) throw new Error(`The statement has no valid member “${name}”.`);
  }
}

function unknownIn(object: Record<string, unknown>, types: object, prefix: string): Record<string, unknown> {
  const others = Object.entries(object).filter(([name]) => !(name in types));
  return Object.fromEntries(others.map(([name, value]) => [prefix + name, value]));
}

/** Throws an error if the statement is not about this command. */
function requireSame(command: Command, statement: Statement): void {
  const differing = Object.entries({
    command: [command.id, statement.command],
    session: [command.sessionId, statement.session],
    device: [command.deviceId, statement.device.id],
    type: [command.type, statement.type],
    proposer: [command.proposedBy, statement.proposer.id],
    "number of attempts": [command.maxAttempts, statement.maxAttempts],
    deadline: [Date.parse(command.deliverBy), Date.parse(statement.deliverBy)],
  }).find(([, [shown, stated]]) => shown !== stated);
  if (differing) throw new Error(`The statement is about another ${differing[0]} than the command.`);
}

/** Matches the tokens of JSON that matter for its names. */
const token = /"(?:[^"\\]|\\.)*"|[{}[\]:]/gs;

/** Reports whether an object in a valid JSON text has a name twice. JSON.parse would take the last one. */
export function hasDuplicateName(text: string): boolean {
  const open: Set<string>[] = [];
  const tokens = Array.from(text.matchAll(token), ([found]) => found);
  return tokens.some((found, i) => {
    if (found === "{" || found === "[") open.push(new Set());
    else if (found === "}" || found === "]") open.pop();
    else if (found !== ":" && tokens[i + 1] === ":") {
      const names = open.at(-1);
      const name = JSON.parse(found) as string;
      if (names?.has(name)) return true;
      names?.add(name);
    }
    return false;
  });
}
