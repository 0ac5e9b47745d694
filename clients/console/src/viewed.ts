// The session of the current view, with its commands and its timeline. Events patch it. What it has not loaded
// is read when the user scrolls there.
import { type Command, list, type RoomEvent, type Session } from "@fieldgate/client";
import { signal } from "@preact/signals";
import {
  commandAfter,
  dataOf,
  keyOf,
  saysTooLittle,
  sessionAfter,
  type TimelineEvent,
  timelineEventOf,
  withEvents,
} from "./events.js";
import { gateway } from "./gateway.js";
import { append, merge, type Page } from "./pages.js";
import { attempt } from "./state.js";

export const viewedSession = signal<Session | undefined>();
/** The events of the viewed session, oldest first. */
export const timeline = signal<TimelineEvent[]>([]);
/** Whether the session has earlier events than the timeline. */
export const hasEarlierEvents = signal(false);

export let viewedId: string | undefined;

/** Forgets the viewed session, and views another one. `undefined` means that the view has no session. */
export function startViewing(sessionId: string | undefined): void {
  viewedId = sessionId;
  viewedSession.value = undefined;
  timeline.value = [];
  hasEarlierEvents.value = false;
}

/** Reads the viewed session and what the timeline lacks. It returns a function that stores it. */
export async function readViewedSession(): Promise<() => void> {
  const sessionId = viewedId;
  if (!sessionId) return () => {};
  const [found, events] = await withEvents(async () => {
    const params = { path: { sessionId } };
    const session = await gateway.get("/api/v1/customer/sessions/{sessionId}", { params });
    const last = timeline.value.at(-1)?.time;
    // Earlier events than those of the commands that are shown are read when the user scrolls to them.
    const first = session.nextCursor === undefined ? undefined : session.commands?.[0]?.createdAt;
    return { session, newer: await readEvents(sessionId, last ?? first), isCut: !last && first !== undefined };
  });
  return () => {
    if (viewedId !== sessionId) return;
    viewedSession.value = withLoaded(found.session);
    if (found.isCut) hasEarlierEvents.value = true;
    addToTimeline(found.newer);
    for (const event of events) patchViewed(event);
  };
}

/** Returns the events of a session since a time, oldest first, up to the first one that is known. */
async function readEvents(sessionId: string, since?: string, isKnown?: (key: string) => boolean) {
  const params = { path: { sessionId }, query: { limit: 200, since } };
  const found: TimelineEvent[] = [];
  for await (const event of list(gateway, "/api/v1/customer/sessions/{sessionId}/events", { params })) {
    if (isKnown?.(keyOf(event))) break;
    found.push(event);
  }
  return found;
}

/** Returns a session that was read, with the earlier commands that were loaded. */
function withLoaded(session: Session): Session {
  const before = viewedSession.value;
  return withCommands(session, merge(commandsOf(session), before && commandsOf(before)));
}

/** The commands of a session as a list, newest first. */
const commandsOf = ({ commands = [], nextCursor }: Session): Page<Command> => ({
  items: [...commands].reverse(),
  cursor: nextCursor,
});

const withCommands = (session: Session, { items, cursor }: Page<Command>): Session => ({
  ...session,
  commands: [...items].reverse(),
  nextCursor: cursor,
});

function addToTimeline(events: TimelineEvent[]): void {
  const known = new Set(timeline.value.map(keyOf));
  const added = events.filter((event) => !known.has(keyOf(event)));
  if (added.length > 0) timeline.value = [...timeline.value, ...added];
}

/** Changes the viewed session as an event says. It reads a command of which the event does not say enough. */
export function patchViewed(event: RoomEvent): void {
  const { sessionId, commandId } = dataOf(event);
  const session = viewedSession.value;
  if (!session || sessionId !== viewedId || event.type === "command.progress") return;
  addToTimeline([timelineEventOf(event)]);
  const isKnown = session.commands?.some(({ id }) => id === commandId) ?? false;
  const commands = session.commands?.map((one) => commandAfter(one, event));
  viewedSession.value = { ...sessionAfter(session, event), commands };
  if (commandId && (isKnown ? saysTooLittle(event) : event.type === "command.proposed"))
    void attempt("viewedSession", readCommand(commandId));
}

/** Reads one command of the viewed session, and puts it where it belongs. */
async function readCommand(commandId: string): Promise<void> {
  const sessionId = viewedId as string;
  const params = { path: { sessionId, commandId } };
  const path = "/api/v1/customer/sessions/{sessionId}/commands/{commandId}";
  const [found, events] = await withEvents(() => gateway.get(path, { params }));
  const session = viewedSession.value;
  if (!session || viewedId !== sessionId) return;
  const others = (session.commands ?? []).filter(({ id }) => id !== commandId);
  const commands = [...others, events.reduce(commandAfter, found)].sort(byTime);
  viewedSession.value = { ...session, commands };
}

const byTime = (a: Command, b: Command) =>
  Date.parse(a.createdAt) - Date.parse(b.createdAt) || (a.id < b.id ? -1 : Number(a.id > b.id));

let readingFrom: string | undefined;

/** Adds earlier commands to the viewed session. */
export const showEarlierCommands = () => attempt("viewedSession", readEarlierCommands());

/** Adds the events to the timeline that are earlier than those that it has. */
export const showEarlierEvents = () => attempt("viewedSession", readEarlierEvents());

async function readEarlierCommands(): Promise<void> {
  const [sessionId, from] = [viewedId, viewedSession.value?.nextCursor];
  if (!sessionId || from === undefined || from === readingFrom) return;
  readingFrom = from;
  try {
    const params = { path: { sessionId }, query: { limit: 50, cursor: from } };
    const path = "/api/v1/customer/sessions/{sessionId}/commands";
    const [{ items, nextCursor }, events] = await withEvents(() => gateway.get(path, { params }));
    const session = viewedSession.value;
    if (!session || viewedId !== sessionId) return;
    const next = { items: items.map((command) => events.reduce(commandAfter, command)), cursor: nextCursor };
    viewedSession.value = withCommands(session, append(commandsOf(session), next, from));
  } finally {
    readingFrom = undefined;
  }
}

async function readEarlierEvents(): Promise<void> {
  const sessionId = viewedId;
  if (!sessionId || !hasEarlierEvents.value) return;
  hasEarlierEvents.value = false; // so that they are read once
  try {
    const known = new Set(timeline.value.map(keyOf));
    const earlier = await readEvents(sessionId, undefined, (key) => known.has(key));
    if (viewedId === sessionId) timeline.value = [...earlier, ...timeline.value];
  } catch (error) {
    if (viewedId === sessionId) hasEarlierEvents.value = true;
    throw error;
  }
}
