// Which part of a long list is near the visible part of the page.

/** The number of screens before and after the visible one that are in the document. */
const screens = 1;
/** A stretch begins and ends at a multiple of it, so that it changes seldom. */
const step = 20;
/** The height of an item that was never in the document, in pixels, if no other one was. */
const guess = 56;

/** A part of a list: the index of an item, or the height of a gap. */
export type Part = { index: number } | { gap: number };

export interface Stretch {
  from: number;
  to: number;
}

/** The measured heights of items by key. */
export type Heights = Map<string, number>;

const mean = (heights: Heights) =>
  heights.size === 0 ? guess : [...heights.values()].reduce((sum, height) => sum + height) / heights.size;

/** Returns the items of a list that begin and end near the visible part. `top` is its distance from the list's top. */
export function stretchAt(keys: string[], heights: Heights, top: number, screen: number): Stretch {
  const other = mean(heights);
  const [begin, end] = [top - screens * screen, top + (1 + screens) * screen];
  let [y, from, to] = [0, 0, 0];
  for (const [i, key] of keys.entries()) {
    if (y <= begin) from = i;
    if (y < end) to = i + 1;
    y += heights.get(key) ?? other;
  }
  return { from: Math.floor(from / step) * step, to: Math.min(Math.ceil(to / step) * step, keys.length) };
}

/** Returns the parts of a list: the items of the stretch, one that stays because of the focus, and the gaps. */
export function partsOf(keys: string[], heights: Heights, { from, to }: Stretch, kept: number): Part[] {
  const other = mean(heights);
  const parts: Part[] = [];
  let gap = 0;
  const close = () => {
    if (gap > 0) parts.push({ gap });
    gap = 0;
  };
  for (const [index, key] of keys.entries()) {
    if ((index >= from && index < to) || index === kept) {
      close();
      parts.push({ index });
    } else gap += heights.get(key) ?? other;
  }
  close();
  return parts;
}
