// The output of a device: its colours, a search in it, and what keeps a long one handy.
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { plainStyle, type Style } from "./ansi.js";
import { CopyButton } from "./forms.js";
import { type Chunk, type CutPiece, chunksOf, cutPieces, type Hit, hitsOf, maxHits } from "./outputText.js";
import { download } from "./save.js";
import { DeceptionWarning, markedSegment } from "./ui.js";

interface Props {
  text: string;
  label: string;
  /** The name of the file of a download. */
  file: string;
  /** Whether the output grows. It is then shown at its end, until the user scrolls back. */
  live?: boolean;
}

/** Whether lines that are too long for the page continue on the next one. All outputs of the page follow it. */
const wraps = signal(true);

/** The chunks that a folded output shows at its beginning and at its end. */
const [firstChunks, lastChunks] = [1, 2];
/** An output with more characters or lines than these has a search. */
const [longText, longLines] = [600, 12];

/** Shows the output of a device. Nothing of it is left out but the sequences that colour it. */
export function OutputView({ text, label, file, live = false }: Props) {
  const chunks = useChunks(text);
  const [isFolded, setFolded] = useState(!live && chunks.length > firstChunks + lastChunks);
  const search = useSearch(chunks);
  const element = useRef<HTMLElement>(null);
  const onScroll = useFollowing(element, live, text);
  useEffect(() => {
    if (search.current) setFolded(false);
    element.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }, [search.wanted, search.number, isFolded]);
  const lines = chunks.reduce((sum, chunk) => sum + chunk.lines, 0);
  const isLong = text.length > longText || lines > longLines;
  const hidden = isFolded ? chunks.slice(firstChunks, -lastChunks) : [];
  const shown = (given: Chunk[]) =>
    given.map((chunk) => {
      const number = chunks.indexOf(chunk);
      return <ChunkView key={number} chunk={chunk} hits={search.of(number)} current={search.current} />;
    });
  return (
    <>
      <div class="output-tools">
        {isLong && <Search of={search} label={label} />}
        {isLong && (
          <button
            type="button"
            class="small"
            aria-pressed={wraps.value}
            aria-label={`Wrap lines of ${label}`}
            onClick={() => {
              wraps.value = !wraps.value;
            }}
          >
            Wrap lines
          </button>
        )}
        <button type="button" class="small" aria-label={`Download ${label}`} onClick={() => download(text, file)}>
          Download
        </button>
        <CopyButton text={text} label="Copy text" of={label} />
      </div>
      <DeceptionWarning about={chunks.flatMap(({ pieces }) => pieces)} />
      <section
        class={wraps.value ? "verbatim" : "verbatim unwrapped"}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the region may scroll
        tabIndex={0}
        aria-label={label}
        dir="ltr"
        ref={element}
        onScroll={onScroll}
      >
        <pre>
          {shown(isFolded ? chunks.slice(0, firstChunks) : chunks)}
          {isFolded && (
            <button
              type="button"
              class="small"
              onClick={() => {
                setFolded(false);
                element.current?.focus({ preventScroll: true });
              }}
            >
              Show {hidden.reduce((sum, chunk) => sum + chunk.lines, 0).toLocaleString()} more lines
            </button>
          )}
          {isFolded && shown(chunks.slice(-lastChunks))}
        </pre>
      </section>
    </>
  );
}

/** Returns the chunks of an output. Those that did not change stay the same objects. */
function useChunks(text: string): Chunk[] {
  const before = useRef<Chunk[]>([]);
  return useMemo(() => {
    before.current = chunksOf(text, before.current);
    return before.current;
  }, [text]);
}

/** Keeps the end of an output that grows visible, until the user scrolls back. */
function useFollowing(element: { current: HTMLElement | null }, live: boolean, text: string): () => void {
  const following = useRef(true);
  useEffect(() => {
    if (live && element.current && following.current) element.current.scrollTop = element.current.scrollHeight;
  }, [text]);
  return () => {
    const { scrollTop, scrollHeight, clientHeight } = element.current as HTMLElement;
    following.current = scrollTop + clientHeight >= scrollHeight - 8;
  };
}

interface SearchState {
  wanted: string;
  hits: Hit[];
  current: Hit | undefined;
  /** Returns the hits in a chunk. */
  of: (chunk: number) => Hit[];
  /** The position of the current hit among all. -1 without one. */
  number: number;
  setWanted: (text: string) => void;
  /** Goes to the next hit, or back with -1. */
  go: (steps: number) => void;
}

const noHits: Hit[] = [];

function useSearch(chunks: Chunk[]): SearchState {
  const [wanted, setWanted] = useState("");
  const [number, setNumber] = useState(0);
  const hits = useMemo(() => hitsOf(chunks, wanted), [chunks, wanted]);
  const byChunk = useMemo(() => grouped(hits), [hits]);
  const position = Math.min(number, hits.length - 1);
  return {
    wanted,
    hits,
    number: position,
    current: hits[position],
    of: (chunk) => byChunk.get(chunk) ?? noHits,
    setWanted: (text) => {
      setWanted(text);
      setNumber(0);
    },
    go: (steps) => setNumber((position + steps + hits.length) % hits.length),
  };
}

function grouped(hits: Hit[]): Map<number, Hit[]> {
  const groups = new Map<number, Hit[]>();
  for (const hit of hits) {
    const group = groups.get(hit.chunk);
    if (group) group.push(hit);
    else groups.set(hit.chunk, [hit]);
  }
  return groups;
}

function Search({ of, label }: { of: SearchState; label: string }) {
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    if (of.hits.length > 0) of.go(event.shiftKey ? -1 : 1);
  };
  const count = of.hits.length === maxHits ? `${maxHits} or more` : of.hits.length;
  return (
    <search aria-label={`Find in ${label}`}>
      <input
        type="search"
        placeholder="Find"
        aria-label={`Find in ${label}`}
        value={of.wanted}
        onInput={(event) => of.setWanted(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <Step of={of} steps={-1} name={`Previous match in ${label}`} sign="↑" />
      <Step of={of} steps={1} name={`Next match in ${label}`} sign="↓" />
      <span role="status" class="fine">
        {of.wanted !== "" && (of.hits.length === 0 ? "not found" : `${of.number + 1} of ${count}`)}
      </span>
    </search>
  );
}

function Step({ of, steps, name, sign }: { of: SearchState; steps: number; name: string; sign: string }) {
  if (of.hits.length < 2) return null;
  return (
    <button type="button" class="small" aria-label={name} onClick={() => of.go(steps)}>
      {sign}
    </button>
  );
}

/** Shows some lines. What it has drawn stays as long as neither they nor the hits in them change. */
function ChunkView({ chunk, hits, current }: { chunk: Chunk; hits: Hit[]; current: Hit | undefined }) {
  const own = current && hits.includes(current) ? current : undefined;
  return useMemo(() => <div>{cutPieces(chunk, hits).map((piece, i) => drawn(piece, own, i))}</div>, [chunk, hits, own]);
}

function drawn(piece: CutPiece, current: Hit | undefined, key: number): ComponentChildren {
  const names = [...classesOf(piece.style), piece.hit && "hit"].filter(Boolean).join(" ");
  const text = markedSegment(piece, key);
  if (names === "") return text;
  return (
    <span key={key} class={names} aria-current={piece.hit !== undefined && piece.hit === current ? true : undefined}>
      {text}
    </span>
  );
}

function classesOf({ color, bold }: Style): string[] {
  return [color !== plainStyle.color && `ansi-${color}`, bold && "ansi-bold"].filter((name) => name !== false);
}
