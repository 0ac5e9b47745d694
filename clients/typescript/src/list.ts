import type { Client, Data, Init, PathWith } from "./client.js";

interface Page<T> {
  items: T[];
  nextCursor?: string;
}

/** The paths that return a page of a list. */
export type ListPath = { [P in PathWith<"get">]: Data<P, "get"> extends Page<unknown> ? P : never }[PathWith<"get">];

/** The type of the items of a list. */
export type Item<P extends ListPath> = Data<P, "get"> extends Page<infer T> ? T : never;

type InitParameter<I> = Partial<I> extends I ? [init?: I] : [init: I];

/**
 * Returns the items of a list, one after another. It requests a page when the first item of the
 * page is needed. `limit` in the query is the size of a page. To stop, leave the loop or abort
 * the `signal`. An abort throws the reason of the signal in place of the next item.
 */
export async function* list<P extends ListPath>(
  client: Client,
  path: P,
  ...init: InitParameter<Init<P, "get">>
): AsyncGenerator<Item<P>, void> {
  const get = client.get as unknown as (path: string, init: object) => Promise<Page<Item<P>>>;
  const options = (init[0] ?? {}) as { params?: { query?: object }; signal?: AbortSignal | null };
  let query = options.params?.query ?? {};
  for (;;) {
    const page = await get(path, { ...options, params: { ...options.params, query } });
    for (const item of page.items) {
      options.signal?.throwIfAborted();
      yield item;
    }
    if (page.nextCursor === undefined) return;
    query = { ...query, cursor: page.nextCursor };
  }
}
