// The devices and the sessions of the tenant. The page has the newest part of each list, and events patch it.
import type { Device, RoomEvent, Session } from "@fieldgate/client";
import { type Signal, signal } from "@preact/signals";
import { dataOf, deviceAfter, sessionAfter, withEvents } from "./events.js";
import { gateway } from "./gateway.js";
import { append, merge, type Page, readPages } from "./pages.js";

interface Config<T> {
  /** Reads one page. */
  read: (cursor: string | undefined) => Promise<{ items: T[]; nextCursor?: string | undefined }>;
  /** Returns the id of the item that an event is about. */
  about: (event: RoomEvent) => string | undefined;
  /** Returns an item after an event about it. */
  after: (item: T, event: RoomEvent) => T;
}

/** The newest part of a list of the tenant. */
export class TenantList<T extends { id: string }> {
  readonly items: Signal<T[] | undefined> = signal();
  /** Whether the gateway has more items than were read. */
  readonly hasMore = signal(false);
  private cursor: string | undefined;
  private isStale = true;
  private readingFrom: string | undefined;

  constructor(private readonly config: Config<T>) {}

  /** Marks the list as out of date, because events were missed. The next read reads all of it that was loaded. */
  expire(): void {
    this.isStale = true;
  }

  /** Forgets what was read. */
  clear(): void {
    this.items.value = undefined;
    this.hasMore.value = false;
    this.cursor = this.readingFrom = undefined;
    this.isStale = true;
  }

  /** Reads the newest page, or all that was read if it is out of date. It returns a function that stores it. */
  async read(): Promise<() => void> {
    const wasStale = this.isStale;
    this.isStale = false;
    try {
      const wanted = wasStale ? this.items.value?.length : undefined;
      const [newest, events] = await withEvents(() => readPages(this.config.read, wanted));
      return () => this.store(merge(newest, this.page()), events);
    } catch (error) {
      this.isStale ||= wasStale;
      throw error;
    }
  }

  /** Reads the next page. It does nothing at the end of the list, or while the page is being read. */
  async readMore(): Promise<void> {
    const from = this.cursor;
    if (from === undefined || from === this.readingFrom) return;
    this.readingFrom = from;
    try {
      const [next, events] = await withEvents(() => readPages(this.config.read, 1, from));
      if (this.cursor === from) this.store(append(this.page(), next, from), events);
    } finally {
      if (this.readingFrom === from) this.readingFrom = undefined;
    }
  }

  /** Changes the item that an event is about. It reports whether the list has the item. */
  patch(event: RoomEvent): boolean {
    const id = this.config.about(event);
    const items = this.items.value;
    if (!items?.some((item) => item.id === id)) return false;
    this.items.value = items.map((item) => (item.id === id ? this.config.after(item, event) : item));
    return true;
  }

  /** Returns the item with an id, if it is loaded. */
  find(id: string | undefined): T | undefined {
    return this.items.value?.find((item) => item.id === id);
  }

  /** Replaces an item of the list by what was read of it. */
  replace(found: T): void {
    this.items.value = this.items.value?.map((item) => (item.id === found.id ? found : item));
  }

  private page(): Page<T> | undefined {
    return this.items.value && { items: this.items.value, cursor: this.cursor };
  }

  private store({ items, cursor }: Page<T>, events: RoomEvent[]): void {
    this.items.value = items;
    this.cursor = cursor;
    this.hasMore.value = cursor !== undefined;
    for (const event of events) this.patch(event);
  }
}

/** The number of the tenant's devices, by the page that was read last. */
export const deviceTotal = signal<number>();

export const deviceList = new TenantList<Device>({
  read: async (cursor) => {
    const page = await gateway.get("/api/v1/customer/devices", { params: { query: { limit: 200, cursor } } });
    deviceTotal.value = page.total;
    return page;
  },
  about: (event) => (event.type.startsWith("device.") ? dataOf(event).deviceId : undefined),
  after: (device, event) => deviceAfter(device, event) ?? device,
});

export const sessionList = new TenantList<Session>({
  read: (cursor) => gateway.get("/api/v1/customer/sessions", { params: { query: { limit: 100, cursor } } }),
  about: (event) => (event.type.startsWith("session.") ? dataOf(event).sessionId : undefined),
  after: sessionAfter,
});
