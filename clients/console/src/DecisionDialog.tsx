import type { Command, Device } from "@fieldgate/client";
import { useEffect, useState } from "preact/hooks";
import { type Decision, openDecision, showNext } from "./DecisionButtons.js";
import { Dialog, FormButtons, ReasonField, valuesOf } from "./forms.js";
import { AddPasskeyLink, PasskeyChoice } from "./Passkeys.js";
import { ReadToEnd } from "./ReadToEnd.js";
import { StatementView } from "./StatementView.js";
import { withStepUp } from "./signin/stepup.js";
import { withPasskey } from "./signing.js";
import { announcement, gateway, refresh, resolved } from "./state.js";
import { readStatement, type Shown } from "./statement.js";
import { Badge, Problem, RecordedDecision, useAction } from "./ui.js";
import { useWhole } from "./whole.js";

/**
 * Shows everything that the decision is about, as the statement of the command has it, and asks to confirm
 * the decision. It sends the digest that it has computed from the bytes that it shows. A command that
 * cannot be shown can only be rejected.
 */
export function DecisionDialog(props: Decision & { onClose: () => void }) {
  const { command, approve, next, onClose } = props;
  const whole = useWhole(command, { stated: true });
  const reading = useStatement(whole);
  const [isRead, setRead] = useState(false);
  const device = useDevice(command.deviceId);
  // Show nothing until the statement has been read. If the dialog opened before it contains
  // the form, the first field of the form would not get the focus.
  if (!whole || !reading) return null;
  const { shown, error } = reading;
  const current = resolved.value.find(({ id }) => id === command.id);
  return (
    <Dialog title={approve ? "Approve this command?" : "Reject this command?"} onClose={onClose} wide>
      {shown ? (
        <ReadToEnd label="The command" autofocus={approve} onRead={() => setRead(true)}>
          <StatementView command={whole} shown={shown} device={device} />
        </ReadToEnd>
      ) : (
        <Unreadable error={error} />
      )}
      {current && <NotPending command={current} />}
      {!current && (shown || !approve) && <DecisionForm {...props} shown={shown} device={device} isRead={isRead} />}
      {!current && !shown && approve && <RejectInstead {...props} />}
      {!current && shown && approve && next && <ReviewStep {...props} next={next} />}
    </Dialog>
  );
}

/** Returns the device of the command, as it is now. It returns `undefined` until the device was read. */
function useDevice(deviceId: string): Device | undefined {
  const [device, setDevice] = useState<Device>();
  useEffect(() => {
    const params = { path: { deviceId } };
    gateway.get("/api/v1/customer/devices/{deviceId}", { params }).then(setDevice, () => {}); // the statement has its identity
  }, [deviceId]);
  return device;
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

interface FormProps extends Decision {
  /** Absent if the command cannot be shown. */
  shown: Shown | undefined;
  device: Device | undefined;
  /** Whether the command was read to its end. */
  isRead: boolean;
  onClose: () => void;
}

/** Asks for the reason. An approval is possible once the command was read to its end. */
function DecisionForm({ command, approve, shown, device, isRead, onClose }: FormProps) {
  const digest = shown?.digest;
  const needsPasskey = shown?.statement?.policy.assurance === "passkey";
  const { busy, error, run } = useAction(async (reason: string | undefined, sign: boolean) => {
    const body = { commandId: command.id, approved: approve, reason, ...(digest && { digest }) };
    const params = { path: { sessionId: command.sessionId } };
    await withStepUp(() =>
      withPasskey(digest, sign, (assertion) =>
        gateway.post("/api/v1/customer/sessions/{sessionId}/approve", {
          params,
          body: { ...body, ...(assertion && { assertion }) },
        }),
      ),
    );
    announcement.value = approve ? approvedMessage(command) : "Command rejected.";
    refresh("inbox", "viewedSession");
    showNext();
  });
  const isRequired = !approve || shown?.statement?.policy.reason === true;
  const isLocked = approve && !isRead;
  const submit = ({ reason, sign }: Record<string, string>) =>
    void run(reason, approve && (needsPasskey || sign === "on"));
  return (
    <form onSubmit={(event) => submit(valuesOf(event))}>
      <ReasonField
        label={isRequired ? "Reason" : "Reason (optional)"}
        hint="The reason is recorded in the timeline of the session."
        required={isRequired}
        autofocus={!approve}
      />
      {approve && <PasskeyChoice needed={needsPasskey} />}
      <p class="fine" id="what-follows" role="status">
        {isLocked && "Scroll to the end of the command and open each fold. Then you can approve it."}
        {approve && ` ${whatFollows(command, device)}`}
      </p>
      <Problem error={error} />
      <AddPasskeyLink error={error} onLeave={onClose} />
      <FormButtons
        verb={approve ? "Approve" : "Reject"}
        harmful={!approve}
        busy={busy}
        locked={isLocked}
        about="what-follows"
        onBack={onClose}
      />
    </form>
  );
}

/** Returns what happens after the user's approval, as far as this page knows. */
function whatFollows({ approval }: Command, device: Device | undefined): string {
  const approvals = approval?.votes?.filter((vote) => vote.decision === "approved").length ?? 0;
  const missing = (approval?.required ?? 1) - approvals - 1;
  if (missing > 0) return `After your approval, ${missing} more ${missing > 1 ? "users have" : "user has"} to approve.`;
  if (!device) return "";
  return device.presence === "online"
    ? "The device is online: after your approval, it runs the command at once."
    : "The device is not online: after your approval, the command waits for it.";
}

/** Returns what an approval has done, as far as this page knows. */
function approvedMessage({ approval }: Command): string {
  return (approval?.required ?? 1) > 1
    ? "Your approval is recorded."
    : "Command approved. The device can claim it now.";
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

function RejectInstead({ onClose, ...decision }: Decision & { onClose: () => void }) {
  return (
    <div class="actions">
      <button type="button" onClick={onClose}>
        Back
      </button>
      <RejectButton {...decision} />
    </div>
  );
}

/** What else a user can do with a command of a review. */
function ReviewStep(decision: Decision & { next: Command[] }) {
  const left = decision.next.length;
  return (
    <div class="actions">
      <RejectButton {...decision} />
      <button type="button" onClick={showNext}>
        Skip
      </button>
      <span class="fine">{left === 0 ? "This is the last one." : `${left} more after this one.`}</span>
    </div>
  );
}

function RejectButton({ command, next }: Decision) {
  const reject = () => {
    openDecision.value = { command, approve: false, next };
  };
  return (
    <button type="button" class="danger" onClick={reject}>
      Reject…
    </button>
  );
}

/** Replaces the form when the command was decided by another user, was cancelled or has expired. */
function NotPending({ command }: { command: Command }) {
  return (
    <div role="alert">
      <p>
        This command no longer waits for a decision: <Badge of={command.status} />
      </p>
      {command.approval?.decision && <RecordedDecision of={command.approval} />}
      <div class="actions">
        <button type="button" class="primary" onClick={showNext}>
          {openDecision.value?.next?.length ? "Next" : "Close"}
        </button>
      </div>
    </div>
  );
}
