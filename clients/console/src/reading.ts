// Reads of the parts of a page.
import { useRef, useState } from "preact/hooks";
import { type Found, type Page, readPages } from "./pages.js";

/** Returns `run`, which reads, and the error of the last read. A call during a read causes one more afterwards. */
export function useReading(read: () => Promise<void>) {
  const [error, setError] = useState<unknown>();
  const state = useRef({ isRunning: false, isDue: false }).current;
  const run = async () => {
    state.isDue = true;
    if (state.isRunning) return;
    state.isRunning = true;
    while (state.isDue) {
      state.isDue = false;
      await read().then(
        () => setError(undefined),
        (thrown: unknown) => setError(thrown),
      );
    }
    state.isRunning = false;
  };
  return { error, run };
}

/** Returns a list that is read page by page. `run` reads its first page again. */
export function useListing<T>(read: (cursor: string | undefined) => Promise<Found<T>>) {
  const [page, setPage] = useState<Page<T>>();
  const first = useReading(async () => setPage(await readPages(read)));
  const next = useReading(async () => {
    const from = page?.cursor;
    if (from === undefined) return;
    const { items, cursor } = await readPages(read, 1, from);
    setPage((before) => (before?.cursor === from ? { items: [...before.items, ...items], cursor } : before));
  });
  return {
    items: page?.items,
    error: first.error ?? next.error,
    run: first.run,
    showMore: page?.cursor === undefined ? undefined : () => void next.run(),
  };
}
