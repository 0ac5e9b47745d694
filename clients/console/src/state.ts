// The state of the page: lists and details of the tenant, read over HTTP. An event from the
// socket only triggers another read of the affected parts.
import {
  type Command,
  connect,
  type Device,
  list,
  type RoomEvent,
  rooms,
  type Schemas,
  type Session,
  type Socket,
  type SocketState,
  type Subscription,
} from "@fieldgate/client";
import { computed, signal } from "@preact/signals";
import { gateway } from "./gateway.js";
import { user } from "./signin/user.js";

export type TimelineEvent = Schemas["Event"];

/** How the page is updated: over the socket, or by polling. */
export type LiveStatus = "connecting" | "live" | "lost" | "ended" | "polling";

export const devices = signal<Device[] | undefined>();
export const sessions = signal<Session[] | undefined>();
export const inbox = signal<Command[] | undefined>();
/** The commands that left the inbox while the page was open, newest first. */
export const resolved = signal<Command[]>([]);
/** The session of the current view, with its commands. */
export const viewedSession = signal<Session | undefined>();
export const timeline = signal<TimelineEvent[]>([]);
export const liveStatus = signal<LiveStatus>("connecting");
/** The error of the last read. It is `undefined` after a read that succeeded. */
export const readError = signal<unknown>();
/** The latest event in words, for screen readers. */
export const announcement = signal("");

/** The number of the newest report of each command that has reported progress, in the viewed session. */
export const progressed = signal(new Map<string, number>());

const listedNames = computed(() => new Map(devices.value?.map((device) => [device.id, device.name])));
/** The names of devices that are not in the loaded part of the list. */
const otherNames = signal(new Map<string, string>());

/** Returns the name of a device, or its id until the name is known. */
export const deviceName = (deviceId: string): string =>
  listedNames.value.get(deviceId) ?? otherNames.value.get(deviceId) ?? deviceId;

/** The number of items that a list shows at first. "Show more" adds the same number. */
const pageSizes = { devices: 200, sessions: 100, inbox: 100 };
type List = keyof typeof pageSizes;
/** The current maximum number of items of each list. */
const limits = { ...pageSizes };
/** Whether a list has more items than were read. */
export const hasMore = { devices: signal(false), sessions: signal(false), inbox: signal(false) };
const pollMs = 5_000;

export { gateway };

let socket: Socket | undefined;
let poll: ReturnType<typeof setInterval> | undefined;
let viewedId: string | undefined;
/** How many commands of the viewed session are shown at least, if it has so many. */
let wantedCommands = 0;
/** The subscription to the viewed session. Its room has the progress of commands. */
let viewedRoom: Subscription | undefined;
/** How often the state was cleared. A read stores nothing if it was cleared since the read started. */
let clearings = 0;

/** Reads the state of the user's tenant and keeps it current, over a socket or by polling. */
export function startUpdates(live: boolean): void {
  if (live) {
    socket = connect(gateway, { onState: onSocketState, timeoutMs: 10_000 });
    const room = socket.subscribe(rooms.tenant, (message) => {
      if (message.kind === "event") onEvent(message.event);
      else refreshAll();
    });
    // Read everything again after the subscription has started. An earlier read may have missed
    // a change.
    room.started.then(refreshAll).catch(() => {});
  } else {
    liveStatus.value = "polling";
    poll = setInterval(refreshAll, pollMs);
  }
  followViewed();
  refreshAll();
}

/** Stops the updates and clears the state, for example when the user has signed out. */
export function stopUpdates(): void {
  socket?.close();
  clearInterval(poll);
  socket = undefined;
  clearings++;
  due.clear();
  devices.value = sessions.value = inbox.value = viewedSession.value = undefined;
  resolved.value = [];
  timeline.value = [];
  otherNames.value = new Map();
  Object.assign(limits, pageSizes);
  readError.value = undefined;
  announcement.value = "";
  liveStatus.value = "connecting";
  viewedId = undefined;
  followViewed();
}

function onSocketState(state: SocketState): void {
  if (state.status === "connected") liveStatus.value = "live";
  if (state.status === "waiting") liveStatus.value = "lost";
  if (state.status === "closed") liveStatus.value = user.value && state.error ? "ended" : liveStatus.value;
}

/** Opens another socket after the gateway has ended the last one. */
export function reconnect(): void {
  socket?.close();
  liveStatus.value = "connecting";
  startUpdates(true);
}

