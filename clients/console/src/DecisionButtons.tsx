import type { Command } from "@fieldgate/client";
import { signal } from "@preact/signals";

/** The decision that a person is about to make. It outlives the card: others may be faster. */
export const deciding = signal<{ command: Command; approve: boolean } | undefined>();

/** The way to the decision over a command. */
export function DecisionButtons({ command }: { command: Command }) {
  const ask = (approve: boolean) => {
    deciding.value = { command, approve };
  };
  return (
    <>
      <button type="button" class="primary" aria-describedby={command.id} onClick={() => ask(true)}>
        Approve…
      </button>
      <button type="button" aria-describedby={command.id} onClick={() => ask(false)}>
        Reject…
      </button>
    </>
  );
}
