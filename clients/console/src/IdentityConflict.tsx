import type { Device, Schemas } from "@fieldgate/client";
import { ConfirmedButton } from "./forms.js";
import { hasRole } from "./signin/user.js";
import { announcement, gateway, refresh } from "./state.js";
import { RoleHint, Time, UserText } from "./ui.js";

/** Warns that two machines use the identity of a device, and says what to do. */
export function IdentityConflict({ of }: { of: Device }) {
  const conflict = of.identityConflict;
  if (!conflict) return null;
  return (
    <section class="problem" role="alert" aria-labelledby="conflict">
      <h2 id="conflict">Two machines use the identity of this device</h2>
      <p>
        The gateway noticed it at <Time at={conflict.since} />. The disk of the device was probably copied. Commands
        that needed an approval are held until the conflict is resolved. Switch off the machine that is wrong, or
        register it as a device of its own. Then keep the other one.
      </p>
      <ul class="rows">
        {conflict.instances.map((instance) => (
          <li key={instance.instanceId}>
            <span>
              <UserText>{instance.address ?? "Unknown address"}</UserText>{" "}
              <span class="fine">
                started <Time at={instance.firstSeen} />, last seen <Time at={instance.lastSeen} />
              </span>
            </span>
            {hasRole("admin") && <Keep instance={instance} of={of} />}
          </li>
        ))}
      </ul>
      <RoleHint least="admin" to="resolve the conflict" />
    </section>
  );
}

function Keep({ instance, of }: { instance: Schemas["DeviceInstance"]; of: Device }) {
  return (
    <ConfirmedButton
      verb="Keep"
      title="Keep this machine?"
      effect={
        <>
          The held commands of <UserText>{of.name}</UserText> are delivered. If another machine acts with this identity
          again, they are held again.
        </>
      }
      action={(reason) => keep(of, instance.instanceId, reason)}
    />
  );
}

async function keep(of: Device, instanceId: string, reason: string | undefined): Promise<void> {
  await gateway.post("/api/v1/customer/devices/{deviceId}/resolve-identity", {
    params: { path: { deviceId: of.id } },
    body: { keep: instanceId, reason },
  });
  announcement.value = "Conflict resolved.";
  refresh("devices", "sessions", "inbox");
}
