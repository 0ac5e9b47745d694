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
 * What changes how other text looks, or cannot be seen as it is: characters of control and
 * of direction, those without width or meaning, blanks other than the space, and heaps of
 * marks that reach over their neighbours.
 */
const deceptive = /[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{DI}\u2800]|(?! )\p{Zs}|(?<=\p{M}{3})\p{M}/gu;

/** What JSON writes as an escape because it could not be seen, and no backslash before a u. */
const written = /\\u[0-9a-f]{4}(?<=(?<!\\)(?:\\\\)*\\u[0-9a-f]{4})/;

/** Whether a word has letters that look alike and are not: Latin ones, and others. */
function isMixed(word: string): boolean {
  return /\p{sc=Latin}/u.test(word) && /[\p{sc=Cyrl}\p{sc=Grek}\p{sc=Armn}]/u.test(word);
}

/** Writes JSON for people: indented, and with nothing in it that is not seen as it is. */
export function writeExact(value: unknown): Piece[] {
  return pieces(JSON.stringify(value, null, 2), `|${written.source}`);
}

/** A part of a text, and what is odd about it. */
export interface Piece {
  text: string;
  odd?: "unseen" | "mixed";
}

/** Takes text of several lines apart into what is plain and what deceives. */
export function pieces(text: string, escapes = ""): Piece[] {
  const found: Piece[] = [];
  const plain = `(?!${deceptive.source})[\\p{L}\\p{M}\\p{N}_]`;
  const kinds = new RegExp(`(${deceptive.source}${escapes})|(?:${plain})+`, "gu");
  let from = 0;
  for (const match of text.matchAll(kinds)) {
    const [all, unseen] = match;
    if (unseen === undefined ? !isMixed(all) : isLayout(all, text[match.index + 1])) continue;
    if (match.index > from) found.push({ text: text.slice(from, match.index) });
    from = match.index + all.length;
    if (unseen === undefined) found.push({ text: all, odd: "mixed" });
    else addUnseen(found, all.startsWith("\\") ? all : escaped(all));
  }
  if (from < text.length) found.push({ text: text.slice(from) });
  return found;
}

// Many in a row are one piece: there may be thousands.
function addUnseen(found: Piece[], text: string): void {
  const last = found.at(-1);
  if (last?.odd === "unseen") last.text += text;
  else found.push({ text, odd: "unseen" });
}

const isLayout = (found: string, next?: string) =>
  found === "\n" || found === "\t" || (found === "\r" && next === "\n");

/** Writes the characters that deceive as escapes, on one line. */
export function reveal(text: string): string {
  return text.replace(deceptive, escaped);
}

function escaped(text: string): string {
  return Array.from({ length: text.length }, (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, "0")}`).join(
    "",
  );
}
