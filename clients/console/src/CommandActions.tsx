// What an operator can do with a command that was proposed.
import type { Command } from "@fieldgate/client";
import { useRef } from "preact/hooks";
import { isFinal } from "./events.js";
import { ConfirmedButton } from "./forms.js";
import { hasRole } from "./signin/user.js";
import { announcement, gateway, refresh } from "./state.js";

interface Props {
  command: Command;
  /** Whether the session of the command is active. */
  isOpen: boolean;
  /** Called with the command that was proposed in the place of this one. */
  onRetried?: ((created: Command) => void) | undefined;
}

export function CommandActions({ command, isOpen, onRetried }: Props) {
  if (!hasRole("operator")) return null;
  return (
    <>
      <Cancel command={command} />
      {isOpen && <Retry command={command} onRetried={onRetried} />}
    </>
  );
}

function Cancel({ command }: { command: Command }) {
  const claimed = command.status === "claimed";
  const cancel = async (reason: string | undefined) => {
    await gateway.post("/api/v1/customer/sessions/{sessionId}/commands/{commandId}/cancel", requestOf(command, reason));
    announcement.value = claimed ? "Cancel requested." : "Command cancelled.";
    refresh("viewedSession", "inbox");
  };
  if (isFinal(command) || command.status === "timed_out" || command.cancelRequested) return null;
  return (
    <ConfirmedButton
      verb="Cancel command"
      about={command.id}
      title="Cancel this command?"
      effect={
        claimed
          ? "The device has claimed this command. It is asked to stop, but may complete the command."
          : "The device will not receive this command."
      }
      action={cancel}
    />
  );
}

function Retry({ command, onRetried }: Pick<Props, "command" | "onRetried">) {
  const created = useRef<Command>(undefined);
  const retry = async (reason: string | undefined) => {
    const path = "/api/v1/customer/sessions/{sessionId}/commands/{commandId}/retry";
    created.current = await gateway.post(path, requestOf(command, reason));
    announcement.value = "Command proposed again.";
    refresh("viewedSession", "inbox");
  };
  if (!isFinal(command) && command.status !== "timed_out") return null;
  return (
    <ConfirmedButton
      harmless
      verb="Propose again"
      about={command.id}
      title="Propose this command again?"
      effect={
        command.status === "timed_out"
          ? "It is unknown whether the device executed this command, so it may run twice. The policy applies to it again."
          : "This proposes a new command with the same type and parameters. The policy applies to it again."
      }
      action={retry}
      onDone={() => created.current && onRetried?.(created.current)}
    />
  );
}

/** Returns the path and the body of a request about a command. */
function requestOf({ sessionId, id }: Command, reason: string | undefined) {
  return { params: { path: { sessionId, commandId: id } }, body: { reason } };
}
