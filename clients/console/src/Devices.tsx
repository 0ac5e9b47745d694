import type { Device } from "@fieldgate/client";
import { useEffect, useState } from "preact/hooks";
import { devices, gateway, more, showMore } from "./fleet.js";
import { Provision } from "./Provision.js";
import { may } from "./session.js";
import { Badge, Loading, More, Time, Words } from "./ui.js";

/** The fleet, and who of it shows itself. */
export function Devices() {
  const [provisioning, setProvisioning] = useState(false);
  const [wanted, setWanted] = useState("");
  const all = devices.value;
  const far = useSearch(more.devices.value ? wanted.trim() : "");
  const found = far ?? all?.filter((device) => holds(device, wanted.toLowerCase()));
  const online = all?.filter((device) => device.presence === "online").length;
  return (
    <>
      <div class="head">
        <h1>Devices</h1>
        {all && all.length > 0 && (
          <span class="fine">
            {online} of {all.length}
            {more.devices.value && " shown"} online
          </span>
        )}
        {may("admin") && (
          <button type="button" class="primary" onClick={() => setProvisioning(true)}>
            Provision a device…
          </button>
        )}
      </div>
      {all === undefined && <Loading what="the fleet" />}
      {all?.length === 0 && (
        <p class="empty">
          There is no device yet.{may("admin") ? " Provision the first one." : " An admin can provision one."}
        </p>
      )}
      {all && all.length > 0 && (
        <label class="search">
          <span class="unseen">Find a device</span>
          <input
            type="search"
            placeholder="Find by name, location, model…"
            value={wanted}
            onInput={(event) => setWanted(event.currentTarget.value)}
          />
        </label>
      )}
      <ul class="rows">
        {found?.map((device) => (
          <Row key={device.id} device={device} />
        ))}
      </ul>
      {all && all.length > 0 && found?.length === 0 && <p class="empty">No device is like that.</p>}
      <More of={more.devices.value && far === undefined} onMore={() => showMore("devices")} />
      {provisioning && <Provision onClose={() => setProvisioning(false)} />}
    </>
  );
}

/** Has the gateway look through the whole fleet, where not all of it is here. */
function useSearch(wanted: string): Device[] | undefined {
  const [found, setFound] = useState<Device[]>();
  useEffect(() => {
    const stop = new AbortController();
    if (wanted === "") setFound(undefined);
    const query = { q: wanted.slice(0, 128), limit: 100 };
    const ask = () =>
      gateway
        .get("/api/v1/customer/devices", { params: { query }, signal: stop.signal })
        .then(({ items }) => setFound(items))
        .catch(() => {});
    const soon = wanted === "" ? undefined : setTimeout(ask, 250);
    return () => {
      clearTimeout(soon);
      stop.abort();
    };
  }, [wanted, devices.value]);
  return found;
}

function Row({ device }: { device: Device }) {
  return (
    <li>
      <a href={`#/devices/${device.id}`}>
        <Words>{device.name}</Words>
      </a>
      <Presence of={device} />
      <span class="fine">
        <Words>{[device.location, device.model, device.externalId].filter(Boolean).join(", ")}</Words>{" "}
        {device.lastSeen && (
          <>
            seen <Time at={device.lastSeen} />
          </>
        )}
      </span>
    </li>
  );
}

/** Whether a device shows itself, or why it cannot. */
export function Presence({ of }: { of: Device }) {
  return <Badge of={of.status === "active" ? of.presence : of.status} />;
}

function holds(device: Device, wanted: string): boolean {
  const words = [
    device.name,
    device.location,
    device.model,
    device.externalId,
    device.id,
    ...Object.values(device.tags),
  ];
  return words.some((word) => word?.toLowerCase().includes(wanted));
}
