// What an event changes of the records that the page has, so that the page reads nothing again for it.
import type { Command, Device, RoomEvent, Schemas, Session } from "@fieldgate/client";

export type TimelineEvent = Schemas["Event"];
type Approval = NonNullable<Command["approval"]>;

/** The data of events, as far as the page uses it. */
export interface EventData {
  deviceId?: string;
  sessionId?: string;
  commandId?: string;
  status?: Command["status"];
  presence?: Device["presence"];
  attempt?: number;
  late?: boolean;
  decision?: Approval["decision"];
  required?: number;
  reason?: string;
  comment?: string;
  model?: string;
  firmwareVersion?: string;
}

export const dataOf = (event: RoomEvent): EventData => event.data as EventData;

const collectors = new Set<RoomEvent[]>();

/** Adds an event to the results of all reads that run. */
export function collect(event: RoomEvent): void {
  for (const events of collectors) events.push(event);
}

/**
 * Returns what a read returns, and the events that arrived meanwhile: what was read may be older than they
 * are, so apply them to it.
 */
export async function withEvents<T>(read: () => Promise<T>): Promise<[T, RoomEvent[]]> {
  const events: RoomEvent[] = [];
  collectors.add(events);
  try {
    return [await read(), events];
  } finally {
    collectors.delete(events);
  }
}

/** Reports whether the status of a command cannot change any more. */
export function isFinal(command: Command): boolean {
  return ["succeeded", "failed", "rejected", "cancelled", "expired"].includes(command.status);
}

export type CommandStatus = Command["status"];

/** All statuses of commands, in the order of a command's life. */
export const statuses: CommandStatus[] = [
  "pending_approval",
  "queued",
  "claimed",
  "succeeded",
  "failed",
  "timed_out",
  "rejected",
  "cancelled",
  "expired",
];

/** The status of a command after an event that does not contain it. The others are named like their status. */
const statusAfter: Record<string, CommandStatus> = {
  "command.approved": "queued",
  "command.requeued": "queued",
  "command.released": "queued",
};

/** Returns the command after an event. An event about something else changes nothing. */
export function commandAfter(command: Command, event: RoomEvent): Command {
  if (dataOf(event).commandId !== command.id) return command;
  if (event.type === "command.result_conflict") return command; // its status is that of the other result
  const data = dataOf(event);
  const named = statuses.find((one) => event.type === `command.${one}`);
  const status = isFinal(command)
    ? command.status
    : (data.status ?? statusAfter[event.type] ?? named ?? command.status);
  const after: Command = { ...command, status, ...changes[event.type]?.(command, event, data) };
  const ended = status !== command.status && (isFinal(after) || status === "timed_out");
  return ended ? { ...after, finishedAt: event.time } : after;
}

type Change = (command: Command, event: RoomEvent, data: EventData) => Partial<Command>;

const decided: Change = ({ approval }, { type, time, actor, actorDetails }, { reason }) => ({
  approval: {
    ...approval,
    decision: type === "command.approved" ? "approved" : "rejected",
    decidedBy: actor?.id,
    decidedByActor: actorDetails,
    decidedAt: time,
    reason,
  },
});

const withResult: Change = (_, __, { attempt, late }) => ({
  resultOmitted: true,
  late: late === true,
  ...(attempt && { attempt }),
});

/** What events change of a command beside its status. */
const changes: Record<string, Change> = {
  "command.approved": decided,
  "command.rejected": decided,
  "command.succeeded": withResult,
  "command.failed": withResult,
  "command.claimed": (_, { time }, { attempt }) => ({ claimedAt: time, ...(attempt && { attempt }) }),
  "command.cancel_requested": () => ({ cancelRequested: true }),
  "command.vote": ({ approval }, { time, actorDetails }, { decision = "approved", required, reason }) => {
    if (!actorDetails) return {};
    const vote = { user: actorDetails, decision, at: time, reason };
    return { approval: { ...approval, required, votes: [...votesExcept(approval, actorDetails.id), vote] } };
  },
  "command.vote_withdrawn": ({ approval }, { actor }, { required }) => ({
    approval: { required, votes: votesExcept(approval, actor?.id) },
  }),
  "command.break_glass": (_, { time, actorDetails }, { reason = "" }) =>
    actorDetails ? { breakGlass: { by: actorDetails, at: time, reason } } : {},
  "command.break_glass_reviewed": ({ breakGlass }, { time, actorDetails }, { comment }) =>
    breakGlass ? { breakGlass: { ...breakGlass, reviewedBy: actorDetails, reviewedAt: time, comment } } : {},
};

const votesExcept = (approval: Approval | undefined, user: string | undefined) =>
  (approval?.votes ?? []).filter((vote) => vote.user.id !== user);

/** Reports whether an event changes more of a command than it says, so that the command must be read. */
export function saysTooLittle(event: RoomEvent): boolean {
  return event.type === "command.result_conflict" || dataOf(event).status === "pending_approval";
}

/** Returns the device after an event about it. `undefined` means that the event does not say enough. */
export function deviceAfter(device: Device, event: RoomEvent): Device | undefined {
  const { sessionId, presence, model, firmwareVersion } = dataOf(event);
  switch (event.type) {
    case "device.presence":
      return { ...device, ...(presence && { presence }), ...(presence === "online" && { lastSeen: event.time }) };
    case "device.registered":
      return {
        ...device,
        status: "active",
        presence: "online", // as the gateway sees a device that was heard just now
        registeredAt: event.time,
        lastSeen: event.time,
        ...(model && { model }),
        ...(firmwareVersion && { firmwareVersion }),
      };
    case "device.suspended":
      return { ...device, status: "suspended", presence: "offline" };
    case "device.decommissioned":
      return { ...device, status: "decommissioned", presence: "offline" };
    case "device.updated":
    case "device.resumed":
    case "device.identity_conflict":
    case "device.identity_resolved":
      return undefined;
    case "session.opened":
      return { ...device, activeSessionId: sessionId };
    case "session.closed":
    case "session.expired":
      return device.activeSessionId === sessionId ? { ...device, activeSessionId: undefined } : device;
    default:
      return device;
  }
}

/** Returns the session after an event about it. */
export function sessionAfter(session: Session, event: RoomEvent): Session {
  if (event.type !== "session.closed" && event.type !== "session.expired") return session;
  return { ...session, status: event.type === "session.closed" ? "closed" : "expired", closedAt: event.time };
}

/** Returns an event of a socket as the timeline has it. */
export function timelineEventOf(event: RoomEvent): TimelineEvent {
  const { offset, type, time, actor, actorDetails, requestId, data } = event;
  const { deviceId, sessionId, commandId } = dataOf(event);
  return { id: offset, type, time, actor, actorDetails, requestId, deviceId, sessionId, commandId, data };
}

/** Returns what identifies an event both in a timeline and on a socket, where it has different positions. */
export const keyOf = ({ type, time, commandId, requestId }: TimelineEvent) =>
  `${type} ${Date.parse(time)} ${commandId ?? ""} ${requestId ?? ""}`;
