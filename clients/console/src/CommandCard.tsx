import type { Command } from "@fieldgate/client";
import type { ComponentChildren } from "preact";
import { useRef } from "preact/hooks";
import { useFocusFallback } from "./forms.js";
import { LiveOutput } from "./LiveOutput.js";
import { deviceName } from "./state.js";
import { Actor, Badge, Fact, Json, Loading, Output, Time, UserText } from "./ui.js";
import { useWhole } from "./whole.js";

/** Shows a command with its proposal, its decision and its result. */
export function CommandCard(props: Props) {
  const { command } = props;
  const element = useRef<HTMLLIElement>(null);
  useFocusFallback(element);
  const whole = useWhole(command);
  return (
    <li class="card" ref={element}>
      <div class="head">
        <h3 id={command.id}>
          <code>{command.type}</code>
        </h3>
        <Badge of={command.status} />
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
        {command.approval && <Decision of={command.approval} />}
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
      {whole?.result && <Result of={whole.result} />}
      {whole?.resultConflict && <OtherResult of={whole.resultConflict} />}
      {!whole && command.resultOmitted && <Loading what="the result" />}
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
  children?: ComponentChildren;
}

function Decision({ of }: { of: NonNullable<Command["approval"]> }) {
  return (
    <Fact name={of.decision === "approved" ? "Approved" : "Rejected"}>
      <Time at={of.decidedAt} /> by <Actor id={of.decidedBy} details={of.decidedByActor} />
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
      {parameters ? <Json value={parameters} label={`Parameters of ${of.type}`} /> : <Loading what="the parameters" />}
      <p class="fine">
        Digest <code class="digest">{of.digest}</code>
      </p>
    </>
  );
}

/** Shows a result that was refused because the command had ended with another one. */
function OtherResult({ of }: { of: NonNullable<Command["resultConflict"]> }) {
  return (
    <div class="problem" role="alert">
      <p>
        The device reported another result at <Time at={of.receivedAt} />: {of.status}. Two machines may have run this
        command.
      </p>
      <Result of={of.result} />
    </div>
  );
}

function Result({ of }: { of: NonNullable<Command["result"]> }) {
  const hasData = of.data && Object.keys(of.data).length > 0;
  return (
    <div class="result">
      <h4>Result{of.durationMs !== undefined && <span class="fine"> after {duration(of.durationMs)}</span>}</h4>
      {of.error && <Output text={of.error} label="Error" />}
      {of.output && <Output text={of.output} label="Output" />}
      {hasData && <Json value={of.data} label="Data" />}
      {!of.error && !of.output && !hasData && <p class="fine">The device returned no output.</p>}
    </div>
  );
}

const duration = (ms: number) => (ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`);
