import type { Command } from "@fieldgate/client";
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { useFocusFallback } from "./forms.js";
import { LiveOutput } from "./LiveOutput.js";
import { useNear } from "./nearby.js";
import { OutputView } from "./OutputView.js";
import { deviceName } from "./state.js";
import { Actor, Badge, Fact, Json, Loading, Output, Time, UserText } from "./ui.js";
import { VoteFacts } from "./Votes.js";
import { useWhole } from "./whole.js";

/** Shows a command with its proposal, its decision and its result, which it reads when it comes near. */
export function CommandCard(props: Props) {
  const { command } = props;
  const element = useRef<HTMLLIElement>(null);
  useFocusFallback(element);
  const isNear = useNear(element);
  const whole = useWhole(command, { isNear });
  return (
    <li class="card" ref={element} aria-setsize={props.count} aria-posinset={props.position}>
      <div class="head">
        <h3 id={command.id}>
          <code>{command.type}</code>
        </h3>
        <Badge of={command.setAsideAt ? "set_aside" : command.status} />
        {command.late && <span class="badge">late</span>}
        {command.cancelRequested && command.status === "claimed" && <span class="badge">cancel requested</span>}
      </div>
      <dl class="facts">
        <Fact name="Device">
          <a href={`#/devices/${command.deviceId}`}>
            <UserText>{deviceName(command.deviceId)}</UserText>
          </a>
        </Fact>
        {!props.inSession && (
          <Fact name="Session">
            <a href={`#/sessions/${command.sessionId}`}>Show the session</a>
          </Fact>
        )}
        <Fact name="Proposed">
          <Time at={command.createdAt} /> by <Actor id={command.proposedBy} details={command.proposedByActor} />
        </Fact>
        {command.reason && (
          <Fact name="Reason">
            <UserText>{command.reason}</UserText>
          </Fact>
        )}
        {command.retryOf && (
          <Fact name="Retry of">
            <code>{command.retryOf}</code>
          </Fact>
        )}
        {command.status === "pending_approval" && command.approveBy && (
          <Fact name="Decide by">
            <Time at={command.approveBy} />
          </Fact>
        )}
        {command.setAsideAt && (
          <Fact name="Set aside">
            <Time at={command.setAsideAt} />: its record was changed in the store, or cannot be read. The device does
            not get it. Cancel it, propose it again, and tell the operator.
          </Fact>
        )}
        {command.approval?.decision && <Decision of={command.approval} />}
        <VoteFacts command={command} />
      </dl>
      {props.open ? (
        <Parameters of={command} whole={whole} />
      ) : (
        <details>
          <summary>Parameters</summary>
          <Parameters of={command} whole={whole} />
        </details>
      )}
      {isReported(command) && <LiveOutput command={command} />}
      {whole?.result && <Result of={whole.result} mark={mark(whole)} file={whole.id} />}
      {whole?.resultConflict && <OtherResult of={whole.resultConflict} command={whole} />}
      {!whole && command.resultOmitted && isNear && <Loading what="the result" />}
      {!whole && command.resultOmitted && !isNear && <p class="fine">The result is read when it comes into view.</p>}
      {props.children}
    </li>
  );
}

/** Reports whether the device may have reported progress, of a command that has no result. */
const isReported = ({ status, claimedAt }: Command) =>
  status === "claimed" || ((status === "timed_out" || status === "queued") && claimedAt !== undefined);

interface Props {
  command: Command;
  /** Whether the parameters are always visible. Otherwise the user can unfold them. */
  open?: boolean;
  inSession?: boolean;
  /** The place of the card in its list, and the length of the list, which is -1 if it is unknown. */
  position?: number;
  count?: number;
  children?: ComponentChildren;
}

function Decision({ of }: { of: NonNullable<Command["approval"]> }) {
  return (
    <Fact name={of.decision === "approved" ? "Approved" : "Rejected"}>
      {of.decidedAt && <Time at={of.decidedAt} />} by{" "}
      {of.decidedBy && <Actor id={of.decidedBy} details={of.decidedByActor} />}
      {of.reason && (
        <>
          : <UserText>{of.reason}</UserText>
        </>
      )}
    </Fact>
  );
}

function Parameters({ of, whole }: { of: Command; whole: Command | undefined }) {
  const parameters = of.parametersOmitted ? whole?.parameters : of.parameters;
  return (
    <>
      {parameters ? (
        <Json value={parameters} label={`Parameters of ${of.type}, ${mark(of)}`} />
      ) : (
        <Loading what="the parameters" />
      )}
      <p class="fine">
        Digest <code class="digest">{of.digest}</code>
      </p>
    </>
  );
}

/** Returns the end of a command's id, which tells the regions of two commands of one type apart. */
const mark = ({ id }: Command) => `command …${id.slice(-6)}`;

/** Shows a result that was refused because the command had ended with another one. */
function OtherResult({ of, command }: { of: NonNullable<Command["resultConflict"]>; command: Command }) {
  return (
    <div class="problem" role="alert">
      <p>
        The device reported another result at <Time at={of.receivedAt} />: {of.status}. Two machines may have run this
        command.
      </p>
      <Result of={of.result} mark={`${mark(command)}, other result`} file={`${command.id}-other`} />
    </div>
  );
}

function Result({ of, mark, file }: { of: NonNullable<Command["result"]>; mark: string; file: string }) {
  const hasData = of.data && Object.keys(of.data).length > 0;
  return (
    <div class="result">
      <h4>Result{of.durationMs !== undefined && <span class="fine"> after {duration(of.durationMs)}</span>}</h4>
      {of.error && <Output text={of.error} label={`Error, ${mark}`} />}
      {of.output && <OutputView text={of.output} label={`Output, ${mark}`} file={`${file}.txt`} />}
      {hasData && <Json value={of.data} label={`Data, ${mark}`} />}
      {!of.error && !of.output && !hasData && <p class="fine">The device returned no output.</p>}
    </div>
  );
}

const duration = (ms: number) => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`);
