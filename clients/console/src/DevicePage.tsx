import type { Device, Session } from "@fieldgate/client";
import { useEffect, useState } from "preact/hooks";
import { Presence } from "./Devices.js";
import { Dialog, Field, FormButtons, valuesOf } from "./forms.js";
import { IdentityConflict } from "./IdentityConflict.js";
import { Manage } from "./Manage.js";
import { type ActivationCode, ActivationCodeDialog } from "./Provision.js";
import { hasRole } from "./signin/user.js";
import { devices, gateway, liveStatus, refresh, sessions } from "./state.js";
import { Badge, Loading, Problem, RoleHint, ShowMore, Time, UserText, useAction } from "./ui.js";

/** Shows a device with its state, its sessions and its actions. */
export function DevicePage({ id }: { id: string }) {
  const [device, setDevice] = useState<Device>();
  const [deviceSessions, setDeviceSessions] = useState<Session[]>();
  const [limit, setLimit] = useState(20);
  const [hasMore, setHasMore] = useState(false);
  const [error, setError] = useState<unknown>();
  // Reads the device and its sessions again when one of the signals below changes: after an
  // event of a device or session, and after a reconnect.
  useEffect(() => {
    const stop = new AbortController();
    Promise.all([
      gateway.get("/api/v1/customer/devices/{deviceId}", { params: { path: { deviceId: id } }, signal: stop.signal }),
      gateway.get("/api/v1/customer/sessions", { params: { query: { deviceId: id, limit } }, signal: stop.signal }),
    ]).then(
      ([found, page]) => {
        setError(undefined);
        setDevice(found);
        setDeviceSessions(page.items);
        setHasMore(page.nextCursor !== undefined);
      },
      (thrown: unknown) => stop.signal.aborted || setError(thrown),
    );
    return () => stop.abort();
  }, [id, limit, devices.value, sessions.value, liveStatus.value]);
  if (!device) return error === undefined ? <Loading what="the device" /> : <Problem error={error} />;
  return (
    <>
      <div class="head">
        <h1>
          <UserText>{device.name}</UserText>
        </h1>
        <Presence of={device} />
      </div>
      <Problem error={error} />
      <IdentityConflict of={device} />
      <Facts of={device} />
      <Actions of={device} />
      <h2>Sessions</h2>
      {deviceSessions?.length === 0 && <p class="empty">This device has had no session yet.</p>}
      <ul class="rows">
        {deviceSessions?.map((session) => (
          <li key={session.id}>
            <a href={`#/sessions/${session.id}`}>
              <UserText>{session.description ?? `${session.type} session`}</UserText>
            </a>
            <Badge of={session.status} />
            <span class="fine">
              <Time at={session.createdAt} />
            </span>
          </li>
        ))}
      </ul>
      <ShowMore when={hasMore && limit < 200} onMore={() => setLimit(200)} />
      {hasMore && limit === 200 && <p class="fine">Older sessions are listed under Sessions.</p>}
      <Manage device={device} />
    </>
  );
}

function Facts({ of }: { of: Device }) {
  const facts = [
    ["Id", of.id],
    ["Serial number", of.externalId],
    ["Location", of.location],
    ["Model", of.model],
    ["Firmware", of.firmwareVersion],
    ["Reported status", [of.lastHeartbeat?.status, of.lastHeartbeat?.reason].filter(Boolean).join(": ")],
    ["Pending commands", of.pendingCommands?.toString()],
    ...Object.entries(of.tags),
    ...Object.entries(of.metrics ?? {}).map(([name, value]) => [name, String(value)]),
  ] as [string, string | undefined][];
  return (
    <dl class="facts wide">
      {facts.map(
        ([name, value]) =>
          value && (
            <div key={name}>
              <dt>
                <UserText>{name}</UserText>
              </dt>
              <dd>
                <UserText>{value}</UserText>
              </dd>
            </div>
          ),
      )}
      {of.lastSeen && (
        <div>
          <dt>Last seen</dt>
          <dd>
            <Time at={of.lastSeen} />
          </dd>
        </div>
      )}
    </dl>
  );
}

function Actions({ of }: { of: Device }) {
  const [opening, setOpening] = useState(false);
  const [code, setCode] = useState<ActivationCode>();
  const { busy, error, run } = useAction(async () => {
    const path = { deviceId: of.id };
    setCode(await gateway.post("/api/v1/customer/devices/{deviceId}/activation-code", { params: { path } }));
  });
  return (
    <>
      <div class="actions">
        {of.activeSessionId && (
          <a class="button primary" href={`#/sessions/${of.activeSessionId}`}>
            Go to the open session
          </a>
        )}
        {!of.activeSessionId && of.status === "active" && hasRole("operator") && (
          <button type="button" class="primary" onClick={() => setOpening(true)}>
            Open a session…
          </button>
        )}
        {of.status === "provisioned" && hasRole("admin") && (
          <button type="button" disabled={busy} onClick={() => void run()}>
            New activation code
          </button>
        )}
      </div>
      <RoleHint least="operator" to="open a session" />
      {of.status === "suspended" && (
        <p class="fine">This device is suspended: it cannot log in and receives no commands.</p>
      )}
      {of.status === "provisioned" && <p class="fine">This device has not registered with its activation code yet.</p>}
      <Problem error={error} />
      {opening && <OpenSession device={of} onClose={() => setOpening(false)} />}
      {code && <ActivationCodeDialog code={code} onClose={() => setCode(undefined)} />}
    </>
  );
}

function OpenSession({ device, onClose }: { device: Device; onClose: () => void }) {
  const { busy, error, run } = useAction(async (values: Record<string, string>) => {
    const session = await gateway.post("/api/v1/customer/sessions", {
      body: { deviceId: device.id, type: values.type as Session["type"], description: values.description },
    });
    refresh("sessions");
    onClose();
    location.hash = `#/sessions/${session.id}`;
  });
  return (
    <Dialog title={`Open a session on ${device.name}`} onClose={onClose}>
      <form onSubmit={(event) => void run(valuesOf(event))}>
        <Field label="Description (optional)">
          {(ids) => <input {...ids} name="description" maxLength={500} autofocus autocomplete="off" />}
        </Field>
        <Field label="Type">
          {(ids) => (
            <select {...ids} name="type">
              <option value="diagnostic">diagnostic</option>
              <option value="remediation">remediation</option>
            </select>
          )}
        </Field>
        <Problem error={error} />
        <FormButtons verb="Open" busy={busy} onBack={onClose} />
      </form>
    </Dialog>
  );
}
