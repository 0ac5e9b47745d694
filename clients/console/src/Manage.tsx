import type { Device } from "@fieldgate/client";
import { gateway, news, refresh } from "./fleet.js";
import { Asking } from "./forms.js";
import { may } from "./session.js";
import { Needs, Words } from "./ui.js";

/** What an admin may do to a device. */
export function Manage({ device }: { device: Device }) {
  if (device.status === "decommissioned") return <p class="fine">It was decommissioned.</p>;
  return (
    <section aria-labelledby="manage">
      <h2 id="manage">Manage</h2>
      <Needs least="admin" to="Suspending, resuming and decommissioning" />
      {may("admin") && (
        <div class="actions">
          {device.status === "active" && <Suspend of={device} />}
          {device.status === "suspended" && <Resume of={device} />}
          {device.status === "active" && <EndLogins of={device} />}
          <Decommission of={device} />
        </div>
      )}
    </section>
  );
}

function Suspend({ of }: { of: Device }) {
  return (
    <Asking
      verb="Suspend"
      title="Suspend this device?"
      says={
        <>
          <Words>{of.name}</Words> loses its logins at once and cannot log in until somebody resumes it. Its commands
          stay in the queue, and may expire there.
        </>
      }
      act={(reason) => after("Suspended.", post("suspend", of, reason))}
    />
  );
}

function Resume({ of }: { of: Device }) {
  return (
    <Asking
      harmless
      verb="Resume"
      title="Resume this device?"
      says={
        <>
          <Words>{of.name}</Words> may log in again, and gets what waits for it.
        </>
      }
      act={(reason) => after("Resumed.", post("resume", of, reason))}
    />
  );
}

function EndLogins({ of }: { of: Device }) {
  return (
    <Asking
      verb="End its logins"
      title="End all logins of this device?"
      says={
        <>
          <Words>{of.name}</Words> is cut off at once, and has to log in anew with its secret.
        </>
      }
      act={(reason) => after("Its logins have ended.", post("revoke-logins", of, reason))}
    />
  );
}

function Decommission({ of }: { of: Device }) {
  const remove = () => gateway.delete("/api/v1/customer/devices/{deviceId}", { params: { path: { deviceId: of.id } } });
  return (
    <Asking
      noReason
      verb="Decommission"
      title="Decommission this device for good?"
      says={
        <>
          <Words>{of.name}</Words> is taken out of the fleet, and its commands that wait are cancelled. Its history
          stays. This cannot be undone.
        </>
      }
      act={() => after("Decommissioned.", remove())}
    />
  );
}

function post(what: "suspend" | "resume" | "revoke-logins", of: Device, reason: string | undefined) {
  const path = { deviceId: of.id };
  return gateway.post(`/api/v1/customer/devices/{deviceId}/${what}`, { params: { path }, body: { reason } });
}

async function after(done: string, act: Promise<unknown>): Promise<void> {
  await act;
  news.value = done;
  refresh("devices", "sessions", "inbox");
}
