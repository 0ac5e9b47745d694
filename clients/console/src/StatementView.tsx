import type { Command, Device } from "@fieldgate/client";
import type { ComponentChildren } from "preact";
import { wayOf } from "./PolicyHint.js";
import { deviceName, sessions } from "./state.js";
import type { Shown, Statement } from "./statement.js";
import { Ago, Until } from "./time.js";
import { Actor, Badge, Fact, Json, Marked, UserText } from "./ui.js";
import { keepsNumbers } from "./verbatim.js";

/**
 * Shows everything that the digest of a command covers, in words, and what the approver needs to know
 * beside it: the time for the decision, and the device as it is now.
 */
export function StatementView(props: { command: Command; shown: Shown; device: Device | undefined }) {
  const { command, shown, device } = props;
  const { statement, rest } = shown;
  return (
    <>
      {statement ? <Stated command={command} of={statement} /> : <Unstated command={command} />}
      <dl class="facts">
        {command.approveBy && (
          <Fact name="Decide by">
            <Until at={command.approveBy} />
          </Fact>
        )}
        {device && <DeviceNow of={device} />}
      </dl>
      <Json value={statement ? statement.parameters : command.parameters} label="Parameters" folded />
      {statement && <Ids of={statement} />}
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
        {proposer.kind === "person" ? ", a person" : `, through a ${proposer.kind}`}
        {proposer.role && ` with the role ${proposer.role}`}
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
            , by the rule <Marked>{policy.rule}</Marked>
          </>
        )}
        {requirements(policy).map((text) => `, ${text}`)}{" "}
        <span class="fine">version {policy.version} of the policy</span>
      </Fact>
    </dl>
  );
}

/** Shows the ids that place the command in the installation. */
function Ids({ of }: { of: Statement }) {
  return (
    <dl class="facts">
      <Fact name="Command">
        <Id>{of.command}</Id>
      </Fact>
      <Fact name="Session">
        <SessionName id={of.session} /> <Id>{of.session}</Id>
      </Fact>
      <Fact name="Tenant">
        <Id>{of.tenant}</Id>
      </Fact>
    </dl>
  );
}

/** Returns what the policy requires of an approval, in words. */
function requirements(policy: Statement["policy"]): string[] {
  const found = [
    policy.approvals && `${policy.approvals} approvals`,
    policy.roles && `by ${policy.roles.join(" or ")}`,
    policy.assurance && wayOf(policy.assurance).trim(),
    policy.signInAge && `with a sign-in not older than ${policy.signInAge}`,
    policy.within && `within ${policy.within}`,
    policy.reason && "with a reason",
    policy.breakGlass && "by one admin alone in an emergency",
  ];
  return found.filter((text): text is string => typeof text === "string");
}

/** Shows the description of a session, if the page knows it. */
function SessionName({ id }: { id: string }) {
  const description = sessions.value?.find((session) => session.id === id)?.description;
  return description ? <UserText>{description}</UserText> : null;
}

/** Shows what the page knows of the device beside the statement. It may have changed since the proposal. */
function DeviceNow({ of }: { of: Device }) {
  return (
    <Fact name="Device now">
      <Badge of={of.status === "active" ? of.presence : of.status} />
      {of.lastSeen && (
        <>
          {" "}
          last seen <Ago at={of.lastSeen} />
        </>
      )}
      {of.location && (
        <>
          , <UserText>{of.location}</UserText>
        </>
      )}
      {of.identityConflict && ", two machines use its identity"}
    </Fact>
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
        <Until at={props.deliverBy} />
      </Fact>
      <Fact name="Priority">{props.priority} of 9</Fact>
    </>
  );
}

function Id({ children }: { children: ComponentChildren }) {
  return <code class="digest">{children}</code>;
}
