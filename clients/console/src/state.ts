// The state of the page: lists and details of the tenant, read over HTTP. An event from the
// socket patches what the page has, or triggers another read of the affected parts.
import {
  type Command,
  connect,
  list,
  type RoomEvent,
  rooms,
  type Socket,
  type SocketState,
  type Subscription,
} from "@fieldgate/client";
import { computed, signal } from "@preact/signals";
import { collect, commandAfter, dataOf, deviceAfter, isFinal, saysTooLittle, withEvents } from "./events.js";
import { gateway } from "./gateway.js";
import { deviceList, sessionList } from "./lists.js";
import { user } from "./signin/user.js";
import * as viewed from "./viewed.js";

/** How the page is updated: over the socket, or by polling. */
export type LiveStatus = "connecting" | "live" | "lost" | "ended" | "polling";

export const devices = deviceList.items;
export const sessions = sessionList.items;
export const inbox = signal<Command[] | undefined>();
/** The commands that left the inbox while the page was open, newest first. */
export const resolved = signal<Command[]>([]);
export const liveStatus = signal<LiveStatus>("connecting");
/** The errors of the last reads, by what was read. A read that succeeds removes its own only. */
export const readErrors = signal<ReadonlyMap<string, unknown>>(new Map());
/** What the last action of the user has done, in words. */
export const announcement = signal("");
/** The latest event in words, for screen readers. */
export const news = signal("");
/** How often all parts were read again, for a page without a socket and after missed events. */
export const rereads = signal(0);

/** The number of the newest report of each command that has reported progress, in the viewed session. */
export const progressed = signal(new Map<string, number>());

const listedNames = computed(() => new Map(devices.value?.map((device) => [device.id, device.name])));
/** The names of devices that are not in the loaded part of the list. */
const otherNames = signal(new Map<string, string>());

/** Returns the name of a device, or its id until the name is known. */
export const deviceName = (deviceId: string): string =>
  listedNames.value.get(deviceId) ?? otherNames.value.get(deviceId) ?? deviceId;

/** The number of commands that the inbox shows at first. "Show more" adds the same number. */
const inboxPage = 100;
/** The current maximum number of commands of the inbox. */
let inboxLimit = inboxPage;
/** Whether a list has more items than were read. */
export const hasMore = { devices: deviceList.hasMore, sessions: sessionList.hasMore, inbox: signal(false) };
/** Whether all devices are being loaded. */
export const isLoadingAll = signal(false);
const pollMs = 5_000;

export { timeline, viewedSession } from "./viewed.js";
export { gateway };

let socket: Socket | undefined;
let poll: ReturnType<typeof setInterval> | undefined;
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
  deviceList.clear();
  sessionList.clear();
  inbox.value = undefined;
  resolved.value = [];
  otherNames.value = new Map();
  inboxLimit = inboxPage;
  readErrors.value = new Map();
  announcement.value = news.value = "";
  liveStatus.value = "connecting";
  viewed.startViewing(undefined);
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

const listeners = new Set<(event: RoomEvent) => void>();

