import type { Device, RoomEvent, Session } from "@fieldgate/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { CommandTable } from "./CommandTable.js";
import { useCommands } from "./commandList.js";
import { Presence } from "./Devices.js";
import { dataOf, deviceAfter, sessionAfter, withEvents } from "./events.js";
import { CopyButton, Dialog, Field, FormButtons, valuesOf } from "./forms.js";
import { IdentityConflict } from "./IdentityConflict.js";
import { Manage } from "./Manage.js";
import { Missing } from "./NotFound.js";
import { type ActivationCode, ActivationCodeDialog } from "./Provision.js";
import { append, merge, type Page } from "./pages.js";
import { hashOf } from "./route.js";
import { hasRole } from "./signin/user.js";
import { gateway, listen, refresh, rereads } from "./state.js";
import { Badge, Loading, Problem, RoleHint, ShowMore, Time, UserText, useAction } from "./ui.js";

/** Shows a device with its state, its sessions and its actions. */
export function DevicePage({ id }: { id: string }) {
  const { device, list, error, showMore } = useDevice(id);
  if (!device) return error ? <Missing what="device" error={error} /> : <Loading what="the device" title="Device" />;
  return (
    <>
      <div class="head">
        <h1>
          <UserText>{device.name}</UserText>
        </h1>
        <Presence of={device} />
        <CopyButton text={device.id} label="Copy id" />
      </div>
      <Problem error={error} />
      <IdentityConflict of={device} />
      <Facts of={device} />
      <Actions of={device} />
      <h2>Sessions</h2>
      {list?.items.length === 0 && <p class="empty">This device has had no session yet.</p>}
      <ul class="rows">
        {list?.items.map((session) => (
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
      <ShowMore when={list?.cursor !== undefined} label="Show earlier sessions" onMore={showMore} />
      <DeviceCommands id={id} />
      <Manage device={device} />
    </>
  );
}

/**
 * Reads a device and its newest sessions. Events change both, and a part is read again only if an event does
 * not say enough.
 */
function useDevice(id: string) {
  const [device, setDevice] = useState<Device>();
  const [list, setList] = useState<Page<Session>>();
  const [error, setError] = useState<unknown>();
  const shown = useRef<Device>(undefined);
  shown.current = device;
  const isAbout = (event: RoomEvent) => dataOf(event).deviceId === id;
  const read = async (signal?: AbortSignal) => {
    const params = { path: { deviceId: id } };
    const options = { params, ...(signal && { signal }) };
    const [found, events] = await withEvents(() => gateway.get("/api/v1/customer/devices/{deviceId}", options));
    const after = (one: Device, event: RoomEvent) => deviceAfter(one, event) ?? one;
    if (!signal?.aborted) setDevice(events.filter(isAbout).reduce(after, found));
  };
  const readSessions = async (from?: string, signal?: AbortSignal) => {
    const query = { deviceId: id, limit: 20, ...(from && { cursor: from }) };
    const options = { params: { query }, ...(signal && { signal }) };
    const [found, events] = await withEvents(() => gateway.get("/api/v1/customer/sessions", options));
    const page = { items: found.items, cursor: found.nextCursor };
    if (signal?.aborted) return;
    setList((before) => events.reduce(sessionsAfter, from ? append(before, page, from) : merge(page, before)));
  };
  const keepError = (reading: Promise<unknown>, signal?: AbortSignal) =>
    void reading.then(
      () => signal?.aborted || setError(undefined),
      (thrown: unknown) => signal?.aborted || setError(thrown),
    );
  useEffect(() => {
    const stop = new AbortController();
    const { signal } = stop;
    keepError(Promise.all([read(signal), readSessions(undefined, signal)]), signal);
    return () => stop.abort();
  }, [id, rereads.value]);
  useEffect(
    () =>
      listen((event) => {
        if (!isAbout(event) || event.type.startsWith("command.")) return;
        setDevice((before) => before && (deviceAfter(before, event) ?? before));
        if (shown.current && deviceAfter(shown.current, event) === undefined) keepError(read());
        setList((before) => before && sessionsAfter(before, event));
        if (event.type === "session.opened") keepError(readSessions());
      }),
    [id],
  );
  return { device, list, error, showMore: () => keepError(readSessions(list?.cursor)) };
}

/** Returns a list of sessions after an event. */
function sessionsAfter(page: Page<Session>, event: RoomEvent): Page<Session> {
  const { sessionId } = dataOf(event);
  return { ...page, items: page.items.map((one) => (one.id === sessionId ? sessionAfter(one, event) : one)) };
}

/** Shows the commands of a device, newest first. */
function DeviceCommands({ id }: { id: string }) {
  const list = useCommands({ deviceId: id });
  return (
    <section aria-labelledby="device-commands">
      <h2 id="device-commands">Commands</h2>
      <CommandTable of={list} label="Commands of this device" onDevice />
      <p class="fine">
        <a href={hashOf(["commands"], { deviceId: id })}>Filter the commands of this device</a>
      </p>
    </section>
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
    <Dialog
      title={
        <>
          Open a session on <UserText>{device.name}</UserText>
        </>
      }
      onClose={onClose}
    >
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
