// The search of all devices on the gateway, because the page may have loaded only some of them.
import type { Device } from "@fieldgate/client";
import { useEffect, useState } from "preact/hooks";
import { append, type Page, readPages } from "./pages.js";
import { gateway } from "./state.js";

/** How long to wait for further keys before a search for a text, in milliseconds. */
const waitMs = 250;
/** The number of matches after which the search waits for the user. */
const maxFound = 200;

/** What the gateway has found so far. */
export interface Search {
  found: Device[];
  isRunning: boolean;
  error: unknown;
  /** Continues a search that has found many. `undefined` if it has ended. */
  goOn: (() => void) | undefined;
}

const nothing: Search = { found: [], isRunning: false, error: undefined, goOn: undefined };

/**
 * Searches all devices by the filters that the gateway has, to the end of the list or until there are many.
 * It searches nothing without such a filter, and unless `isNeeded`.
 */
export function useSearch({ q = "", tag, status }: Record<string, string>, isNeeded: boolean): Search {
  const [page, setPage] = useState<Page<Device>>();
  const [isRunning, setRunning] = useState(false);
  const [error, setError] = useState<unknown>();
  const [wanted, setWanted] = useState(maxFound);
  const search = q.trim().slice(0, 128);
  const isOn = isNeeded && (search !== "" || tag !== undefined || status !== undefined);
  const key = JSON.stringify([isOn, search, tag, status]);
  useEffect(() => {
    setPage(undefined);
    setWanted(maxFound);
  }, [key]);
  useEffect(() => {
    const stop = new AbortController();
    const query = { ...(search && { q: search }), tag, status: status as Device["status"] | undefined, limit: 200 };
    const read = (cursor: string | undefined) =>
      gateway.get("/api/v1/customer/devices", { params: { query: { ...query, cursor } }, signal: stop.signal });
    const run = async () => {
      for (let list: Page<Device> | undefined = wanted > maxFound ? page : undefined; ; ) {
        const from: string | undefined = list?.cursor;
        const next: Page<Device> = await readPages(read, 1, from);
        list = list && from !== undefined ? append(list, next, from) : next;
        if (stop.signal.aborted) return;
        setPage(list);
        if (list.cursor === undefined || list.items.length >= wanted) return;
      }
    };
    const start = () =>
      run()
        .then(
          () => setError(undefined),
          (thrown: unknown) => stop.signal.aborted || setError(thrown),
        )
        .finally(() => stop.signal.aborted || setRunning(false));
    setRunning(isOn);
    const timer = isOn ? setTimeout(start, search === "" ? 0 : waitMs) : undefined;
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [key, wanted]);
  if (!isOn) return nothing;
  const more = page?.cursor !== undefined && !isRunning;
  return {
    found: page?.items ?? [],
    isRunning,
    error,
    goOn: more ? () => setWanted((page?.items.length ?? 0) + maxFound) : undefined,
  };
}
