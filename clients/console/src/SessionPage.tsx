import type { Command, Session } from "@fieldgate/client";
import { useEffect } from "preact/hooks";
import { CommandCard } from "./CommandCard.js";
import { DecisionButtons } from "./DecisionButtons.js";
import { gateway, inbox, nameOf, refresh, settled, type TimelineEvent, timeline, view, viewed } from "./fleet.js";
import { Propose } from "./Propose.js";
import { may } from "./session.js";
import { Badge, Loading, Problem, Time, useAction, Words } from "./ui.js";

/** A session while it goes on: its commands, and who did what. */
export function SessionPage({ id }: { id: string }) {
  useEffect(() => {
    view(id);
    return () => view(undefined);
  }, [id]);
  const session = viewed.value;
  if (!session) return <Loading what="the session" />;
  return (
    <>
      <Head session={session} />
      <div class="columns">
        <section aria-labelledby="commands">
          <h2 id="commands">Commands</h2>
          {session.status === "active" && may("operator") && <Propose session={session} />}
          <Commands of={session} />
        </section>
        <section aria-labelledby="timeline">
          <h2 id="timeline">Timeline</h2>
          <ol class="timeline" aria-live="polite" aria-relevant="additions">
            {[...timeline.value].reverse().map((event) => (
              <Happened key={event.id} event={event} />
            ))}
          </ol>
        </section>
      </div>
    </>
  );
}

function Head({ session }: { session: Session }) {
  const { busy, error, run } = useAction(async () => {
    await gateway.post("/api/v1/customer/sessions/{sessionId}/close", { params: { path: { sessionId: session.id } } });
    refresh("viewed", "sessions", "inbox");
  });
  return (
    <>
      <p class="fine">
        <a href={`#/devices/${session.deviceId}`}>
          <Words>{nameOf(session.deviceId)}</Words>
        </a>{" "}
        / <code>{session.id}</code>
      </p>
      <div class="head">
        <h1>
          <Words>{session.description ?? `${session.type} session`}</Words>
        </h1>
        <Badge of={session.status} />
        {session.status === "active" && may("operator") && (
          <button type="button" disabled={busy} onClick={() => void run()}>
            Close the session
          </button>
        )}
      </div>
      <p class="fine">
        Opened <Time at={session.createdAt} /> by <Words>{session.createdBy}</Words>,{" "}
        {session.closedAt ? "ended" : "ends"} <Time at={session.closedAt ?? session.expiresAt} />
      </p>
      <Problem error={error} />
    </>
  );
}

function Commands({ of }: { of: Session }) {
  const all = of.commands ?? [];
  const decidable = new Set(inbox.value?.filter((command) => command.mayDecide).map((command) => command.id));
  return (
    <>
      {all.length === 0 && <p class="empty">No command was proposed in this session.</p>}
      <ul class="cards">
        {[...all].reverse().map((command) => (
          <CommandCard key={command.id} command={command} inSession open={command.status === "pending_approval"}>
            <div class="actions">
              {decidable.has(command.id) && <DecisionButtons command={command} />}
              {may("operator") && <Cancel command={command} />}
            </div>
          </CommandCard>
        ))}
      </ul>
    </>
  );
}

function Cancel({ command }: { command: Command }) {
  const { busy, error, run } = useAction(async () => {
    const path = { sessionId: command.sessionId, commandId: command.id };
    await gateway.post("/api/v1/customer/sessions/{sessionId}/commands/{commandId}/cancel", { params: { path } });
    refresh("viewed", "inbox");
  });
  if (settled(command) || command.status === "timed_out" || command.cancelRequested) return null;
  return (
    <>
      <button type="button" disabled={busy} onClick={() => void run()}>
        Cancel it
      </button>
      <Problem error={error} />
    </>
  );
}

function Happened({ event }: { event: TimelineEvent }) {
  const { data, actor } = event;
  const reason = typeof data?.reason === "string" ? data.reason : undefined;
  const type = viewed.value?.commands?.find((command) => command.id === event.commandId)?.type;
  return (
    <li>
      <p>
        <strong>{inWords(event.type)}</strong> {type && <code>{type}</code>}
      </p>
      <p class="fine">
        <Time at={event.time} /> by{" "}
        <Words>{actor ? (actor.kind === "device" ? "the device" : actor.id) : "system"}</Words>
        {reason && (
          <>
            : <Words>{reason}</Words>
          </>
        )}
      </p>
      {event.requestId && (
        <p class="fine">
          request <code>{event.requestId}</code>
        </p>
      )}
    </li>
  );
}

function inWords(type: string): string {
  const words = type.replace(".", " ").replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