function onEvent(event: RoomEvent): void {
  const data = event.data as { deviceId?: string; sessionId?: string; commandId?: string };
  const name = deviceName(data.deviceId ?? "");
  if (event.type.startsWith("device.")) refresh("devices");
  if (event.type.startsWith("session.")) refresh("sessions", "inbox");
  if (event.type.startsWith("command.")) refresh("inbox");
  if (event.type === "command.proposed") announcement.value = `A command was proposed for ${name}.`;
  if (event.type === "command.succeeded") announcement.value = `A command succeeded on ${name}.`;
  if (event.type === "command.failed") announcement.value = `A command failed on ${name}.`;
  if (event.type === "command.timed_out") announcement.value = `A command timed out on ${name}.`;
  if (event.type === "device.identity_conflict") announcement.value = `Two machines use the identity of ${name}.`;
  if (data.commandId && resolved.value.some((command) => command.id === data.commandId)) refresh("resolved");
  if (data.sessionId === viewedId) refresh("viewedSession");
}

type Part = "devices" | "sessions" | "inbox" | "resolved" | "viewedSession";
const allParts: Part[] = ["devices", "sessions", "inbox", "resolved", "viewedSession"];
/** The functions that read a part. Each returns a function that stores what was read. */
const readers: Record<Part, () => Promise<() => void>> = {
  devices: readDevices,
  sessions: readSessions,
  inbox: readInbox,
  resolved: readResolved,
  viewedSession: readViewedSession,
};
const due = new Set<Part>();
const running = new Set<Part>();

/**
 * Reads the given parts of the state. If a part is already being read, it is read once more
 * afterwards.
 */
export function refresh(...parts: Part[]): void {
  for (const part of parts) {
    due.add(part);
    if (!running.has(part)) void run(part);
  }
}

/** Reads all parts of the state. */
export function refreshAll(): void {
  refresh(...allParts);
}

/**
 * Returns how long to wait for further events before a read, in milliseconds. Events often
 * arrive together. The wait is longer for an extended list, because its reads cost more.
 */
function debounceMs(part: Part): number {
  return part in limits && limits[part as List] > pageSizes[part as List] ? 1_000 : 40;
}

async function run(part: Part): Promise<void> {
  running.add(part);
  while (user.value && due.delete(part)) {
    await new Promise((resolve) => setTimeout(resolve, debounceMs(part)));
    await read(part);
  }
  running.delete(part);
}

/** Reads a part and stores it, unless another user or tenant has followed meanwhile. */
async function read(part: Part): Promise<void> {
  const startedAt = clearings;
  let error: unknown;
  const store = await readers[part]().catch((thrown: unknown) => {
    error = thrown;
  });
  if (clearings !== startedAt || !user.value) return;
  store?.();
  readError.value = error;
}

/** Reads the items of a list up to its limit, and reports whether the list has more. */
async function readList<T>(name: List, items: AsyncGenerator<T>): Promise<{ found: T[]; rest: boolean }> {
  const found: T[] = [];
  let rest = false;
  for await (const item of items) {
    rest = found.length === limits[name];
    if (rest) break;
    found.push(item);
  }
  return { found, rest };
}

const query = (limit: number) => ({ params: { query: { limit } } });

/** Extends a list by one page. */
export function showMore(name: List): void {
  limits[name] += pageSizes[name];
  refresh(name);
}

async function readDevices(): Promise<() => void> {
  const items = list(gateway, "/api/v1/customer/devices", query(pageSizes.devices));
  const { found, rest } = await readList("devices", items);
  return () => {
    hasMore.devices.value = rest;
    devices.value = found;
  };
}

async function readSessions(): Promise<() => void> {
  const items = list(gateway, "/api/v1/customer/sessions", query(pageSizes.sessions));
  const { found, rest } = await readList("sessions", items);
  return () => {
    hasMore.sessions.value = rest;
    sessions.value = found;
    requestNames(found);
  };
}

/** Requests the names of devices that are not in the loaded part of the list. */
function requestNames(items: { deviceId: string }[]): void {
  if (!hasMore.devices.value) return;
  const startedAt = clearings;
  for (const deviceId of new Set(items.map((item) => item.deviceId))) {
    if (listedNames.value.has(deviceId) || otherNames.value.has(deviceId)) continue;
    otherNames.value.set(deviceId, deviceId); // a placeholder, so that the name is requested once
    const found = gateway.get("/api/v1/customer/devices/{deviceId}", { params: { path: { deviceId } } });
    found.then(
      ({ name }) => {
        if (clearings === startedAt) otherNames.value = new Map(otherNames.value).set(deviceId, name);
      },
      () => otherNames.value.delete(deviceId),
    );
  }
}

