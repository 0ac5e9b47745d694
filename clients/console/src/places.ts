// Finds what the command palette offers for a text.
import { hashOf } from "./route.js";

/** A place to go to, or an action. */
export interface Target {
  /** What it is, such as "Device". */
  kind: string;
  name: string;
  /** An id. Only a long part of it matches, because a short one is in many ids. */
  id?: string;
  href?: string;
  run?: () => void;
}

/** The number of targets that are shown. */
const maxShown = 12;
/** The number of characters from which a word may be a part of an id. */
const minOfId = 6;

/**
 * Returns the targets whose name contains each word of the text. Those that begin with the text come first.
 * An id or a search leads further, because the page has not loaded everything.
 */
export function entriesFor(text: string, targets: Target[]): Target[] {
  const wanted = text.trim().toLowerCase();
  const words = wanted.split(/\s+/).filter(Boolean);
  const found = targets.filter((target) => {
    const name = target.name.toLowerCase();
    return words.every((word) => name.includes(word) || (word.length >= minOfId && target.id?.includes(word)));
  });
  const begins = (target: Target) => Number(target.name.toLowerCase().startsWith(wanted));
  found.sort((a, b) => begins(b) - begins(a));
  return [...found.slice(0, maxShown), ...(wanted === "" ? [] : furtherFor(text.trim()))];
}

/** Returns where a text may lead that is not among the loaded targets. */
function furtherFor(text: string): Target[] {
  if (/^dev_\w+$/.test(text)) return [{ kind: "Device", name: text, href: hashOf(["devices", text]) }];
  if (/^ses_\w+$/.test(text)) return [{ kind: "Session", name: text, href: hashOf(["sessions", text]) }];
  const searches = [{ kind: "Search", name: `Devices with “${text}”`, href: hashOf(["devices"], { q: text }) }];
  if (!/^[A-Za-z0-9_.-]+\*?$/.test(text)) return searches;
  return [
    ...searches,
    { kind: "Search", name: `Commands of the type ${text}`, href: hashOf(["commands"], { type: text }) },
    { kind: "Search", name: `Commands proposed by ${text}`, href: hashOf(["commands"], { proposedBy: text }) },
  ];
}
