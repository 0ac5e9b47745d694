import type { Command } from "@fieldgate/client";
import { signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { useFocusFallback } from "./forms.js";

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
  const approve = useRef<HTMLButtonElement>(null);
  const reject = useRef<HTMLButtonElement>(null);
  useFocusFallback(approve);
  useFocusFallback(reject);
  return (
    <>
      <button ref={approve} type="button" class="primary" aria-describedby={command.id} onClick={() => open(true)}>
        Approve…
      </button>
      <button ref={reject} type="button" aria-describedby={command.id} onClick={() => open(false)}>
        Reject…
      </button>
    </>
  );
}
