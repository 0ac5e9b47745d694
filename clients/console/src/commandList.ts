// Lists of the tenant's commands, by filters.
import type { Command, RoomEvent } from "@fieldgate/client";
import { useEffect, useState } from "preact/hooks";
import { type CommandStatus, commandAfter, dataOf, statuses, withEvents } from "./events.js";
import { append, merge, type Page } from "./pages.js";
import { gateway, listen, rereads } from "./state.js";

/** The spans of time that the page offers, in milliseconds. "today" begins at midnight. */
const spans: Record<string, number> = { "1h": 3_600_000, "24h": 86_400_000, "7d": 7 * 86_400_000 };

/**
 * Returns the query of the API for the filters of an address. `since` is a time, or a span that ends at
 * `now`. Unknown statuses are ignored, because links may be written by hand.
 */
export function queryOf(filters: Record<string, string>, now = new Date()) {
  const { status, type, deviceId, tag, proposedBy, since, until } = filters;
  const given = status?.split(",").filter((one): one is CommandStatus => statuses.includes(one as CommandStatus));
  return {
    ...(given?.length && { status: given }),
    ...(since && { since: timeOf(since, now) }),
    type,
    deviceId,
    tag,
    proposedBy,
    until,
  };
}

function timeOf(since: string, now: Date): string {
  if (since === "today") return new Date(now.getFullYear(), now.getMonth(), now.getDate()).toISOString();
  const span = spans[since];
  return span ? new Date(now.getTime() - span).toISOString() : since;
}

const pageSize = 50;
/** The gateway examines a bounded number of commands in a call. So many empty pages are followed at once. */
const maxEmptyPages = 5;

async function readPage(
  filters: Record<string, string>,
  cursor?: string,
  signal?: AbortSignal,
): Promise<Page<Command>> {
  let next = cursor;
  for (let i = 0; ; i++) {
    const query = { ...queryOf(filters), limit: pageSize, ...(next && { cursor: next }) };
    const page = await gateway.get("/api/v1/customer/commands", { params: { query }, ...(signal && { signal }) });
    next = page.nextCursor;
    if (page.items.length > 0 || next === undefined || i === maxEmptyPages) return { items: page.items, cursor: next };
  }
}

/** A list of commands that an event patches, so that nothing is read again for it. */
export interface CommandList {
  items: Command[] | undefined;
  error: unknown;
  /** The number of commands that were proposed after the list was read. They may not match the filters. */
  newer: number;
  showNewer: () => void;
  /** Reads the next page. `undefined` at the end of the list. */
  showMore: (() => void) | undefined;
}

/** Returns the commands that match the filters, newest first. */
export function useCommands(filters: Record<string, string>): CommandList {
  const [page, setPage] = useState<Page<Command>>();
  const [error, setError] = useState<unknown>();
  const [newer, setNewer] = useState<ReadonlySet<string>>(new Set());
  const key = JSON.stringify(filters);
  const store = (read: () => Promise<Page<Command>>, merged: Merge, signal?: AbortSignal) =>
    withEvents(read).then(
      ([found, events]) => {
        if (signal?.aborted) return;
        setError(undefined);
        setPage((before) => events.reduce(pageAfter, merged(found, before)));
      },
      (thrown: unknown) => signal?.aborted || setError(thrown),
    );
  const showNewer = (signal?: AbortSignal) => {
    setNewer(new Set());
    void store(() => readPage(filters, undefined, signal), merge, signal);
  };
  useEffect(() => setPage(undefined), [key]);
  useEffect(() => {
    const stop = new AbortController();
    showNewer(stop.signal);
    return () => stop.abort();
  }, [key, rereads.value]);
  useEffect(
    () =>
      listen((event) => {
        const { commandId: id, deviceId } = dataOf(event);
        if (!id || (filters.deviceId && filters.deviceId !== deviceId)) return;
        if (event.type === "command.proposed") setNewer((ids) => new Set(ids).add(id));
        setPage((before) => before && pageAfter(before, event));
      }),
    [key],
  );
  const from = page?.cursor;
  const showMore = () => {
    if (from !== undefined)
      void store(
        () => readPage(filters, from),
        (next, before) => append(before, next, from),
      );
  };
  const unknown = [...newer].filter((id) => !page?.items.some((one) => one.id === id)).length;
  return {
    items: page?.items,
    error,
    newer: unknown,
    showNewer: () => showNewer(),
    showMore: from === undefined ? undefined : showMore,
  };
}

type Merge = (found: Page<Command>, before: Page<Command> | undefined) => Page<Command>;

/** Returns a list of commands after an event. */
function pageAfter(page: Page<Command>, event: RoomEvent): Page<Command> {
  const { commandId } = dataOf(event);
  if (!page.items.some(({ id }) => id === commandId)) return page;
  return { ...page, items: page.items.map((one) => commandAfter(one, event)) };
}
