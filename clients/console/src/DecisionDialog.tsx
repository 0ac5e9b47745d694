import type { Command } from "@fieldgate/client";
import { Dialog, Field, FormButtons, valuesOf } from "./forms.js";
import { announcement, deviceName, gateway, refresh, resolved } from "./state.js";
import { Actor, Badge, Json, Problem, RecordedDecision, UserText, useAction } from "./ui.js";
import { keepsNumbers } from "./verbatim.js";
import { useWhole } from "./whole.js";

/**
 * Shows the whole command and asks to confirm the decision. It sends the digest of the command
 * that it shows, so that the gateway refuses the decision if the command differs.
 */
export function DecisionDialog(props: { command: Command; approve: boolean; onClose: () => void }) {
  const { command, approve, onClose } = props;
  const { busy, error, run } = useAction(async (reason: string | undefined) => {
    await gateway.post("/api/v1/customer/sessions/{sessionId}/approve", {
      params: { path: { sessionId: command.sessionId } },
      body: { commandId: command.id, approved: approve, reason, digest: command.digest },
    });
    announcement.value = approve ? "Command approved." : "Command rejected.";
    refresh("inbox", "viewedSession");
    onClose();
  });
  const whole = useWhole(command);
  // Show nothing until the whole command has been read. If the dialog opened before it contains
  // the form, the first field of the form would not get the focus.
  if (!whole) return null;
  const current = resolved.value.find(({ id }) => id === command.id);
  return (
    <Dialog title={approve ? "Approve this command?" : "Reject this command?"} onClose={onClose} wide>
      <p>
        <code>{command.type}</code> on <UserText>{deviceName(command.deviceId)}</UserText>
      </p>
      <p>
        Proposed by <Actor id={command.proposedBy} details={command.proposedByActor} />
      </p>
      <Json value={whole.parameters} label="Parameters" />
      {!keepsNumbers && <p class="fine">This browser may display numbers of more than 15 digits incorrectly.</p>}
      <p class="fine">
        Digest <code class="digest">{command.digest}</code>
      </p>
      {current ? (
        <NotPending command={current} onClose={onClose} />
      ) : (
        <form onSubmit={(event) => void run(valuesOf(event).reason)}>
          <Field
            label={approve ? "Reason (optional)" : "Reason"}
            hint="The reason is recorded in the timeline of the session."
          >
            {(ids) => <input {...ids} name="reason" maxLength={500} required={!approve} autofocus autocomplete="off" />}
          </Field>
          <Problem error={error} />
          <FormButtons verb={approve ? "Approve" : "Reject"} harmful={!approve} busy={busy} onBack={onClose} />
        </form>
      )}
    </Dialog>
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
