// The parameters of the command types of fieldgate-agent, for forms. The description is that of the agent, whose
// tests compare it with what the agent accepts.
import described from "../../../cmd/fieldgate-agent/commandtypes.json" with { type: "json" };
import { parseObject } from "./verbatim.js";

/** A command type in a subset of JSON Schema. */
export interface CommandType {
  description: string;
  properties?: Record<string, Property>;
  required?: string[];
}

export interface Property {
  title?: string;
  type: string;
  description?: string;
  pattern?: string;
  format?: string;
  maxLength?: number;
  /** The maximum size in bytes of UTF-8. */
  "x-max-bytes"?: number;
  minimum?: number;
  maximum?: number;
  items?: Property;
  maxItems?: number;
  examples?: (string | number)[];
}

export const commandTypes: Record<string, CommandType | undefined> = described;

/** What the fields of a form hold: a text, or the texts of a list. */
export type Values = Record<string, string | string[]>;

/** Returns the parameters for what the fields hold. A field that is empty, and a list without items, is omitted. */
export function parametersOf({ properties = {} }: CommandType, values: Values): Record<string, unknown> {
  const parameters: Record<string, unknown> = {};
  for (const [name, { type }] of Object.entries(properties)) {
    const value = values[name] ?? "";
    if (value.length === 0) continue;
    const number = type === "integer" ? Number(value) : Number.NaN;
    parameters[name] = Number.isSafeInteger(number) ? number : value;
  }
  return parameters;
}

/**
 * Returns what the fields hold for parameters in JSON, or `undefined` if they cannot hold all of it: an unknown
 * name, a value of another type, or a text with more than one line.
 */
export function valuesFor({ properties = {} }: CommandType, json: string): Values | undefined {
  const values: Values = {};
  for (const [name, value] of Object.entries(parametersIn(json) ?? { "": undefined })) {
    const type = Object.hasOwn(properties, name) ? properties[name]?.type : undefined;
    if (type === "array" && Array.isArray(value) && value.every(isLine)) values[name] = value;
    else if (type === "string" && isLine(value) && value !== "") values[name] = value;
    else if (type === "integer" && Number.isSafeInteger(value)) values[name] = String(value);
    else return undefined;
  }
  return values;
}

/** Parses a JSON object. It returns `undefined` for any other text. */
export function parametersIn(json: string): Record<string, unknown> | undefined {
  try {
    return parseObject(json);
  } catch {
    return undefined;
  }
}

const isLine = (value: unknown): value is string => typeof value === "string" && !/[\r\n]/.test(value);

/** Returns what is wrong with a text that the browser cannot check by itself, or "". */
export function problemOf(property: Property, text: string): string {
  const limit = property["x-max-bytes"];
  if (limit !== undefined && new TextEncoder().encode(text).length > limit) return `At most ${limit} bytes.`;
  return "";
}
