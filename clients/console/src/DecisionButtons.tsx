import type { Command } from "@fieldgate/client";
import { signal } from "@preact/signals";

/**
 * The decision whose dialog is open. It is not in the state of a card, because the card
 * disappears when another user decides first.
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
