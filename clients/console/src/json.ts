// JSON that a person decides over, shown to the letter: what is approved here must be what
// the device gets.

declare global {
  interface JSON {
    rawJSON?(text: string): unknown;
  }
}

/** Parses JSON and keeps numbers as they are written, also those that JavaScript cannot hold. */
export function parseExact(text: string): unknown {
  const raw = JSON.rawJSON;
  if (!raw) return JSON.parse(text);
  return JSON.parse(text, function (this: unknown, _key: string, value: unknown, context?: { source?: string }) {
    const source = context?.source;
    return typeof value === "number" && source !== undefined && String(value) !== source ? raw(source) : value;
  } as (this: unknown, key: string, value: unknown) => unknown);
}

/** Whether this browser can keep such numbers. */
export const keepsNumbers = typeof JSON.rawJSON === "function";

/**
 * Characters that change how others look or cannot be seen: of control, of direction, of no
 * width, and the blanks that are none.
 */
const deceptive = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\u115f\u1160\u2800\u3164\uffa0]/gu;

/** Writes JSON for people: indented, and with nothing in it that is not seen as it is. */
export function writeExact(value: unknown): string {
  return JSON.stringify(value, null, 2)
    .split("\n")
    .map((line) => reveal(line))
    .join("\n");
}

/** Writes the characters that deceive as escapes. */
export function reveal(text: string): string {
  return text.replace(deceptive, (found) =>
    Array.from({ length: found.length }, (_, i) => `\\u${found.charCodeAt(i).toString(16).padStart(4, "0")}`).join(""),
  );
}

/** The same for text of several lines. */
export function revealLines(text: string): string {
  return text
    .split(/\r?\n/)
    .map((line) => line.split("\t").map(reveal).join("\t"))
    .join("\n");
}
