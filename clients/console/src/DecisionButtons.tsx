import type { Command } from "@fieldgate/client";
import { signal } from "@preact/signals";

/**
 * The decision whose dialog is open. The state is global, because the card of a command
 * disappears when another user decides first, and the dialog must stay open then.
 */
export const openDecision = signal<{ command: Command; approve: boolean } | undefined>();

/** The buttons that open the dialog to approve or reject a command. */
export function DecisionButtons({ command }: { command: Command }) {
  const open = (approve: boolean) => {
    openDecision.value = { command, approve };
  };
  return (
    <>
      <button type="button" class="primary" aria-describedby={command.id} onClick={() => open(true)}>
        Approve…
      </button>
      <button type="button" aria-describedby={command.id} onClick={() => open(false)}>
        Reject…
      </button>
    </>
  );
}
