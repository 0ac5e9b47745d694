import type { Command } from "@fieldgate/client";
import { useEffect, useState } from "preact/hooks";
import { CommandActions } from "./CommandActions.js";
import { CommandCard } from "./CommandCard.js";
import { DecisionButtons } from "./DecisionButtons.js";
import { commandAfter, dataOf, saysTooLittle, withEvents } from "./events.js";
import { CopyButton } from "./forms.js";
import { Missing } from "./NotFound.js";
import { ReceiptSection } from "./Receipt.js";
import { hashOf } from "./route.js";
import { mayDecide } from "./signin/stepup.js";
import { announcement, gateway, inbox, listen, rereads, sessions } from "./state.js";
import { Loading, Problem } from "./ui.js";
import { VoteButtons } from "./Votes.js";

/** Shows one command, for a link to it. */
export function CommandPage({ sessionId, id }: { sessionId: string; id: string }) {
  const { command, error } = useCommand(sessionId, id);
  if (!command)
    return error ? <Missing what="command" error={error} /> : <Loading what="the command" title="Command" />;
  const waiting = inbox.value?.find((one) => one.id === id);
  // A session that is not loaded may be open: the gateway says so if it is not.
  const isOpen = (sessions.value?.find((one) => one.id === sessionId)?.status ?? "active") === "active";
  return (
    <>
      <div class="head">
        <h1>Command</h1>
        <code class="fine">{id}</code>
        <CopyButton text={id} label="Copy id" />
      </div>
      <Problem error={error} />
      <h2 class="visually-hidden">Details</h2>
      <ul class="cards">
        <CommandCard command={command} open>
          <div class="actions">
            {waiting && mayDecide(waiting) && <DecisionButtons command={waiting} />}
            <VoteButtons command={command} />
            <CommandActions command={command} isOpen={isOpen} onRetried={show} />
          </div>
        </CommandCard>
      </ul>
      <ReceiptSection command={command} />
    </>
  );
}

/** Goes to the page of a command, with what was announced. */
function show({ sessionId, id }: Command): void {
  const said = announcement.value;
  location.hash = hashOf(["commands", sessionId, id]);
  addEventListener("hashchange", () => (announcement.value = said), { once: true });
}

/** Reads a command. Events about it change it, and it is read again only if an event does not say enough. */
function useCommand(sessionId: string, commandId: string): { command: Command | undefined; error: unknown } {
  const [command, setCommand] = useState<Command>();
  const [error, setError] = useState<unknown>();
  const [unclear, setUnclear] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    const params = { path: { sessionId, commandId } };
    const path = "/api/v1/customer/sessions/{sessionId}/commands/{commandId}";
    withEvents(() => gateway.get(path, { params, signal: stop.signal })).then(
      ([found, events]) => {
        if (stop.signal.aborted) return;
        setError(undefined);
        setCommand(events.reduce(commandAfter, found));
      },
      (thrown: unknown) => stop.signal.aborted || setError(thrown),
    );
    return () => stop.abort();
  }, [sessionId, commandId, unclear, rereads.value]);
  useEffect(
    () =>
      listen((event) => {
        if (dataOf(event).commandId !== commandId || event.type === "command.progress") return;
        if (saysTooLittle(event)) setUnclear((count) => count + 1);
        else setCommand((before) => before && commandAfter(before, event));
      }),
    [commandId],
  );
  return { command, error };
}
