// What the page knows of the tenant, and keeps knowing: read over HTTP, and read again
// where the socket tells that something has happened. Events are only a reason to look.
import {
  type Client,
  type Command,
  connect,
  createClient,
  type Device,
  list,
  type RoomEvent,
  rooms,
  type Schemas,
  type Session,
  type Socket,
  type SocketState,
} from "@fieldgate/client";
import { computed, signal } from "@preact/signals";
import { parseExact } from "./json.js";
import { person, token } from "./session.js";

export type TimelineEvent = Schemas["Event"];

/** How live the page is. */
export type Line = "connecting" | "live" | "lost" | "ended" | "polling";

export const devices = signal<Device[] | undefined>();
export const sessions = signal<Session[] | undefined>();
export const inbox = signal<Command[] | undefined>();
/** Commands that have left the inbox while the page was open, newest first. */
export const decided = signal<Command[]>([]);
/** The session that is on view, with its commands. */
export const viewed = signal<Session | undefined>();
export const timeline = signal<TimelineEvent[]>([]);
export const line = signal<Line>("connecting");
/** What could not be read last, until it can be. */
export const trouble = signal<unknown>();
/** What has just happened, for those who hear the page. */
export const news = signal("");

const deviceNames = computed(() => new Map(devices.value?.map((device) => [device.id, device.name])));
/** Names of devices that are not among those that are shown. */
const otherNames = signal(new Map<string, string>());
export const nameOf = (deviceId: string): string =>
  deviceNames.value.get(deviceId) ?? otherNames.value.get(deviceId) ?? deviceId;

/** How much of a list is read before somebody asks for more. */
const page = { devices: 200, sessions: 100, inbox: 100 };
type List = keyof typeof page;
const wanted = { ...page };
/** Of which lists there is more than is shown. */
export const more = { devices: signal(false), sessions: signal(false), inbox: signal(false) };
const pollMs = 5_000;

// Parameters and results are parsed to the letter, see json.ts. The length is set because
// openapi-fetch parses answers without one by itself.
async function exact(request: Request): Promise<Response> {
  const response = await fetch(request);
  const text = await response.text();
  const headers = new Headers(response.headers);
  headers.set("Content-Length", String(text.length));
  const same = new Response(response.status === 204 ? null : text, { status: response.status, headers });
  return Object.defineProperty(same, "json", { value: async () => parseExact(text) });
}

export const gateway: Client = createClient({ baseUrl: location.origin, token, retry: true, fetch: exact });

let socket: Socket | undefined;
let poll: ReturnType<typeof setInterval> | undefined;
let viewedId: string | undefined;

/** Begins to follow the tenant of the person who is signed in. */
export function follow(live: boolean): void {
  if (live) {
    socket = connect(gateway, { onState: told, timeoutMs: 10_000 });
    const room = socket.subscribe(rooms.tenant, (message) => {
      if (message.kind === "event") happened(message.event);
      else refresh(...everything);
    });
    room.started.then(() => refresh(...everything)).catch(() => {}); // read after this, nothing is missed
  } else {
    line.value = "polling";
    poll = setInterval(() => refresh(...everything), pollMs);
  }
  refresh(...everything);
}

/** Forgets all, such as when somebody else signs in. */
export function unfollow(): void {
  socket?.close();
  clearInterval(poll);
  socket = undefined;
  devices.value = sessions.value = inbox.value = viewed.value = undefined;
  decided.value = [];
  timeline.value = [];
  otherNames.value = new Map();
  Object.assign(wanted, page);
  trouble.value = undefined;
  line.value = "connecting";
  viewedId = undefined;
}

function told(state: SocketState): void {
  if (state.status === "connected") line.value = "live";
  if (state.status === "waiting") line.value = "lost";
  if (state.status === "closed") line.value = person.value && state.error ? "ended" : line.value;
}

/** Connects again after the gateway has ended the socket for good. */
export function reconnect(): void {
  socket?.close();
  line.value = "connecting";
  follow(true);
}

function happened(event: RoomEvent): void {
  const data = event.data as { deviceId?: string; sessionId?: string; commandId?: string };
  const name = nameOf(data.deviceId ?? "");
  if (event.type.startsWith("device.")) refresh("devices");
  if (event.type.startsWith("session.")) refresh("sessions", "inbox");
  if (event.type.startsWith("command.")) refresh("inbox");
  if (event.type === "command.proposed") news.value = `A command was proposed for ${name}.`;
  if (event.type === "command.succeeded") news.value = `A command has succeeded on ${name}.`;
  if (event.type === "command.failed") news.value = `A command has failed on ${name}.`;
  if (event.type === "command.timed_out") news.value = `A command has timed out on ${name}.`;
  if (data.commandId && decided.value.some((command) => command.id === data.commandId)) refresh("decided");
  if (data.sessionId === viewedId) refresh("viewed");
}

type Part = "devices" | "sessions" | "inbox" | "decided" | "viewed";
const everything: Part[] = ["devices", "sessions", "inbox", "decided", "viewed"];
const readers: Record<Part, () => Promise<void>> = {
  devices: readDevices,
  sessions: readSessions,
  inbox: readInbox,
  decided: readDecided,
  viewed: readViewed,
};
const due = new Set<Part>();
const running = new Set<Part>();

