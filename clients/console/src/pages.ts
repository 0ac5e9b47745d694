// Lists that are read page by page, newest first.

/** The newest items of a list, and the cursor of the others. */
export interface Page<T> {
  items: T[];
  /** Absent at the end of the list. */
  cursor: string | undefined;
}

/** A page as the API returns it. */
export interface Found<T> {
  items: T[];
  nextCursor?: string | undefined;
}

/** Reads at least one page, and further ones until there are as many items as wanted, or no more. */
export async function readPages<T>(
  read: (cursor: string | undefined) => Promise<Found<T>>,
  wanted = 1,
  from?: string,
): Promise<Page<T>> {
  const items: T[] = [];
  let cursor = from;
  do {
    const found = await read(cursor);
    items.push(...found.items);
    cursor = found.nextCursor;
  } while (cursor !== undefined && items.length < wanted);
  return { items, cursor };
}

/**
 * Returns the newest page read now, followed by the items that were read before. If there is a gap
 * between the two, it returns the new page only.
 */
export function merge<T extends { id: string }>(newest: Page<T>, before: Page<T> | undefined): Page<T> {
  const ids = new Set(newest.items.map(({ id }) => id));
  const overlaps = before?.items.some(({ id }) => ids.has(id));
  if (!before || !overlaps) return newest;
  const rest = before.items.slice(before.items.map(({ id }) => ids.has(id)).lastIndexOf(true) + 1);
  return { items: [...newest.items, ...rest], cursor: rest.length > 0 ? before.cursor : newest.cursor };
}

/** Returns a list followed by its next page. The list may have items of the page already, or have changed. */
export function append<T extends { id: string }>(list: Page<T> | undefined, next: Page<T>, from: string): Page<T> {
  if (list?.cursor !== from) return list ?? { items: [], cursor: undefined };
  const ids = new Set(list.items.map(({ id }) => id));
  return { items: [...list.items, ...next.items.filter(({ id }) => !ids.has(id))], cursor: next.cursor };
}
