// Reads the colours and the weight that programs give their output on a terminal (ECMA-48, SGR). No other
// sequence of a terminal is interpreted.

/** How a part of an output looks. */
export interface Style {
  /** The colour, from 1, red, to 6, cyan, or 7 for a faint one. 0 is the colour of other text. */
  color: number;
  bold: boolean;
}

export const plainStyle: Style = { color: 0, bold: false };

/** A change of the style before the character at `at`. */
export interface StyleChange {
  at: number;
  style: Style;
}

/** A text without its colours, and where they change. `end` is the style after the text. */
export interface Uncoloured {
  text: string;
  changes: StyleChange[];
  end: Style;
}

const start = "\u001b[";
/** Matches the rest of a sequence that sets colours. A longer one is shown as text. */
const rest = /([0-9;:]{0,64})m/y;

/** Removes the sequences that set colours from a text that begins in the style `begin`. */
export function uncolour(text: string, begin: Style): Uncoloured {
  const changes: StyleChange[] = [];
  let [plain, from, end] = ["", 0, begin];
  for (let at = text.indexOf(start); at >= 0; at = text.indexOf(start, at + 1)) {
    rest.lastIndex = at + start.length;
    const codes = rest.exec(text)?.[1];
    if (codes === undefined) continue;
    plain += text.slice(from, at);
    from = rest.lastIndex;
    end = applied(end, codes);
    changes.push({ at: plain.length, style: end });
  }
  return { text: plain + text.slice(from), changes, end };
}

/**
 * Returns a style after the codes of a sequence. Backgrounds, inversion and hidden text are ignored, so that no
 * output can make its text invisible.
 */
function applied(before: Style, codes: string): Style {
  let { color, bold } = before;
  const list = codes.split(";");
  for (let i = 0; i < list.length; i++) {
    const [code = 0, ...parts] = (list[i] as string).split(":").map(Number);
    if (code === 0) [color, bold] = [0, false];
    else if (code === 1) bold = true;
    else if (code === 22) bold = false;
    else if (code === 39) color = 0;
    else if (code === 38 || code === 48) {
      const given = parts.length > 0 ? parts : list.slice(i + 1).map(Number);
      if (parts.length === 0) i += given[0] === 5 ? 2 : given[0] === 2 ? 4 : 0;
      if (code === 38) color = given[0] === 5 ? hueOf(given[1]) : 0;
    } else if (code >= 30 && code <= 37) color = hueOf(code - 30);
    else if (code >= 90 && code <= 97) color = hueOf(code - 82);
  }
  return { color, bold };
}

/** Returns the colour of a number of the palette. Black and white are the colour of other text, on any theme. */
function hueOf(number = 0): number {
  if (number === 7 || number === 8) return 7;
  return number < 16 ? (number % 8) % 7 : 0;
}
