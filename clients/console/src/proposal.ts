// What the form of a proposal holds, and what the browser keeps of proposals.
import { type Saved, save, savedItems } from "./saved.js";
import { type CommandType, commandTypes, parametersIn, parametersOf, type Values, valuesFor } from "./schema.js";
import { withoutSecrets } from "./secrets.js";
import { parseObject } from "./verbatim.js";

/** A proposal that is being written. Its parameters are in fields, or without `values` in JSON. */
export interface Proposal {
  type: string;
  values?: Values;
  json: string;
}

/** Returns the description of a type, if the page knows it. */
export function describedType(type: string): CommandType | undefined {
  return Object.hasOwn(commandTypes, type) ? commandTypes[type] : undefined;
}

/** Returns the parameters of a proposal in JSON. */
export function jsonOf({ type, values, json }: Proposal): string {
  const described = describedType(type);
  return described && values ? JSON.stringify(parametersOf(described, values), null, 2) : json;
}

/** Returns a proposal whose parameters are in fields if they can be. */
export function proposalOf(type: string, json: string): Proposal {
  const described = describedType(type);
  const values = described && valuesFor(described, json);
  return values ? { type, values, json } : { type, json };
}

/** Returns a proposal of another type, which keeps what fits. JSON that was written by hand stays as it is. */
export function withType(before: Proposal, type: string): Proposal {
  const json = jsonOf(before);
  const described = describedType(type);
  if (!described || !before.values) return proposalOf(type, json);
  const fitting = Object.entries(parametersIn(json) ?? {}).filter(([name]) => described.properties?.[name]);
  return proposalOf(type, JSON.stringify(Object.fromEntries(fitting)));
}

/** Returns what a template keeps of a proposal. It throws an error if the parameters are not valid. */
export function templateOf(proposal: Proposal): string {
  const { kept } = withoutSecrets(parseObject(jsonOf(proposal)));
  return JSON.stringify({ type: proposal.type, json: JSON.stringify(kept, null, 2) });
}

/** Returns the proposal that a template has kept. */
export function fromTemplate(template: string): Proposal | undefined {
  const found = parametersIn(template);
  if (typeof found?.type !== "string" || typeof found.json !== "string") return undefined;
  return proposalOf(found.type, found.json);
}

/** Keeps what was proposed, to be offered again. */
export function rememberUsed(proposal: Proposal): void {
  try {
    save("used", proposal.type, templateOf(proposal));
  } catch {
    // The browser has no space, or is told to keep nothing. The proposal was made nevertheless.
  }
}

/** Returns what was used last for a type, or for each type if none is chosen. */
export function lastUsed(type: string): Saved[] {
  return savedItems("used")
    .filter(({ name }) => type === "" || name === type)
    .map(({ name, value }) => ({ name: `Last used: ${summaryOf(name, value)}`, value }));
}

/** The number of characters of a summary. */
const maxSummary = 70;

function summaryOf(type: string, template: string): string {
  const values = parametersIn(String(parametersIn(template)?.json)) ?? {};
  const textOf = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  const parts = Object.entries(values).map(([name, value]) => `${name} ${[value].flat().map(textOf).join(" ")}`);
  const text = [type, ...parts].join(", ");
  return text.length > maxSummary ? `${text.slice(0, maxSummary)}…` : text;
}
