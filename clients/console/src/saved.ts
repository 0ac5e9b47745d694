// What users keep in this browser under names, such as templates and views, each user of each tenant apart.
import { signal } from "@preact/signals";
import { whenSignedOut } from "./signin/tokens.js";
import { user } from "./signin/user.js";

/** Something that was kept, as text. */
export interface Saved {
  name: string;
  value: string;
}

/** The kinds of what is kept. "used" are the parameters that were used last, by command type. */
export type Kind = "templates" | "devices" | "sessions" | "commands" | "used";

const prefix = "fieldgate.saved.";
const [maxItems, maxName, maxValue] = [100, 80, 16 * 1024];

/** Changes with each write, so that what shows the saved items is drawn again. */
const writes = signal(0);

const keyOf = (kind: Kind) => `${prefix}${kind}.${user.value?.tenant ?? ""}/${user.value?.id ?? ""}`;

/** Returns what the user has kept of a kind, by name. */
export function savedItems(kind: Kind): Saved[] {
  writes.value;
  try {
    const found: unknown = JSON.parse(localStorage.getItem(keyOf(kind)) ?? "[]");
    return Array.isArray(found) ? found.filter(isSaved) : [];
  } catch {
    return [];
  }
}

const isSaved = (of: unknown): of is Saved =>
  typeof of === "object" && of !== null && "name" in of && "value" in of && isText(of.name) && isText(of.value);

const isText = (of: unknown) => typeof of === "string";

/** Keeps a value under a name, in place of what had that name. It throws if the browser refuses. */
export function save(kind: Kind, name: string, value: string): void {
  if (value.length > maxValue) throw new Error("This is too large to be kept in the browser.");
  const others = savedItems(kind).filter((item) => item.name !== name);
  store(kind, [{ name: name.slice(0, maxName), value }, ...others].slice(0, maxItems));
}

/** Removes what was kept under a name. */
export function forget(kind: Kind, name: string): void {
  store(
    kind,
    savedItems(kind).filter((item) => item.name !== name),
  );
}

function store(kind: Kind, items: Saved[]): void {
  if (items.length === 0) localStorage.removeItem(keyOf(kind));
  else localStorage.setItem(keyOf(kind), JSON.stringify(items));
  writes.value++;
}

// What was used last is not kept for the next user of the browser. What has a name is.
whenSignedOut(() => {
  for (const name of Object.keys(localStorage)) if (name.startsWith(`${prefix}used.`)) localStorage.removeItem(name);
});
