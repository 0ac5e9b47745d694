import type { Command } from "@fieldgate/client";
import { useState } from "preact/hooks";
import { ConfirmedButton, Dialog, Field, FormButtons, valuesOf } from "./forms.js";
import { withStepUp } from "./signin/stepup.js";
import { hasRole, user } from "./signin/user.js";
import { announcement, gateway, refresh } from "./state.js";
import { allowsBreakGlass } from "./statement.js";
import { Actor, Fact, Problem, Time, UserText, useAction } from "./ui.js";

/** Shows the votes on a command that several users must approve, and an approval by an admin alone. */
export function VoteFacts({ command }: { command: Command }) {
  const { required = 1, votes = [] } = command.approval ?? {};
  const approvals = votes.filter((vote) => vote.decision === "approved").length;
  const broken = command.breakGlass;
  return (
    <>
      {required > 1 && (
        <Fact name="Approvals">
          {approvals} of {required}
          {votes.length > 0 && (
            <ul>
              {votes.map((vote) => (
                <li key={vote.user.id}>
                  {vote.decision === "approved" ? "Approved" : "Rejected"} by{" "}
                  <Actor id={vote.user.id} details={vote.user} />, <Time at={vote.at} />
                  {vote.reason && (
                    <>
                      : <UserText>{vote.reason}</UserText>
                    </>
                  )}
                </li>
              ))}
            </ul>
          )}
        </Fact>
      )}
      {broken && (
        <Fact name="Emergency">
          Approved alone by <Actor id={broken.by.id} details={broken.by} />, <Time at={broken.at} />:{" "}
          <UserText>{broken.reason}</UserText>
          {broken.reviewedBy && broken.reviewedAt ? (
            <>
              . Reviewed by <Actor id={broken.reviewedBy.id} details={broken.reviewedBy} />,{" "}
              <Time at={broken.reviewedAt} />: <UserText>{broken.comment ?? ""}</UserText>
            </>
          ) : (
            ". Another user has to review it."
          )}
        </Fact>
      )}
    </>
  );
}

/** The buttons of a user who has voted, of an admin in an emergency, and of its reviewer. */
export function VoteButtons({ command }: { command: Command }) {
  return (
    <>
      <Withdraw command={command} />
      <BreakGlass command={command} />
      <Review command={command} />
    </>
  );
}

const pathOf = ({ sessionId, id }: Command) => ({ path: { sessionId, commandId: id } });

function done(message: string): void {
  announcement.value = message;
  refresh("inbox", "viewedSession");
}

/** Takes back the user's own approval, as long as no device has claimed the command. */
function Withdraw({ command }: { command: Command }) {
  const waits = command.status === "pending_approval" || (command.status === "queued" && command.attempt === 0);
  const hasVoted = command.approval?.votes?.some((vote) => vote.user.id === user.value?.id);
  if (!waits || !hasVoted || !hasRole("approver")) return null;
  const withdraw = async (reason: string | undefined) => {
    const params = pathOf(command);
    const path = "/api/v1/customer/sessions/{sessionId}/commands/{commandId}/withdraw";
    await gateway.post(path, { params, body: { reason } });
    done("Approval withdrawn.");
  };
  return (
    <ConfirmedButton
      verb="Withdraw my approval"
      about={command.id}
      title="Withdraw your approval?"
      effect="The command waits for another approval, unless the device claims it first."
      action={withdraw}
    />
  );
}

/** Approves a command alone, if its rule allows that. */
function BreakGlass({ command }: { command: Command }) {
  if (command.status !== "pending_approval" || !hasRole("admin") || !allowsBreakGlass(command)) return null;
  if (command.breakGlass) return null; // an admin has done it before
  const send = async (reason: string) => {
    const body = { reason, digest: command.digest };
    const path = "/api/v1/customer/sessions/{sessionId}/commands/{commandId}/break-glass";
    await withStepUp(() => gateway.post(path, { params: pathOf(command), body }));
    done("Command approved alone. Another user has to review it.");
  };
  return (
    <ReasonButton
      name="Break glass…"
      harmful
      about={command.id}
      title="Approve this command alone?"
      effect="Only in an emergency. The timeline shows it, the command is marked for good, and another user has to review it."
      label="Why can nobody else approve?"
      verb="Approve alone"
      action={send}
    />
  );
}

/** Closes the review of a command that another user has approved alone. */
function Review({ command }: { command: Command }) {
  const { breakGlass: broken } = command;
  const own = broken?.by.id === user.value?.id || command.proposedBy === user.value?.id;
  if (!broken || broken.reviewedAt || own || !hasRole("approver")) return null;
  const send = async (comment: string) => {
    const path = "/api/v1/customer/sessions/{sessionId}/commands/{commandId}/break-glass/review";
    await withStepUp(() => gateway.post(path, { params: pathOf(command), body: { comment } }));
    done("Review recorded.");
  };
  return (
    <ReasonButton
      name="Review the emergency…"
      about={command.id}
      title="Review this approval?"
      effect="An admin has approved this command alone. The review is recorded and changes nothing else."
      label="What have you found?"
      verb="Record the review"
      action={send}
    />
  );
}

interface ReasonProps {
  title: string;
  effect: string;
  label: string;
  verb: string;
  action: (text: string) => Promise<void>;
}

/** A button whose action needs a text. */
function ReasonButton(props: ReasonProps & { name: string; about: string; harmful?: boolean }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button
        type="button"
        {...(props.harmful && { class: "danger" })}
        aria-describedby={props.about}
        onClick={() => setOpen(true)}
      >
        {props.name}
      </button>
      {open && <ReasonDialog {...props} onClose={() => setOpen(false)} />}
    </>
  );
}

/** Asks for a text that must not be empty, and then runs the action. */
function ReasonDialog(props: ReasonProps & { onClose: () => void }) {
  const { busy, error, run } = useAction(async (text: string) => {
    await props.action(text);
    props.onClose();
  });
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <p>{props.effect}</p>
      <form onSubmit={(event) => void run(valuesOf(event).text ?? "")}>
        <Field label={props.label}>
          {(ids) => (
            <input {...ids} name="text" required pattern=".*\S.*" maxLength={500} autofocus autocomplete="off" />
          )}
        </Field>
        <Problem error={error} />
        <FormButtons verb={props.verb} harmful busy={busy} onBack={props.onClose} />
      </form>
    </Dialog>
  );
}
