// Long lists: the document has only the items near the visible part, and a gap for the others.
import type { ComponentChildren, RefObject, TargetedEvent, TargetedFocusEvent, TargetedKeyboardEvent } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Heights, type Part, partsOf, type Stretch, stretchAt } from "./stretch.js";
import { ShowMore } from "./ui.js";

/** The number of items up to which a list is in the document as a whole. */
const maxWhole = 100;

/** Returns the parts of a list with these keys, and the properties of the element that contains its items. */
function useParts<E extends HTMLElement>(keys: string[]) {
  const element = useRef<E>(null);
  const heights = useRef<Heights>(new Map()).current;
  const [stretch, setStretch] = useState<Stretch>({ from: 0, to: maxWhole });
  const [kept, setKept] = useState<string>();
  const isWhole = keys.length <= maxWhole;
  const place = useRef(() => {});
  place.current = () => {
    if (!element.current || isWhole) return;
    for (const item of element.current.children) {
      const { key } = (item as HTMLElement).dataset;
      if (key) heights.set(key, item.getBoundingClientRect().height);
    }
    const next = stretchAt(keys, heights, -element.current.getBoundingClientRect().top, innerHeight);
    setStretch((before) => (before.from === next.from && before.to === next.to ? before : next));
  };
  useLayoutEffect(() => place.current());
  useEffect(() => {
    const onMove = () => place.current();
    addEventListener("scroll", onMove, { passive: true });
    addEventListener("resize", onMove);
    return () => {
      removeEventListener("scroll", onMove);
      removeEventListener("resize", onMove);
    };
  }, []);
  const keep = (event: TargetedFocusEvent<E>) => setKept(keyAround(event));
  const all = { from: 0, to: keys.length };
  return {
    parts: partsOf(keys, heights, isWhole ? all : stretch, kept === undefined ? -1 : keys.indexOf(kept)),
    // The item with the focus stays in the document when it is scrolled out of view.
    props: { ref: element as RefObject<E>, onFocusIn: keep, onFocusOut: () => setKept(undefined) },
    element,
    setKept,
  };
}

/** Returns the key of a gap. There is at most one between the first and the last part. */
const gapKey = (i: number, parts: Part[]) => `gap ${i === 0} ${i === parts.length - 1}`;

/** Returns the key of the item in which an event happened. */
const keyAround = (event: TargetedEvent) => (event.target as Element).closest<HTMLElement>("[data-key]")?.dataset.key;

/**
 * The rows of a table. The arrow keys, Home and End move the focus to the first link of another row, where
 * Enter opens it.
 */
export function Rows<T extends { id: string }>(props: RowsProps<T>) {
  const { of, children } = props;
  const keys = of.map(({ id }) => id);
  const { parts, props: parent, element, setKept } = useParts<HTMLTableSectionElement>(keys);
  const wanted = useRef<string>(undefined);
  useLayoutEffect(() => {
    if (wanted.current === undefined) return;
    const link = element.current?.querySelector<HTMLElement>(`[data-key="${CSS.escape(wanted.current)}"] a`);
    wanted.current = undefined;
    link?.focus();
  });
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLElement>) => {
    const from = keyAround(event);
    const to = keys[targetOf(event, keys.indexOf(from ?? ""), keys.length)];
    if (to === undefined) return;
    event.preventDefault();
    if (to === from) return;
    wanted.current = to;
    setKept(to);
  };
  return (
    <tbody {...parent} onKeyDown={onKeyDown}>
      {parts.map((part, i) =>
        "gap" in part ? (
          // biome-ignore lint/a11y/noAriaHiddenOnFocusable: nothing in a gap can get the focus
          <tr key={gapKey(i, parts)} aria-hidden="true">
            <td class="gap" style={{ height: `${part.gap}px` }} />
          </tr>
        ) : (
          <tr key={keys[part.index]} data-key={keys[part.index]} aria-rowindex={part.index + 2}>
            {children(of[part.index] as T)}
          </tr>
        ),
      )}
    </tbody>
  );
}

interface RowsProps<T> {
  of: T[];
  /** Returns the cells of a row. */
  children: (item: T) => ComponentChildren;
}

/** Returns the index of the row to which a key moves from another row, or -1. */
function targetOf({ key, ctrlKey, metaKey, altKey, shiftKey }: KeyboardEvent, from: number, count: number): number {
  if (from < 0 || ctrlKey || metaKey || altKey || shiftKey) return -1;
  const to = { ArrowDown: from + 1, ArrowUp: from - 1, Home: 0, End: count - 1 }[key];
  return to ?? -1;
}

/** A list whose items are told apart by a key. `count` is the length of the whole list, if it is known. */
export function Items<T>(props: ItemsProps<T>) {
  const keys = props.of.map(props.keyOf);
  const { parts, props: parent } = useParts<HTMLOListElement>(keys);
  return (
    <ol class={props.class} {...parent}>
      {parts.map((part, i) =>
        "gap" in part ? (
          <li key={gapKey(i, parts)} aria-hidden="true" class="gap" style={{ height: `${part.gap}px` }} />
        ) : (
          <li
            key={keys[part.index]}
            data-key={keys[part.index]}
            aria-setsize={props.count}
            aria-posinset={part.index + 1}
          >
            {props.children(props.of[part.index] as T)}
          </li>
        ),
      )}
    </ol>
  );
}

interface ItemsProps<T> {
  of: T[];
  class: string;
  keyOf: (item: T) => string;
  /** The length of the whole list, or -1 if it is unknown. */
  count: number;
  children: (item: T) => ComponentChildren;
}

/** The distance from the visible part at which something is near, in parts of the screen's height. */
const near = "50% 0px";

/** Reports whether an element is near the visible part of the page. */
export function useNear(element: RefObject<Element | null>): boolean {
  const [isNear, setNear] = useState(false);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => setNear(entries.at(-1)?.isIntersecting === true), {
      rootMargin: near,
    });
    observer.observe(element.current as Element);
    return () => observer.disconnect();
  }, []);
  return isNear;
}

/**
 * A button that shows more items of a list. It also does so when the end of the list comes near, once for
 * each `count` of items, so that a read that fails or finds nothing waits for the user.
 */
export function MoreOnScroll(props: { when: boolean; count: number; label?: string; onMore: () => void }) {
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!props.when || props.count === 0) return;
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) props.onMore();
      },
      { rootMargin: near },
    );
    observer.observe(element.current as Element);
    return () => observer.disconnect();
  }, [props.when, props.count]);
  return (
    <div ref={element}>
      <ShowMore {...props} />
    </div>
  );
}
