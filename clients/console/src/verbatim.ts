// Parses and writes JSON and text without changes, so that an approver sees a command exactly
// as the device receives it.

import type { Schemas } from "@fieldgate/client";

declare global {
  interface JSON {
    rawJSON?(text: string): unknown;
  }
}

/** Parses JSON. It keeps the digits of numbers that JavaScript would round or rewrite. */
export function parseExact(text: string): unknown {
  const raw = JSON.rawJSON;
  if (!raw) return JSON.parse(text);
  return JSON.parse(text, function (this: unknown, _key: string, value: unknown, context?: { source?: string }) {
    const source = context?.source;
    return typeof value === "number" && source !== undefined && String(value) !== source ? raw(source) : value;
  } as (this: unknown, key: string, value: unknown) => unknown);
}

/**
 * Parses a JSON object. If the text is anything else, it throws an error with a message for the
 * user.
 */
export function parseObject(text: string): Schemas["CommandParameters"] {
  let value: unknown;
  try {
    value = parseExact(text.trim() === "" ? "{}" : text);
  } catch {
    throw new Error("The parameters are not valid JSON.");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error("The parameters must be a JSON object, such as {}.");
  return value as Schemas["CommandParameters"];
}

/** Whether parseExact can keep all digits of a number in this browser. */
export const keepsNumbers = typeof JSON.rawJSON === "function";

/**
 * Matches characters that are invisible or change how other text looks. These are control and
 * direction characters, characters without width or meaning, and all blanks except the space. A
 * letter may have three combining marks: further marks match too, because they cover other
 * letters.
 */
const deceptive = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{DI}\u2800]|(?! )\p{Zs}|(?<=\p{M}{3})\p{M}/gu;

/** Matches an escape that JSON.stringify wrote. It does not match an escaped backslash before a "u". */
const jsonEscape = /\\u[0-9a-f]{4}(?<=(?<!\\)(?:\\\\)*\\u[0-9a-f]{4})/;

/**
 * Letters of other scripts that look like Latin ones: those of Unicode Technical Standard 39,
 * confusables.txt, whose target is an ASCII letter.
 */
const looksLatin = /^[аеорсухіјѕһԁԛԝүѵАВЕКМНОРСТУХІЈЅԌԚԜοαγινρσυΑΒΕΖΗΙΚΜΝΟΡΤΥΧոսցօհզյՏՍՕԼ0-9_]+$/u;

/** Reports whether a word has letters of another script that readers may take for Latin ones. */
function isMixed(word: string): boolean {
  if (!/[\p{sc=Cyrl}\p{sc=Grek}\p{sc=Armn}]/u.test(word)) return false;
  return /\p{sc=Latin}/u.test(word) || looksLatin.test(word);
}

/** Returns a value as indented JSON, in segments. Deceptive characters are written as escapes. */
export function writeExact(value: unknown): Segment[] {
  return segmentsOf(JSON.stringify(value, null, 2), `|${jsonEscape.source}`);
}

/** A part of a text. `warning` says what is deceptive about it. */
export interface Segment {
  text: string;
  warning?: "invisible" | "mixed";
}

/**
 * Splits a text, which may have several lines, into plain and deceptive segments. `escapes` is
 * part of a regular expression, or empty. Text that matches it is treated as deceptive too.
 */
export function segmentsOf(text: string, escapes = ""): Segment[] {
  const segments: Segment[] = [];
  const plain = `(?!${deceptive.source})[\\p{L}\\p{M}\\p{N}_]`;
  const matcher = new RegExp(`(${deceptive.source}${escapes})|(?:${plain})+`, "gu");
  let end = 0;
  for (const match of text.matchAll(matcher)) {
    const [all, invisible] = match;
    if (invisible === undefined ? !isMixed(all) : isLayout(all, text[match.index + 1])) continue;
    if (match.index > end) segments.push({ text: text.slice(end, match.index) });
    end = match.index + all.length;
    if (invisible === undefined) segments.push({ text: all, warning: "mixed" });
    else addInvisible(segments, all.startsWith("\\") ? all : escapeOf(all));
  }
  if (end < text.length) segments.push({ text: text.slice(end) });
  return segments;
}

// Adds invisible characters to the segments. Adjacent ones share a segment, because there may be
// thousands of them.
function addInvisible(segments: Segment[], text: string): void {
  const last = segments.at(-1);
  if (last?.warning === "invisible") last.text += text;
  else segments.push({ text, warning: "invisible" });
}

/** The characters of scripts that are written from right to left, with their marks and digits. */
const fromRight = "[\\u0590-\\u08ff\\ufb1d-\\ufdff\\ufe70-\\ufefc\\u{10800}-\\u{10fff}\\u{1e800}-\\u{1efff}]+";
const rightToLeft = new RegExp(`(${fromRight}(?: +${fromRight})*)`, "u");

/**
 * Splits a text into runs. Those with odd indexes are written from right to left. If each of them is
 * isolated, the digits and signs beside it keep their places.
 */
export function runsOf(text: string): string[] {
  return text.split(rightToLeft);
}

/** Splits segments into lines. */
export function linesOf(segments: Segment[]): Segment[][] {
  const lines: Segment[][] = [[]];
  for (const { text, warning } of segments) {
    const parts = warning ? [text] : text.split("\n");
    parts.forEach((part, i) => {
      if (i > 0) lines.push([]);
      if (part !== "") lines.at(-1)?.push(warning ? { text: part, warning } : { text: part });
    });
  }
  return lines;
}

/** Splits segments after a number of characters. A deceptive segment stays whole. */
export function splitSegments(segments: Segment[], length: number): [Segment[], Segment[]] {
  const begin: Segment[] = [];
  const end: Segment[] = [];
  let left = length;
  for (const segment of segments) {
    const { text, warning } = segment;
    if (left <= 0) end.push(segment);
    else if (warning || text.length <= left) begin.push(segment);
    else {
      const at = isLowSurrogate(text.charCodeAt(left)) ? left + 1 : left;
      begin.push({ text: text.slice(0, at) });
      if (at < text.length) end.push({ text: text.slice(at) });
    }
    left -= text.length;
  }
  return [begin, end];
}

const isLowSurrogate = (code: number) => code >= 0xdc00 && code <= 0xdfff;

/** Reports whether a character is a tab or part of a line break. These are not marked as deceptive. */
const isLayout = (character: string, next?: string) =>
  character === "\n" || character === "\t" || (character === "\r" && next === "\n");

function escapeOf(text: string): string {
  return Array.from({ length: text.length }, (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, "0")}`).join(
    "",
  );
}
