import type { Command, Session } from "@fieldgate/client";
import { useEffect, useState } from "preact/hooks";
import { CommandCard } from "./CommandCard.js";
import { DecisionButtons } from "./DecisionButtons.js";
import { gateway, inbox, nameOf, news, refresh, settled, type TimelineEvent, timeline, view, viewed } from "./fleet.js";
import { Asking } from "./forms.js";
import { Propose } from "./Propose.js";
import { may } from "./session.js";
import { Badge, Loading, More, Needs, Time, Words } from "./ui.js";

/** A session while it goes on: its commands, and who did what. */
export function SessionPage({ id }: { id: string }) {
  const [shown, setShown] = useState(100);
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
          {session.status === "active" && <Needs least="operator" to="Proposing, cancelling and closing" />}
          <Commands of={session} />
        </section>
        <section aria-labelledby="timeline">
          <h2 id="timeline">Timeline</h2>
          <ol class="timeline" aria-live="polite" aria-relevant="additions">
            {timeline.value
              .slice(-shown)
              .reverse()
              .map((event) => (
                <Happened key={event.id} event={event} />
              ))}
          </ol>
          <More of={timeline.value.length > shown} onMore={() => setShown(shown + 100)} />
        </section>
      </div>
    </>
  );
}

function Head({ session }: { session: Session }) {
  const close = async (reason: string | undefined) => {
    const path = { sessionId: session.id };
    await gateway.post("/api/v1/customer/sessions/{sessionId}/close", { params: { path }, body: { reason } });
    news.value = "Closed.";
    refresh("viewed", "sessions", "inbox");
  };
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
          <Asking
            verb="Close the session"
            title="Close this session?"
            says="Commands that wait for a decision or in the queue end. What a device works on goes on."
            act={close}
          />
        )}
      </div>
      <p class="fine">
        Opened <Time at={session.createdAt} /> by <Words>{session.createdBy}</Words>,{" "}
        {session.closedAt ? "ended" : "ends"} <Time at={session.closedAt ?? session.expiresAt} />
      </p>
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
              {may("operator") && of.status === "active" && <Retry command={command} />}
            </div>
          </CommandCard>
        ))}
      </ul>
    </>
  );
}

function Cancel({ command }: { command: Command }) {
  const cancel = async (reason: string | undefined) => {
    await gateway.post("/api/v1/customer/sessions/{sessionId}/commands/{commandId}/cancel", pathAnd(command, reason));
    news.value = "Cancelled.";
    refresh("viewed", "inbox");
  };
  if (settled(command) || command.status === "timed_out" || command.cancelRequested) return null;
  const claimed = command.status === "claimed";
  return (
    <Asking
      verb="Cancel it"
      about={command.id}
      title="Cancel this command?"
      says={claimed ? "The device works on it: it is asked to stop, and may not be able to." : "No device will get it."}
      act={cancel}
    />
  );
}

function Retry({ command }: { command: Command }) {
  const retry = async (reason: string | undefined) => {
    await gateway.post("/api/v1/customer/sessions/{sessionId}/commands/{commandId}/retry", pathAnd(command, reason));
    news.value = "Proposed again.";
    refresh("viewed", "inbox");
  };
  if (!settled(command) && command.status !== "timed_out") return null;
  return (
    <Asking
      harmless
      verb="Propose again"
      about={command.id}
      title="Propose this command again?"
      says={
        command.status === "timed_out"
          ? "Nobody knows whether the device has done it: it may run a second time. It goes through the policy again."
          : "A new command with the same type and parameters goes through the policy again, and may need a decision."
      }
      act={retry}
    />
  );
}

function pathAnd({ sessionId, id }: Command, reason: string | undefined) {
  return { params: { path: { sessionId, commandId: id } }, body: { reason } };
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