async function readInbox(): Promise<() => void> {
  const items = list(gateway, "/api/v1/customer/approvals", query(pageSizes.inbox));
  const { found, rest } = await readList("inbox", items);
  return () => {
    hasMore.inbox.value = rest;
    storeInbox(found);
  };
}

/** Stores the commands that wait for a decision. Those that no longer wait become resolved ones. */
function storeInbox(waiting: Command[]): void {
  requestNames(waiting);
  const ids = new Set(waiting.map((command) => command.id));
  const left = (inbox.value ?? []).filter((command) => !ids.has(command.id));
  inbox.value = waiting;
  if (left.length === 0) return;
  resolved.value = [
    ...left.filter((command) => !resolved.value.some((other) => other.id === command.id)),
    ...resolved.value,
  ].slice(0, 20);
  refresh("resolved");
}

async function readResolved(): Promise<() => void> {
  const found = await Promise.all(resolved.value.map((command) => (isFinal(command) ? command : readCommand(command))));
  const byId = new Map(found.map((command) => [command.id, command]));
  // Remove commands that are still pending: they only moved beyond the limit of the inbox.
  return () => {
    resolved.value = resolved.value
      .map((command) => byId.get(command.id) ?? command)
      .filter((command) => command.status !== "pending_approval");
  };
}

function readCommand({ sessionId, id }: Command): Promise<Command> {
  const path = { sessionId, commandId: id };
  return gateway.get("/api/v1/customer/sessions/{sessionId}/commands/{commandId}", { params: { path } });
}

/** Reports whether the status of a command cannot change any more. */
export function isFinal(command: Command): boolean {
  return ["succeeded", "failed", "rejected", "cancelled", "expired"].includes(command.status);
}

/** Sets the session of the current view. `undefined` means that the view has no session. */
export function viewSession(sessionId: string | undefined): void {
  if (viewedId === sessionId) return;
  viewedId = sessionId;
  wantedCommands = 0;
  viewedSession.value = undefined;
  timeline.value = [];
  followViewed();
  if (sessionId) refresh("viewedSession");
}

/** Subscribes to the room of the viewed session, for the progress of its commands. */
function followViewed(): void {
  viewedRoom?.unsubscribe();
  viewedRoom = undefined;
  progressed.value = new Map();
  if (!socket || !viewedId) return;
  viewedRoom = socket.subscribe(rooms.session(viewedId), (message) => {
    if (message.kind !== "event" || message.event.type !== "command.progress") return;
    const { commandId, seq } = message.event.data;
    progressed.value = new Map(progressed.value).set(commandId, seq);
  });
  viewedRoom.started.catch(() => {}); // the reads at an interval remain
}

async function readViewedSession(): Promise<() => void> {
  const sessionId = viewedId;
  if (!sessionId) return () => {};
  const path = { sessionId };
  const session = await gateway.get("/api/v1/customer/sessions/{sessionId}", { params: { path } });
  await readEarlierCommands(session);
  const last = timeline.value.at(-1);
  const query = { limit: 200, since: last?.time };
  const newer: TimelineEvent[] = [];
  for await (const event of list(gateway, "/api/v1/customer/sessions/{sessionId}/events", { params: { path, query } }))
    newer.push(event);
  return () => {
    if (viewedId === sessionId) storeViewedSession(session, newer);
  };
}

/** Shows more of the earlier commands of the viewed session. */
export function showEarlierCommands(): void {
  wantedCommands = (viewedSession.value?.commands?.length ?? 0) + 200;
  refresh("viewedSession");
}

/** Adds earlier commands to a session that was read, until it has as many as are shown. */
async function readEarlierCommands(session: Session): Promise<void> {
  const path = { sessionId: session.id };
  const commands = session.commands ?? [];
  while (session.nextCursor && commands.length < wantedCommands) {
    const query = { limit: 200, cursor: session.nextCursor };
    const page = await gateway.get("/api/v1/customer/sessions/{sessionId}/commands", { params: { path, query } });
    commands.unshift(...page.items.reverse());
    session.nextCursor = page.nextCursor;
  }
}

function storeViewedSession(session: Session, newer: TimelineEvent[]): void {
  const known = new Set(timeline.value.map((event) => event.id));
  viewedSession.value = session;
  requestNames([session]);
  timeline.value = [...timeline.value, ...newer.filter((event) => !known.has(event.id))];
}
