import type { Device, Session } from "@fieldgate/client";
import { useEffect, useState } from "preact/hooks";
import { Presence } from "./Devices.js";
import { devices, gateway, line, refresh, sessions } from "./fleet.js";
import { Dialog, Field, Submit, valuesOf } from "./forms.js";
import { Manage } from "./Manage.js";
import { type Code, ShowCode } from "./Provision.js";
import { may } from "./session.js";
import { Badge, Loading, More, Needs, Problem, Time, useAction, Words } from "./ui.js";

/** One device: how it does, and the sessions on it. */
export function DevicePage({ id }: { id: string }) {
  const [device, setDevice] = useState<Device>();
  const [history, setHistory] = useState<Session[]>();
  const [limit, setLimit] = useState(20);
  const [more, setMore] = useState(false);
  const [error, setError] = useState<unknown>();
  // Read again when something has happened.
  useEffect(() => {
    const stop = new AbortController();
    Promise.all([
      gateway.get("/api/v1/customer/devices/{deviceId}", { params: { path: { deviceId: id } }, signal: stop.signal }),
      gateway.get("/api/v1/customer/sessions", { params: { query: { deviceId: id, limit } }, signal: stop.signal }),
    ]).then(
      ([found, page]) => {
        setError(undefined);
        setDevice(found);
        setHistory(page.items);
        setMore(page.nextCursor !== undefined);
      },
      (thrown: unknown) => stop.signal.aborted || setError(thrown),
    );
    return () => stop.abort();
  }, [id, limit, devices.value, sessions.value, line.value]);
  if (!device) return error === undefined ? <Loading what="the device" /> : <Problem error={error} />;
  return (
    <>
      <div class="head">
        <h1>
          <Words>{device.name}</Words>
        </h1>
        <Presence of={device} />
      </div>
      <Problem error={error} />
      <Facts of={device} />
      <Actions of={device} />
      <h2>Sessions</h2>
      {history?.length === 0 && <p class="empty">There was no session on this device yet.</p>}
      <ul class="rows">
        {history?.map((session) => (
          <li key={session.id}>
            <a href={`#/sessions/${session.id}`}>
              <Words>{session.description ?? `${session.type} session`}</Words>
            </a>
            <Badge of={session.status} />
            <span class="fine">
              <Time at={session.createdAt} />
            </span>
          </li>
        ))}
      </ul>
      <More of={more && limit < 200} onMore={() => setLimit(200)} />
      {more && limit === 200 && <p class="fine">Older ones are under Sessions.</p>}
      <Manage device={device} />
    </>
  );
}

function Facts({ of }: { of: Device }) {
  const said = [
    ["Id", of.id],
    ["Serial number", of.externalId],
    ["Location", of.location],
    ["Model", of.model],
    ["Firmware", of.firmwareVersion],
    ["Says", of.lastHeartbeat?.status],
    ["Waiting commands", of.pendingCommands?.toString()],
    ...Object.entries(of.tags),
    ...Object.entries(of.metrics ?? {}).map(([name, value]) => [name, String(value)]),
  ] as [string, string | undefined][];
  return (
    <dl class="facts wide">
      {said.map(
        ([name, value]) =>
          value && (
            <div key={name}>
              <dt>
                <Words>{name}</Words>
              </dt>
              <dd>
                <Words>{value}</Words>
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
  const [code, setCode] = useState<Code>();
  const { busy, error, run } = useAction(async () => {
    const path = { deviceId: of.id };
    setCode(await gateway.post("/api/v1/customer/devices/{deviceId}/activation-code", { params: { path } }));
  });
  return (
    <>
      <div class="actions">
        {of.activeSessionId && (
          <a class="button primary" href={`#/sessions/${of.activeSessionId}`}>
            Go to its session
          </a>
        )}
        {!of.activeSessionId && of.status === "active" && may("operator") && (
          <button type="button" class="primary" onClick={() => setOpening(true)}>
            Open a session…
          </button>
        )}
        {of.status === "provisioned" && may("admin") && (
          <button type="button" disabled={busy} onClick={() => void run()}>
            New activation code
          </button>
        )}
      </div>
      <Needs least="operator" to="Opening a session" />
      {of.status === "suspended" && <p class="fine">It is suspended: it cannot log in, and gets no commands.</p>}
      {of.status === "provisioned" && <p class="fine">It waits to be registered with its activation code.</p>}
      <Problem error={error} />
      {opening && <OpenSession device={of} onClose={() => setOpening(false)} />}
      {code && <ShowCode code={code} onClose={() => setCode(undefined)} />}
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
        <Field label="What it is about (optional)">
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
        <Submit verb="Open" busy={busy} onBack={onClose} />
      </form>
    </Dialog>
  );
}
