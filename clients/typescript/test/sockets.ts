// Sockets under observation.
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

/** Opens a socket that ends with the tests, and notes how it stood. */
export function open(client: Client, options: SocketOptions = {}) {
  const states: SocketState[] = [];
  const socket: Socket = connect(client, { WebSocket, onState: (state) => states.push(state), ...options });
  after(() => socket.close());
  const until = async (wanted: (state: SocketState) => boolean): Promise<SocketState> => {
    await eventually(() => states.some(wanted));
    return states.find(wanted) as SocketState;
  };
  return { socket, states, until };
}

/** Collects what a subscription tells. */
export function inbox() {
  const messages: RoomMessage[] = [];
  const count = (n: number) => eventually(() => messages.length >= n);
  /** Gives the first event of a type, when it is there. */
  const event = async <T extends EventType>(type: T): Promise<RoomEvent & { type: T }> => {
    const is = (message: RoomMessage) => message.kind === "event" && message.event.type === type;
    await eventually(() => messages.some(is));
    const message = messages.find(is) as RoomMessage & { kind: "event" };
    return message.event as RoomEvent & { type: T };
  };
  const types = () => messages.map((message) => (message.kind === "event" ? message.event.type : message.kind));
  return { messages, types, count, event, handler: (message: RoomMessage) => void messages.push(message) };
}

export async function eventually(condition: () => boolean): Promise<void> {
  const late = Date.now() + 15_000;
  while (!condition()) {
    assert.ok(Date.now() < late, "it did not come about");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
