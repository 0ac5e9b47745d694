import type { Command } from "@fieldgate/client";
import { signal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { useFocusFallback } from "./forms.js";
import { inbox } from "./state.js";

export interface Decision {
  command: Command;
  approve: boolean;
  /** The commands that a review shows after this one. Absent outside a review. */
  next?: Command[] | undefined;
}

/**
 * The decision whose dialog is open. The state is global, because the card of a command
 * disappears when another user decides first, and the dialog must stay open then.
 */
export const openDecision = signal<Decision | undefined>();

/** Opens the next command of a review that still waits. It closes the dialog after the last one, and outside a review. */
export function showNext(): void {
  const waiting = new Set(inbox.value?.map(({ id }) => id));
  const [command, ...next] = openDecision.value?.next?.filter(({ id }) => waiting.has(id)) ?? [];
  openDecision.value = command && { command, approve: true, next };
}

/** A button that shows commands one after the other, each with its own decision. */
export function ReviewButton({ of }: { of: Command[] }) {
  const [command, ...next] = of;
  if (!command || next.length === 0) return null;
  const open = () => {
    openDecision.value = { command, approve: true, next };
  };
  return (
    <button type="button" onClick={open}>
      Review all {of.length}…
    </button>
  );
}

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
