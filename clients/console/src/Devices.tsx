import type { Device } from "@fieldgate/client";
import { useEffect, useState } from "preact/hooks";
import { Provision } from "./Provision.js";
import { hasRole } from "./signin/user.js";
import { devices, gateway, hasMore, showMore } from "./state.js";
import { Badge, Loading, ShowMore, Time, UserText } from "./ui.js";

/** The list of devices with their presence, and the search. */
export function Devices() {
  const [provisioning, setProvisioning] = useState(false);
  const [search, setSearch] = useState("");
  const all = devices.value;
  const remote = useRemoteSearch(hasMore.devices.value ? search.trim() : "");
  const found = remote ?? all?.filter((device) => matches(device, search.toLowerCase()));
  const online = all?.filter((device) => device.presence === "online").length;
  return (
    <>
      <div class="head">
        <h1>Devices</h1>
        {all && all.length > 0 && (
          <span class="fine">
            {online} of {all.length}
            {hasMore.devices.value && " shown"} online
          </span>
        )}
        {hasRole("admin") && (
          <button type="button" class="primary" onClick={() => setProvisioning(true)}>
            Provision a device…
          </button>
        )}
      </div>
      {all === undefined && <Loading what="devices" />}
      {all?.length === 0 && (
        <p class="empty">
          There are no devices yet.{hasRole("admin") ? " Provision the first one." : " An admin can provision one."}
        </p>
      )}
      {all && all.length > 0 && (
        <label class="search">
          <span class="visually-hidden">Find a device</span>
          <input
            type="search"
            placeholder="Find by name, location, model…"
            value={search}
            onInput={(event) => setSearch(event.currentTarget.value)}
          />
        </label>
      )}
      <ul class="rows">
        {found?.map((device) => (
          <Row key={device.id} device={device} />
        ))}
      </ul>
      {all && all.length > 0 && found?.length === 0 && <p class="empty">No device matches.</p>}
      <ShowMore when={hasMore.devices.value && remote === undefined} onMore={() => showMore("devices")} />
      {provisioning && <Provision onClose={() => setProvisioning(false)} />}
    </>
  );
}

/**
 * Searches all devices on the gateway, because the page may have loaded only some of them. It
 * returns `undefined` if the search text is empty, and until the first response.
 */
function useRemoteSearch(search: string): Device[] | undefined {
  const [found, setFound] = useState<Device[]>();
  useEffect(() => {
    const stop = new AbortController();
    if (search === "") setFound(undefined);
    const query = { q: search.slice(0, 128), limit: 100 };
    const request = () =>
      gateway
        .get("/api/v1/customer/devices", { params: { query }, signal: stop.signal })
        .then(({ items }) => setFound(items))
        .catch(() => {});
    const timer = search === "" ? undefined : setTimeout(request, 250);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [search, devices.value]);
  return found;
}

function Row({ device }: { device: Device }) {
  return (
    <li>
      <a href={`#/devices/${device.id}`}>
        <UserText>{device.name}</UserText>
      </a>
      <Presence of={device} />
      <span class="fine">
        <UserText>{[device.location, device.model, device.externalId].filter(Boolean).join(", ")}</UserText>{" "}
        {device.lastSeen && (
          <>
            last seen <Time at={device.lastSeen} />
          </>
        )}
      </span>
    </li>
  );
}

/** Shows the presence of an active device, and the status of any other device. */
export function Presence({ of }: { of: Device }) {
  return <Badge of={of.status === "active" ? of.presence : of.status} />;
}

/** Reports whether a field of the device contains the search text, which must be lower case. */
function matches(device: Device, search: string): boolean {
  const fields = [
    device.name,
    device.location,
    device.model,
    device.externalId,
    device.id,
    ...Object.values(device.tags),
  ];
  return fields.some((field) => field?.toLowerCase().includes(search));
}
