import type { Command } from "@fieldgate/client";
import { decided, gateway, nameOf, news, refresh } from "./fleet.js";
import { Dialog, Field, Submit, valuesOf } from "./forms.js";
import { keepsNumbers } from "./json.js";
import { Badge, First, Json, Loading, Problem, useAction, Words } from "./ui.js";
import { useWhole } from "./whole.js";

/** Asks once more, with all that is decided over in view, and sends the digest of just that. */
export function Decide(props: { command: Command; approve: boolean; onClose: () => void }) {
  const { command, approve, onClose } = props;
  const { busy, error, run } = useAction(async (reason: string | undefined) => {
    await gateway.post("/api/v1/customer/sessions/{sessionId}/approve", {
      params: { path: { sessionId: command.sessionId } },
      body: { commandId: command.id, approved: approve, reason, digest: command.digest },
    });
    news.value = approve ? "Approved." : "Rejected.";
    refresh("inbox", "viewed");
    onClose();
  });
  const whole = useWhole(command);
  const now = decided.value.find(({ id }) => id === command.id);
  return (
    <Dialog title={approve ? "Approve this command?" : "Reject this command?"} onClose={onClose} wide>
      <p>
        <code>{command.type}</code> on <Words>{nameOf(command.deviceId)}</Words>
      </p>
      {whole ? <Json value={whole.parameters} label="Parameters" /> : <Loading what="the parameters" />}
      {!keepsNumbers && <p class="fine">This browser may show numbers of more than 15 digits wrongly.</p>}
      <p class="fine">
        Digest <code class="digest">{command.digest}</code>
      </p>
      {now ? (
        <TooLate command={now} onClose={onClose} />
      ) : !whole ? null : (
        <form onSubmit={(event) => void run(valuesOf(event).reason)}>
          <Field label={approve ? "Reason (optional)" : "Reason"} hint="It is kept in the timeline of the session.">
            {(ids) => <input {...ids} name="reason" maxLength={500} required={!approve} autofocus autocomplete="off" />}
          </Field>
          <Problem error={error} />
          <Submit verb={approve ? "Approve" : "Reject"} harmful={!approve} busy={busy} onBack={onClose} />
        </form>
      )}
    </Dialog>
  );
}

/** Somebody was faster, or time was. */
function TooLate({ command, onClose }: { command: Command; onClose: () => void }) {
  return (
    <div role="alert">
      <p>
        It does not wait for a decision any more: <Badge of={command.status} />
      </p>
      {command.approval && <First of={command.approval} />}
      <div class="actions">
        <button type="button" class="primary" onClick={onClose}>
          Close
        </button>
      </div>
    </div>
  );
}
