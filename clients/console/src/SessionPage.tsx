import type { Command, Session } from "@fieldgate/client";
import { useEffect, useMemo } from "preact/hooks";
import { CommandActions } from "./CommandActions.js";
import { CommandCard } from "./CommandCard.js";
import { DecisionButtons } from "./DecisionButtons.js";
import { keyOf, type TimelineEvent } from "./events.js";
import { ConfirmedButton } from "./forms.js";
import { Missing } from "./NotFound.js";
import { Items, MoreOnScroll } from "./nearby.js";
import { Propose } from "./Propose.js";
import { mayDecide } from "./signin/stepup.js";
import { hasRole, user } from "./signin/user.js";
import { announcement, deviceName, gateway, inbox, readErrors, refresh, viewSession } from "./state.js";
import { Actor, Badge, Loading, Problem, RoleHint, Time, UserText } from "./ui.js";
import { VoteButtons } from "./Votes.js";
import { hasEarlierEvents, showEarlierCommands, showEarlierEvents, timeline, viewedSession } from "./viewed.js";

/** Shows a session with its commands and its timeline. */
export function SessionPage({ id }: { id: string }) {
  useEffect(() => {
    viewSession(id);
    return () => viewSession(undefined);
  }, [id]);
  const session = viewedSession.value;
  const error = readErrors.value.get("viewedSession");
  if (!session)
    return error ? <Missing what="session" error={error} /> : <Loading what="the session" title="Session" />;
  return (
    <>
      <Problem error={error} />
      <Head session={session} />
      <div class="columns">
        <section aria-labelledby="commands">
          <h2 id="commands">Commands</h2>
          {session.status === "active" && hasRole("operator") && <Propose session={session} />}
          {session.status === "active" && (
            <RoleHint least="operator" to="propose or cancel commands, or close the session" />
          )}
          <Commands of={session} />
        </section>
        <section aria-labelledby="timeline">
          <h2 id="timeline">Timeline</h2>
          <Timeline commands={session.commands ?? []} />
        </section>
      </div>
    </>
  );
}

function Head({ session }: { session: Session }) {
  const close = async (reason: string | undefined) => {
    const path = { sessionId: session.id };
    await gateway.post("/api/v1/customer/sessions/{sessionId}/close", { params: { path }, body: { reason } });
    announcement.value = "Session closed.";
    refresh("viewedSession", "sessions", "inbox");
  };
  return (
    <>
      <p class="fine">
        <a href={`#/devices/${session.deviceId}`}>
          <UserText>{deviceName(session.deviceId)}</UserText>
        </a>{" "}
        / <code>{session.id}</code>
      </p>
      <div class="head">
        <h1>
          <UserText>{session.description ?? `${session.type} session`}</UserText>
        </h1>
        <Badge of={session.status} />
        {session.status === "active" && hasRole("operator") && (
          <ConfirmedButton
            verb="Close the session"
            title="Close this session?"
            effect="Commands that wait for a decision or in the queue expire. Commands that a device has claimed continue."
            action={close}
          />
        )}
      </div>
      <p class="fine">
        Opened <Time at={session.createdAt} /> by <Actor id={session.createdBy} details={session.createdByActor} />,{" "}
        {session.closedAt ? "ended" : "ends"} <Time at={session.closedAt ?? session.expiresAt} />
      </p>
    </>
  );
}

/** The commands of the session, newest first. Earlier ones are read when the end of the list comes near. */
function Commands({ of }: { of: Session }) {
  const all = of.commands ?? [];
  const decidable = new Set(inbox.value?.filter(mayDecide).map((command) => command.id));
  const count = of.nextCursor === undefined ? all.length : -1;
  return (
    <>
      {all.length === 0 && <p class="empty">This session has no commands.</p>}
      <ul class="cards">
        {[...all].reverse().map((command, i) => (
          <OwnCard
            key={command.id}
            command={command}
            position={i + 1}
            count={count}
            isOpen={of.status === "active"}
            mayDecide={decidable.has(command.id)}
          />
        ))}
      </ul>
      <MoreOnScroll
        when={of.nextCursor !== undefined}
        count={all.length}
        label="Show earlier commands"
        onMore={() => void showEarlierCommands()}
      />
    </>
  );
}

interface OwnCardProps {
  command: Command;
  position: number;
  count: number;
  isOpen: boolean;
  mayDecide: boolean;
}

/** The card of a command. An event about another command does not draw it again. */
function OwnCard({ command, position, count, isOpen, mayDecide }: OwnCardProps) {
  return useMemo(
    () => (
      <CommandCard
        command={command}
        inSession
        open={command.status === "pending_approval"}
        position={position}
        count={count}
      >
        <div class="actions">
          {mayDecide && <DecisionButtons command={command} />}
          <VoteButtons command={command} />
          <CommandActions command={command} isOpen={isOpen} />
        </div>
      </CommandCard>
    ),
    [command, position, count, isOpen, mayDecide, user.value],
  );
}

/** The events of the session, newest first. Earlier ones are read when the end of the list comes near. */
function Timeline({ commands }: { commands: Command[] }) {
  const types = new Map(commands.map(({ id, type }) => [id, type]));
  const events = [...timeline.value].reverse();
  const hasEarlier = hasEarlierEvents.value;
  return (
    <>
      <Items of={events} class="timeline" keyOf={keyOf} count={hasEarlier ? -1 : events.length}>
        {(event) => <TimelineEntry event={event} type={types.get(event.commandId ?? "")} />}
      </Items>
      <MoreOnScroll
        when={hasEarlier}
        count={events.length}
        label="Show earlier events"
        onMore={() => void showEarlierEvents()}
      />
    </>
  );
}

function TimelineEntry({ event, type }: { event: TimelineEvent; type: string | undefined }) {
  const { data, actor, actorDetails } = event;
  const reason = typeof data?.reason === "string" ? data.reason : undefined;
  return (
    <>
      <p>
        <strong>{titleOf(event.type)}</strong> {type && <code>{type}</code>}
      </p>
      <p class="fine">
        <Time at={event.time} /> by{" "}
        {actor?.kind === "device" ? "the device" : <Actor id={actor?.id ?? "system"} details={actorDetails} />}
        {reason && (
          <>
            : <UserText>{reason}</UserText>
          </>
        )}
      </p>
      {event.requestId && (
        <p class="fine">
          request <code>{event.requestId}</code>
        </p>
      )}
    </>
  );
}

/** Returns the title of an event type, such as "Command timed out" for "command.timed_out". */
function titleOf(type: string): string {
  const words = type.replace(".", " ").replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
