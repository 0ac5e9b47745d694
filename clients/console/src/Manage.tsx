import type { Device } from "@fieldgate/client";
import { EditDevice } from "./EditDevice.js";
import { ConfirmedButton } from "./forms.js";
import { hasRole } from "./signin/user.js";
import { announcement, gateway, refresh } from "./state.js";
import { RoleHint, UserText } from "./ui.js";

/** Shows the actions that an admin can take on a device. */
export function Manage({ device }: { device: Device }) {
  if (device.status === "decommissioned") return <p class="fine">This device was decommissioned.</p>;
  return (
    <section aria-labelledby="manage">
      <h2 id="manage">Manage</h2>
      <RoleHint least="admin" to="edit, suspend, resume or decommission this device" />
      {hasRole("admin") && (
        <div class="actions">
          <EditDevice of={device} />
          {device.status === "active" && <Suspend of={device} />}
          {device.status === "suspended" && <Resume of={device} />}
          {device.status === "active" && <RevokeLogins of={device} />}
          <Decommission of={device} />
        </div>
      )}
    </section>
  );
}

function Suspend({ of }: { of: Device }) {
  return (
    <ConfirmedButton
      verb="Suspend"
      title="Suspend this device?"
      effect={
        <>
          <UserText>{of.name}</UserText> loses its logins at once and cannot log in until it is resumed. Its commands
          stay in the queue and may expire.
        </>
      }
      action={(reason) => announce("Device suspended.", post("suspend", of, reason))}
    />
  );
}

function Resume({ of }: { of: Device }) {
  return (
    <ConfirmedButton
      harmless
      verb="Resume"
      title="Resume this device?"
      effect={
        <>
          <UserText>{of.name}</UserText> can log in again and receives its queued commands.
        </>
      }
      action={(reason) => announce("Device resumed.", post("resume", of, reason))}
    />
  );
}

function RevokeLogins({ of }: { of: Device }) {
  return (
    <ConfirmedButton
      verb="Revoke logins"
      title="Revoke all logins of this device?"
      effect={
        <>
          <UserText>{of.name}</UserText> is disconnected at once and must log in again with its secret.
        </>
      }
      action={(reason) => announce("Logins revoked.", post("revoke-logins", of, reason))}
    />
  );
}

function Decommission({ of }: { of: Device }) {
  const remove = () => gateway.delete("/api/v1/customer/devices/{deviceId}", { params: { path: { deviceId: of.id } } });
  return (
    <ConfirmedButton
      noReason
      verb="Decommission"
      title="Decommission this device permanently?"
      effect={
        <>
          <UserText>{of.name}</UserText> is removed from the fleet, and its waiting commands are cancelled. Its history
          is kept. This cannot be undone.
        </>
      }
      action={() => announce("Device decommissioned.", remove())}
    />
  );
}

function post(action: "suspend" | "resume" | "revoke-logins", of: Device, reason: string | undefined) {
  const path = { deviceId: of.id };
  return gateway.post(`/api/v1/customer/devices/{deviceId}/${action}`, { params: { path }, body: { reason } });
}

/** Waits until a request succeeds, announces the message, and reads the state again. */
async function announce(message: string, request: Promise<unknown>): Promise<void> {
  await request;
  announcement.value = message;
  refresh("devices", "sessions", "inbox");
}