/** Reads parts again: each once at a time, and once more if something happened meanwhile. */
export function refresh(...parts: Part[]): void {
  for (const part of parts) {
    due.add(part);
    if (!running.has(part)) void run(part);
  }
}

/** How long to wait for more to happen: one event seldom comes alone, and long lists cost more. */
function settleMs(part: Part): number {
  return part in wanted && wanted[part as List] > page[part as List] ? 1_000 : 40;
}

async function run(part: Part): Promise<void> {
  running.add(part);
  const whose = person.value;
  while (due.delete(part) && person.value === whose && whose) {
    await new Promise((resolve) => setTimeout(resolve, settleMs(part)));
    try {
      await readers[part]();
      trouble.value = undefined;
    } catch (error) {
      if (person.value) trouble.value = error;
    }
  }
  running.delete(part);
}

/** Reads as much of a list as is wanted. */
async function read<T>(name: List, items: AsyncGenerator<T>): Promise<T[]> {
  const found: T[] = [];
  let rest = false;
  for await (const item of items) {
    rest = found.length === wanted[name];
    if (rest) break;
    found.push(item);
  }
  more[name].value = rest;
  return found;
}

const query = (limit: number) => ({ params: { query: { limit } } });

/** Shows one page more of a list. */
export function showMore(name: List): void {
  wanted[name] += page[name];
  refresh(name);
}

async function readDevices(): Promise<void> {
  devices.value = await read("devices", list(gateway, "/api/v1/customer/devices", query(page.devices)));
}

async function readSessions(): Promise<void> {
  sessions.value = await read("sessions", list(gateway, "/api/v1/customer/sessions", query(page.sessions)));
  learnNames(sessions.value);
}

/** Finds out what devices are called that are not among those that are shown. */
function learnNames(of: { deviceId: string }[]): void {
  if (!more.devices.value) return;
  for (const deviceId of new Set(of.map((one) => one.deviceId))) {
    if (deviceNames.value.has(deviceId) || otherNames.value.has(deviceId)) continue;
    otherNames.value.set(deviceId, deviceId); // asks once
    const found = gateway.get("/api/v1/customer/devices/{deviceId}", { params: { path: { deviceId } } });
    found.then(
      ({ name }) => {
        otherNames.value = new Map(otherNames.value).set(deviceId, name);
      },
      () => otherNames.value.delete(deviceId),
    );
  }
}

async function readInbox(): Promise<void> {
  const waiting = await read("inbox", list(gateway, "/api/v1/customer/approvals", query(page.inbox)));
  learnNames(waiting);
  const ids = new Set(waiting.map((command) => command.id));
  const left = (inbox.value ?? []).filter((command) => !ids.has(command.id));
  inbox.value = waiting;
  if (left.length === 0) return;
  decided.value = [
    ...left.filter((one) => !decided.value.some((other) => other.id === one.id)),
    ...decided.value,
  ].slice(0, 20);
  refresh("decided");
}

async function readDecided(): Promise<void> {
  const found = await Promise.all(decided.value.map((command) => (settled(command) ? command : readCommand(command))));
  const byId = new Map(found.map((command) => [command.id, command]));
  // Who still waits has only made room for others.
  decided.value = decided.value
    .map((command) => byId.get(command.id) ?? command)
    .filter((command) => command.status !== "pending_approval");
}

function readCommand({ sessionId, id }: Command): Promise<Command> {
  const path = { sessionId, commandId: id };
  return gateway.get("/api/v1/customer/sessions/{sessionId}/commands/{commandId}", { params: { path } });
}

/** Whether nothing more can become of a command. */
export function settled(command: Command): boolean {
  return ["succeeded", "failed", "rejected", "cancelled", "expired"].includes(command.status);
}

/** Shows a session, or none. */
export function view(sessionId: string | undefined): void {
  if (viewedId === sessionId) return;
  viewedId = sessionId;
  viewed.value = undefined;
  timeline.value = [];
  if (sessionId) refresh("viewed");
}

async function readViewed(): Promise<void> {
  const sessionId = viewedId;
  if (!sessionId) return;
  const path = { sessionId };
  const session = await gateway.get("/api/v1/customer/sessions/{sessionId}", { params: { path } });
  if (session.nextCursor) {
    const query = { limit: 200, cursor: session.nextCursor };
    for await (const command of list(gateway, "/api/v1/customer/sessions/{sessionId}/commands", {
      params: { path, query },
    }))
      session.commands?.push(command);
  }
  const last = timeline.value.at(-1);
  const query = { limit: 200, since: last?.time };
  const news: TimelineEvent[] = [];
  for await (const event of list(gateway, "/api/v1/customer/sessions/{sessionId}/events", { params: { path, query } }))
    news.push(event);
  if (viewedId !== sessionId) return;
  const known = new Set(timeline.value.map((event) => event.id));
  viewed.value = session;
  learnNames([session]);
  timeline.value = [...timeline.value, ...news.filter((event) => !known.has(event.id))];
}
