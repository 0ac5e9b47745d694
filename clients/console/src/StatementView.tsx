import type { Command } from "@fieldgate/client";
import type { ComponentChildren } from "preact";
import { deviceName } from "./state.js";
import type { Shown, Statement } from "./statement.js";
import { Actor, Fact, Json, Marked, UserText } from "./ui.js";
import { keepsNumbers } from "./verbatim.js";

/** Shows everything that the digest of a command covers, in words. */
export function StatementView({ command, shown }: { command: Command; shown: Shown }) {
  const { statement, rest } = shown;
  return (
    <>
      {statement ? <Stated command={command} of={statement} /> : <Unstated command={command} />}
      <Json value={statement ? statement.parameters : command.parameters} label="Parameters" folded />
      {Object.keys(rest).length > 0 && <Json value={rest} label="Further members of the statement" folded />}
      {!keepsNumbers && <p class="fine">This browser may display numbers of more than 15 digits incorrectly.</p>}
      <p class="fine">
        Digest <code class="digest">{shown.digest}</code>
        {statement && !shown.computed && (
          <> This page cannot compute the digest itself, because it was not loaded over HTTPS.</>
        )}
      </p>
    </>
  );
}

function Stated({ command, of }: { command: Command; of: Statement }) {
  const { device, policy, proposer } = of;
  return (
    <dl class="facts">
      <Fact name="Type">
        <code>
          <Marked>{of.type}</Marked>
        </code>
      </Fact>
      <Fact name="Device">
        {device.name && <Marked>{device.name}</Marked>} <Id>{device.id}</Id>
      </Fact>
      {device.externalId && (
        <Fact name="External id">
          <Marked>{device.externalId}</Marked>
        </Fact>
      )}
      {device.serialNumber && (
        <Fact name="Serial number">
          <Marked>{device.serialNumber}</Marked>
        </Fact>
      )}
      {device.tags && (
        <Fact name="Tags">
          <Marked>
            {Object.entries(device.tags)
              .map(([name, value]) => `${name}: ${value}`)
              .join(", ")}
          </Marked>
        </Fact>
      )}
      <Limits maxAttempts={of.maxAttempts} deliverBy={of.deliverBy} priority={of.priority} />
      <Fact name="Proposed by">
        <Actor id={proposer.id} details={command.proposedByActor} /> <Id>{proposer.id}</Id>
        {proposer.kind === "person" ? "" : `, through a ${proposer.kind}`}
      </Fact>
      {of.reason && (
        <Fact name="Reason">
          <Marked>{of.reason}</Marked>
        </Fact>
      )}
      {of.retryOf && (
        <Fact name="Retry of">
          <Id>{of.retryOf}</Id>
        </Fact>
      )}
      <Fact name="Policy">
        {policy.effect}
        {policy.rule && (
          <>
            , by the rule <code>{policy.rule}</code>
          </>
        )}{" "}
        <span class="fine">version {policy.version}</span>
      </Fact>
      <Fact name="Command">
        <Id>{of.command}</Id>
      </Fact>
      <Fact name="Session">
        <Id>{of.session}</Id>
      </Fact>
      <Fact name="Tenant">
        <Id>{of.tenant}</Id>
      </Fact>
    </dl>
  );
}

/** Shows a command that was proposed before the installation kept statements. */
function Unstated({ command }: { command: Command }) {
  return (
    <dl class="facts">
      <Fact name="Type">
        <code>{command.type}</code>
      </Fact>
      <Fact name="Device">
        <UserText>{deviceName(command.deviceId)}</UserText> <Id>{command.deviceId}</Id>
      </Fact>
      <Limits maxAttempts={command.maxAttempts} deliverBy={command.deliverBy} priority={command.priority} />
      <Fact name="Proposed by">
        <Actor id={command.proposedBy} details={command.proposedByActor} />
      </Fact>
      {command.reason && (
        <Fact name="Reason">
          <Marked>{command.reason}</Marked>
        </Fact>
      )}
    </dl>
  );
}

function Limits(props: { maxAttempts: number; deliverBy: string; priority: number }) {
  return (
    <>
      <Fact name="May run">{props.maxAttempts === 1 ? "once" : `up to ${props.maxAttempts} times`}</Fact>
      <Fact name="May be claimed until">
        <time dateTime={props.deliverBy} title={props.deliverBy}>
          {new Date(props.deliverBy).toLocaleString(undefined, {
            weekday: "long",
            day: "numeric",
            month: "long",
            year: "numeric",
            hour: "2-digit",
            minute: "2-digit",
            timeZoneName: "short",
          })}
        </time>
      </Fact>
      <Fact name="Priority">{props.priority} of 9</Fact>
    </>
  );
}

function Id({ children }: { children: ComponentChildren }) {
  return <code class="digest">{children}</code>;
}
