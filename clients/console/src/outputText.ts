// Prepares the output of a device for the page: in chunks, so that output that grows costs only its last chunk.
import { plainStyle, type Style, type StyleChange, uncolour } from "./ansi.js";
import { type Segment, segmentsOf } from "./verbatim.js";

/** A part of an output that looks the same. `warning` says what is deceptive about it. */
export interface Piece extends Segment {
  style: Style;
}

/** Some lines of an output. */
export interface Chunk {
  /** The lines as the device sent them, and the style in which they begin and end. */
  source: string;
  begin: Style;
  end: Style;
  pieces: Piece[];
  /** The text of all pieces. */
  shown: string;
  lines: number;
}

/** A chunk ends after so many lines, or after the line that exceeds so many characters. */
const maxLines = 100;
const maxCharacters = 16 * 1024;

/** Splits an output into chunks. It takes over those of `before` that did not change. */
export function chunksOf(text: string, before: Chunk[] = []): Chunk[] {
  const chunks: Chunk[] = [];
  let style = plainStyle;
  for (let from = 0; from < text.length; ) {
    const [to, lines] = endOfChunk(text, from);
    const source = text.slice(from, to);
    const known = before[chunks.length];
    const isSame = known?.source === source && known.begin.color === style.color && known.begin.bold === style.bold;
    const chunk: Chunk = isSame ? known : parsed(source, style, lines);
    chunks.push(chunk);
    style = chunk.end;
    from = to;
  }
  return chunks;
}

/** Returns where the chunk that begins at `from` ends, and how many lines it has. */
function endOfChunk(text: string, from: number): [number, number] {
  let to = from;
  for (let lines = 1; ; lines++) {
    const found = text.indexOf("\n", to);
    if (found < 0) return [text.length, lines];
    to = found + 1;
    if (lines === maxLines || to - from > maxCharacters || to === text.length) return [to, lines];
  }
}

function parsed(source: string, begin: Style, lines: number): Chunk {
  const { text, changes, end } = uncolour(source, begin);
  const pieces = styled(segmentsOf(text), [{ at: 0, style: begin }, ...changes]);
  return { source, begin, end, pieces, shown: pieces.map((piece) => piece.text).join(""), lines };
}

/** The number of characters that stand for an invisible one, such as \u202e. */
const escapeLength = 6;

/** Splits segments where the style changes. Colours within a word do not hide what is deceptive about it. */
function styled(segments: Segment[], changes: StyleChange[]): Piece[] {
  const pieces: Piece[] = [];
  let [next, at] = [0, 0];
  let style = plainStyle;
  for (const segment of segments) {
    const scale = segment.warning === "invisible" ? escapeLength : 1;
    const end = at + segment.text.length / scale;
    for (let from = at; from < end; ) {
      for (; (changes[next]?.at ?? end) <= from; next++) style = (changes[next] as StyleChange).style;
      const to = Math.min(changes[next]?.at ?? end, end);
      pieces.push({ ...segment, text: segment.text.slice((from - at) * scale, (to - at) * scale), style });
      from = to;
    }
    at = end;
  }
  return pieces;
}

/** A place in a chunk where the searched text is: the numbers of characters of `shown`. */
export interface Hit {
  chunk: number;
  from: number;
  to: number;
}

/** The number of places that are found at most. */
export const maxHits = 2000;

/** Finds a text, in capital or small letters, in chunks. */
export function hitsOf(chunks: Chunk[], text: string): Hit[] {
  const hits: Hit[] = [];
  if (text === "") return hits;
  const matcher = new RegExp(text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "giu");
  for (const [chunk, { shown }] of chunks.entries())
    for (const { 0: found, index } of shown.matchAll(matcher)) {
      if (hits.length === maxHits) return hits;
      hits.push({ chunk, from: index, to: index + found.length });
    }
  return hits;
}

/** A part of a piece, and whether it is part of a hit. */
export interface CutPiece extends Piece {
  hit?: Hit;
}

/** Splits the pieces of a chunk at the hits in it. */
export function cutPieces({ pieces }: Chunk, hits: Hit[]): CutPiece[] {
  if (hits.length === 0) return pieces;
  const cut: CutPiece[] = [];
  let [next, at] = [0, 0];
  for (const piece of pieces) {
    const end = at + piece.text.length;
    for (let from = at; from < end; ) {
      while ((hits[next]?.to ?? end) <= from && next < hits.length) next++;
      const hit = hits[next];
      const inside = hit !== undefined && hit.from <= from;
      const to = Math.min(end, (inside ? hit?.to : hit?.from) ?? end);
      cut.push({ ...piece, text: piece.text.slice(from - at, to - at), ...(inside && { hit }) });
      from = to;
    }
    at = end;
  }
  return cut;
}
