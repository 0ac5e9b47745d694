import type { Command } from "@fieldgate/client";
import type { TargetedKeyboardEvent } from "preact";
import { useEffect, useState } from "preact/hooks";
import { openDecision } from "./DecisionButtons.js";
import { Dialog, Field, valuesOf } from "./forms.js";
import { StatementView } from "./StatementView.js";
import { withStepUp } from "./signin/stepup.js";
import { announcement, gateway, refresh, resolved } from "./state.js";
import { readStatement, type Shown } from "./statement.js";
import { Badge, Problem, RecordedDecision, useAction } from "./ui.js";
import { useWhole } from "./whole.js";

/**
 * Shows everything that the decision is about, as the statement of the command has it, and asks to confirm
 * the decision. It sends the digest that it has computed from the bytes that it shows. A command that
 * cannot be shown can only be rejected.
 */
export function DecisionDialog(props: { command: Command; approve: boolean; onClose: () => void }) {
  const { command, approve, onClose } = props;
  const whole = useWhole(command, true);
  const reading = useStatement(whole);
  // Show nothing until the statement has been read. If the dialog opened before it contains
  // the form, the first field of the form would not get the focus.
  if (!whole || !reading) return null;
  const { shown, error } = reading;
  const current = resolved.value.find(({ id }) => id === command.id);
  return (
    <Dialog title={approve ? "Approve this command?" : "Reject this command?"} onClose={onClose} wide>
      {shown ? <StatementView command={whole} shown={shown} /> : <Unreadable error={error} />}
      {current && <NotPending command={current} onClose={onClose} />}
      {!current && (shown || !approve) && <DecisionForm {...props} digest={shown?.digest} />}
      {!current && !shown && approve && <RejectInstead command={command} onClose={onClose} />}
    </Dialog>
  );
}

/** The statement of a command, or why it cannot be shown. */
interface Reading {
  of: Command;
  shown?: Shown;
  error?: unknown;
}

/** Returns the statement of the command. It returns `undefined` until it was read. */
function useStatement(command: Command | undefined): Reading | undefined {
  const [reading, setReading] = useState<Reading>();
  const version = command && `${command.id} ${command.digest} ${command.statement}`;
  useEffect(() => {
    if (!command) return;
    let current = true;
    readStatement(command).then(
      (shown) => current && setReading({ of: command, shown }),
      (error) => current && setReading({ of: command, error }),
    );
    return () => {
      current = false;
    };
  }, [version]);
  return reading && reading.of.id === command?.id ? reading : undefined;
}

interface FormProps {
  command: Command;
  approve: boolean;
  /** Absent if the command cannot be shown. */
  digest: string | undefined;
  onClose: () => void;
}

/** Asks for the reason. Enter in the empty field does not approve. */
function DecisionForm({ command, approve, digest, onClose }: FormProps) {
  const { busy, error, run } = useAction(async (reason: string | undefined) => {
    const body = { commandId: command.id, approved: approve, reason, ...(digest && { digest }) };
    const params = { path: { sessionId: command.sessionId } };
    await withStepUp(() => gateway.post("/api/v1/customer/sessions/{sessionId}/approve", { params, body }));
    announcement.value = approve ? "Command approved." : "Command rejected.";
    refresh("inbox", "viewedSession");
    onClose();
  });
  // The field has the focus when the dialog opens. Enter pressed twice must not approve what was not read.
  const keepEnter = (event: TargetedKeyboardEvent<HTMLInputElement>) => {
    if (approve && event.key === "Enter" && event.currentTarget.value.trim() === "") event.preventDefault();
  };
  return (
    <form onSubmit={(event) => void run(valuesOf(event).reason)}>
      <Field
        label={approve ? "Reason (optional)" : "Reason"}
        hint="The reason is recorded in the timeline of the session."
      >
        {(ids) => (
          <input
            {...ids}
            name="reason"
            maxLength={500}
            required={!approve}
            autofocus
            autocomplete="off"
            onKeyDown={keepEnter}
          />
        )}
      </Field>
      <Problem error={error} />
      <div class="actions">
        <button type="submit" class={approve ? "primary" : "danger"} disabled={busy}>
          {approve ? "Approve" : "Reject"}
        </button>
        <button type="button" onClick={onClose}>
          Back
        </button>
      </div>
    </form>
  );
}

/** Shows why a command cannot be shown. */
function Unreadable({ error }: { error: unknown }) {
  return (
    <div class="problem" role="alert">
      <p>
        This command cannot be shown as it would run, so it can only be rejected.{" "}
        {error instanceof Error && error.message}
      </p>
    </div>
  );
}

function RejectInstead({ command, onClose }: { command: Command; onClose: () => void }) {
  const reject = () => {
    openDecision.value = { command, approve: false };
  };
  return (
    <div class="actions">
      <button type="button" onClick={onClose}>
        Back
      </button>
      <button type="button" class="danger" onClick={reject}>
        Reject…
      </button>
    </div>
  );
}

/** Replaces the form when the command was decided by another user, was cancelled or has expired. */
function NotPending({ command, onClose }: { command: Command; onClose: () => void }) {
  return (
    <div role="alert">
      <p>
        This command no longer waits for a decision: <Badge of={command.status} />
      </p>
      {command.approval && <RecordedDecision of={command.approval} />}
      <div class="actions">
        <button type="button" class="primary" onClick={onClose}>
          Close
        </button>
      </div>
    </div>
  );
}