/** Calls a function for each event of the tenant. It returns a function that ends this. */
export function listen(listener: (event: RoomEvent) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Patches what the page has with an event. It reads only what the event does not contain. */
function onEvent(event: RoomEvent): void {
  collect(event);
  if (event.type.startsWith("device.")) onDeviceEvent(event);
  if (event.type.startsWith("session.") && !sessionList.patch(event) && event.type === "session.opened")
    readAgain("sessions");
  onInboxEvent(event);
  news.value = newsOf(event) ?? news.value;
  viewed.patchViewed(event);
  for (const listener of listeners) listener(event);
}

/** Patches the list of devices. It reads a device that is new, or of which the event does not say enough. */
function onDeviceEvent(event: RoomEvent): void {
  const device = deviceList.find(dataOf(event).deviceId);
  if (!device && event.type === "device.registered") readAgain("devices");
  if (device && deviceAfter(device, event) === undefined) void readDevice(device.id);
  deviceList.patch(event);
}

async function readDevice(deviceId: string): Promise<void> {
  const params = { path: { deviceId } };
  const read = () => gateway.get("/api/v1/customer/devices/{deviceId}", { params });
  const [found, events] = await withEvents(read).catch(() => [undefined, []] as const);
  if (!found) return; // its page shows the error
  deviceList.replace(found);
  for (const event of events) deviceList.patch(event);
}

/** Moves a command that no longer waits out of the inbox. It reads the inbox if the event may change it otherwise. */
function onInboxEvent(event: RoomEvent): void {
  const { commandId } = dataOf(event);
  const waiting = inbox.value?.find((command) => command.id === commandId);
  const after = waiting && commandAfter(waiting, event);
  if (after && after.status !== "pending_approval") {
    inbox.value = inbox.value?.filter((command) => command !== waiting);
    addResolved([after]);
    if (hasMore.inbox.value) readAgain("inbox");
  } else {
    if (concernsInbox(event)) readAgain("inbox");
    if (!resolved.value.some((command) => command.id === commandId)) return;
    resolved.value = resolved.value.map((one) => commandAfter(one, event));
    if (saysTooLittle(event)) readAgain("resolved");
  }
}

/** Adds commands to those that have left the inbox. */
function addResolved(left: Command[]): void {
  const others = resolved.value.filter((command) => !left.some(({ id }) => id === command.id));
  resolved.value = [...left, ...others].slice(0, 20);
}

/** Reports whether an event may change the inbox: it is about a command that waits, or that waits there. */
function concernsInbox(event: RoomEvent): boolean {
  const { commandId, sessionId, status } = dataOf(event);
  if (!inbox.value) return true;
  if (commandId) return status === "pending_approval" || inbox.value.some((command) => command.id === commandId);
  return event.type.startsWith("session.") && inbox.value.some((command) => command.sessionId === sessionId);
}

/** Returns an event in words, if it is worth a message. */
function newsOf(event: RoomEvent): string | undefined {
  const name = deviceName(dataOf(event).deviceId ?? "");
  const texts: Partial<Record<RoomEvent["type"], string>> = {
    "command.proposed": `A command was proposed for ${name}.`,
    "command.approved": `A command was approved for ${name}.`,
    "command.rejected": `A command was rejected for ${name}.`,
    "command.succeeded": `A command succeeded on ${name}.`,
    "command.failed": `A command failed on ${name}.`,
    "command.timed_out": `A command timed out on ${name}.`,
    "device.identity_conflict": `Two machines use the identity of ${name}.`,
  };
  return texts[event.type];
}

type Part = "devices" | "sessions" | "inbox" | "resolved" | "viewedSession";
const allParts: Part[] = ["devices", "sessions", "inbox", "resolved", "viewedSession"];
/** The functions that read a part. Each returns a function that stores what was read. */
const readers: Record<Part, () => Promise<() => void>> = {
  devices: () => deviceList.read(),
  sessions: readSessions,
  inbox: readInbox,
  resolved: readResolved,
  viewedSession: viewed.readViewedSession,
};
/** The parts that events keep current while the page is live. */
const followed = new Set<Part>(["sessions", "viewedSession"]);
const due = new Set<Part>();
const running = new Set<Part>();

/** Reads parts of the state after an action of the user, except those that its events change in any case. */
export function refresh(...parts: Part[]): void {
  readAgain(...parts.filter((part) => liveStatus.value !== "live" || !followed.has(part)));
}

/**
 * Reads the given parts of the state. If a part is already being read, it is read once more
 * afterwards.
 */
function readAgain(...parts: Part[]): void {
  for (const part of parts) {
    due.add(part);
    if (!running.has(part)) void run(part);
  }
}

/** Reads all parts of the state, because events may be missing. */
export function refreshAll(): void {
  rereads.value++;
  deviceList.expire();
  sessionList.expire();
  readAgain(...allParts);
}

/**
 * Returns how long to wait for further events before a read, in milliseconds. Events often
 * arrive together. The wait is longer for an extended list, because its reads cost more.
 */
function debounceMs(part: Part): number {
  if (part === "inbox" && inboxLimit > inboxPage) return 1_000;
  return part === "devices" || (part === "sessions" && sessions.value) ? 400 : 40; // a site brings many events within a second
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
  setReadError(part, error);
}

/** Keeps the error of a read, by what was read. `undefined` means that it succeeded. */
export function setReadError(of: string, error: unknown): void {
  if (error === undefined && !readErrors.value.has(of)) return;
  const errors = new Map(readErrors.value);
  errors.delete(of);
  if (error !== undefined) errors.set(of, error);
  readErrors.value = errors;
}

/** Extends a list by one page. */
export async function showMore(name: "devices" | "sessions" | "inbox"): Promise<void> {
  if (name === "inbox") {
    inboxLimit += inboxPage;
    readAgain("inbox");
    return;
  }
  await attempt(name, (name === "devices" ? deviceList : sessionList).readMore());
  if (sessions.value) requestNames(sessions.value);
}

/** Loads the devices that are not loaded yet, until the view that needs them has gone. */
export async function loadAllDevices(signal: AbortSignal): Promise<void> {
  isLoadingAll.value = true;
  let before = -1;
  while (hasMore.devices.value && !signal.aborted && devices.value && devices.value.length > before) {
    before = devices.value.length;
    await showMore("devices");
  }
  isLoadingAll.value = false;
}

/** Waits for a read, and keeps its error by what was read. */
export async function attempt(of: string, reading: Promise<void>): Promise<void> {
  const startedAt = clearings;
  let error: unknown;
  await reading.catch((thrown: unknown) => {
    error = thrown;
  });
  if (clearings === startedAt) setReadError(of, error);
}

async function readSessions(): Promise<() => void> {
  const store = await sessionList.read();
  return () => {
    store();
    requestNames(sessions.value ?? []);
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
  const params = { query: { limit: inboxPage } };
  const read = async () => {
    const items: Command[] = [];
    for await (const item of list(gateway, "/api/v1/customer/approvals", { params })) {
      items.push(item);
      if (items.length > inboxLimit) break;
    }
    return items;
  };
  const [items, events] = await withEvents(read);
  return () => {
    hasMore.inbox.value = items.length > inboxLimit;
    const isWaiting = (command: Command) => events.reduce(commandAfter, command).status === "pending_approval";
    const found = items.slice(0, inboxLimit).filter(isWaiting);
    storeInbox(found);
    const changed = new Set(events.map((event) => dataOf(event).commandId));
    if (found.some(({ id }) => changed.has(id))) readAgain("inbox");
  };
}

/** Stores the commands that wait for a decision. Those that no longer wait become resolved ones. */
function storeInbox(waiting: Command[]): void {
  requestNames(waiting);
  const ids = new Set(waiting.map((command) => command.id));
  const left = (inbox.value ?? []).filter((command) => !ids.has(command.id));
  inbox.value = waiting;
  if (left.length === 0) return;
  addResolved(left.filter((command) => !resolved.value.some((other) => other.id === command.id)));
  readAgain("resolved"); // their events were missed
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

/** Sets the session of the current view. `undefined` means that the view has no session. */
export function viewSession(sessionId: string | undefined): void {
  if (viewed.viewedId === sessionId) return;
  viewed.startViewing(sessionId);
  setReadError("viewedSession", undefined);
  followViewed();
  if (sessionId) readAgain("viewedSession");
}

/** Subscribes to the room of the viewed session, for the progress of its commands. */
function followViewed(): void {
  viewedRoom?.unsubscribe();
  viewedRoom = undefined;
  progressed.value = new Map();
  if (!socket || !viewed.viewedId) return;
  viewedRoom = socket.subscribe(rooms.session(viewed.viewedId), (message) => {
    if (message.kind !== "event" || message.event.type !== "command.progress") return;
    const { commandId, seq } = message.event.data;
    progressed.value = new Map(progressed.value).set(commandId, seq);
  });
  viewedRoom.started.catch(() => {}); // the reads at an interval remain
}
