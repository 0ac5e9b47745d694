import type { Client, Data, Init, PathWith } from "./client.js";

interface Page<T> {
  items: T[];
  nextCursor?: string;
}

/** The paths that answer a page of a list. */
export type ListPath = { [P in PathWith<"get">]: Data<P, "get"> extends Page<unknown> ? P : never }[PathWith<"get">];

/** What a list is of. */
export type Item<P extends ListPath> = Data<P, "get"> extends Page<infer T> ? T : never;

type InitParameter<I> = Partial<I> extends I ? [init?: I] : [init: I];

/**
 * Gives the items of a list, page after page, each page when it is needed. `limit` in the
 * query is the size of a page. Leave the loop to stop, or raise the `signal`: its reason is
 * then thrown in place of the next item.
 */
export async function* list<P extends ListPath>(
  client: Client,
  path: P,
  ...init: InitParameter<Init<P, "get">>
): AsyncGenerator<Item<P>, void> {
  const get = client.get as unknown as (path: string, init: object) => Promise<Page<Item<P>>>;
  const given = (init[0] ?? {}) as { params?: { query?: object }; signal?: AbortSignal | null };
  let query = given.params?.query ?? {};
  for (;;) {
    const page = await get(path, { ...given, params: { ...given.params, query } });
    for (const item of page.items) {
      given.signal?.throwIfAborted();
      yield item;
    }
    if (page.nextCursor === undefined) return;
    query = { ...query, cursor: page.nextCursor };
  }
}
