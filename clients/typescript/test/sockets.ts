// Opens sockets and records their states and messages.
import assert from "node:assert/strict";
import { after } from "node:test";
import {
  type Client,
  connect,
  type EventType,
  type RoomEvent,
  type RoomMessage,
  type Socket,
  type SocketOptions,
  type SocketState,
} from "@fieldgate/client";
import { WebSocket } from "ws";

/** Opens a socket that is closed after the tests of the file, and records its states. */
export function openSocket(client: Client, options: SocketOptions = {}) {
  const states: SocketState[] = [];
  const socket: Socket = connect(client, { WebSocket, onState: (state) => states.push(state), ...options });
  after(() => socket.close());
  const waitForState = async (wanted: (state: SocketState) => boolean): Promise<SocketState> => {
    await eventually(() => states.some(wanted));
    return states.find(wanted) as SocketState;
  };
  return { socket, states, waitForState };
}

/** Returns a handler of a subscription, and the messages that it has recorded. */
export function recordMessages() {
  const messages: RoomMessage[] = [];
  const waitForCount = (n: number) => eventually(() => messages.length >= n);
  /** Waits for an event of a type and returns the first one. */
  const waitForEvent = async <T extends EventType>(type: T): Promise<RoomEvent & { type: T }> => {
    const matches = (message: RoomMessage) => message.kind === "event" && message.event.type === type;
    await eventually(() => messages.some(matches));
    const message = messages.find(matches) as RoomMessage & { kind: "event" };
    return message.event as RoomEvent & { type: T };
  };
  const types = () => messages.map((message) => (message.kind === "event" ? message.event.type : message.kind));
  return {
    messages,
    types,
    waitForCount,
    waitForEvent,
    handler: (message: RoomMessage) => void messages.push(message),
  };
}

/** Waits until a condition is true. It fails the test after 15 s. */
export async function eventually(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, "the condition did not become true within 15 s");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
