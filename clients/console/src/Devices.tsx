import type { Device } from "@fieldgate/client";
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type Search, useSearch } from "./deviceSearch.js";
import { ClearFilters, SelectFilter, TextFilter } from "./filters.js";
import { filterDevices, optionsOf, sortDevices } from "./fleet.js";
import { CopyButton } from "./forms.js";
import { deviceTotal } from "./lists.js";
import { MoreOnScroll, Rows } from "./nearby.js";
import { Provision } from "./Provision.js";
import { hashOf, route, setFilters } from "./route.js";
import { SavedViews } from "./SavedViews.js";
import { hasRole } from "./signin/user.js";
import { devices, hasMore, isLoadingAll, loadAllDevices, showMore } from "./state.js";
import { Ago } from "./time.js";
import { Badge, Loading, Problem, ShowMore, UserText } from "./ui.js";

/** The devices as a table, with filters and a search. */
export function Devices() {
  const [provisioning, setProvisioning] = useState(false);
  const all = devices.value;
  const { query } = route.value;
  const search = useSearch(query, hasMore.devices.value);
  const found = useFound(search.found);
  return (
    <>
      <div class="head">
        <h1>Devices</h1>
        {all && all.length > 0 && <Count of={all} />}
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
      {all && all.length > 0 && <Filters of={all} />}
      <Problem error={search.error} />
      {all && all.length > 0 && <Extent search={search} shown={found?.length ?? 0} />}
      {found && found.length > 0 && <Table of={found} isOpen={search.isRunning || search.goOn !== undefined} />}
      {all && all.length > 0 && found?.length === 0 && !search.isRunning && <p class="empty">No device matches.</p>}
      <ShowMore when={search.goOn !== undefined} label="Show more matches" onMore={() => search.goOn?.()} />
      <More isNarrowed={Object.values(query).some(Boolean)} count={all?.length ?? 0} />
      {provisioning && <Provision onClose={() => setProvisioning(false)} />}
    </>
  );
}

/** Shows how many of the loaded devices are online, and how many there are. */
function Count({ of }: { of: Device[] }) {
  const online = of.filter((device) => device.presence === "online").length;
  const all = deviceTotal.value;
  const rest = all === undefined ? "and there are more" : `${all.toLocaleString()} in all`;
  const loaded = hasMore.devices.value ? ` loaded devices online, ${rest}` : " online";
  return (
    <span class="fine">
      {online.toLocaleString()} of {of.length.toLocaleString()}
      {loaded}
    </span>
  );
}

/** Shows what the table leaves out, because only some devices are loaded. */
function Extent({ search, shown }: { search: Search; shown: number }) {
  const { presence, firmware, sort, q, tag, status } = route.value.query;
  const loaded = devices.value?.length.toLocaleString();
  const isPartial = hasMore.devices.value;
  const isLocal = isPartial && (presence || firmware || (sort && !q && !tag && !status));
  return (
    <p class="fine" role="status">
      {search.isRunning && `Searching all devices… ${shown.toLocaleString()} found so far.`}
      {search.goOn && `${shown.toLocaleString()} found so far, and there are more.`}
      {isLocal &&
        !search.isRunning &&
        ` Presence, firmware and order cover only the ${loaded} devices that are loaded.`}
      {isLoadingAll.value && ` Loading all devices… ${loaded} so far.`}
    </p>
  );
}

/** Loads more devices: the next ones when the end of the whole list comes near, or all, which a filter may need. */
function More({ isNarrowed, count }: { isNarrowed: boolean; count: number }) {
  const stop = useRef<AbortController>(undefined);
  useEffect(() => () => stop.current?.abort(), []);
  if (!hasMore.devices.value || isLoadingAll.value) return null;
  const loadAll = () => {
    stop.current = new AbortController();
    void loadAllDevices(stop.current.signal);
  };
  const more = () => void showMore("devices");
  return (
    <>
      {isNarrowed ? <ShowMore when onMore={more} /> : <MoreOnScroll when count={count} onMore={more} />}
      <ShowMore when label="Load all devices" onMore={loadAll} />
    </>
  );
}

const presences = {
  online: "online",
  away: "not online",
  stale: "stale",
  offline: "offline",
  never_connected: "never connected",
};
const statuses = Object.fromEntries(["provisioned", "active", "suspended", "decommissioned"].map((s) => [s, s]));

/** The number of values up to which a filter is a list to choose from. */
const maxOptions = 200;

function Filters({ of }: { of: Device[] }) {
  const tags = useMemo(
    () => optionsOf(of.flatMap((device) => Object.entries(device.tags).map(([name, value]) => `${name}:${value}`))),
    [of],
  );
  const firmware = useMemo(() => optionsOf(of.map((device) => device.firmwareVersion)), [of]);
  return (
    <search class="filters" aria-label="Filter devices">
      <TextFilter name="q" label="Find a device" hint="Name, serial number, place, id…" maxLength={128} live />
      <SelectFilter name="presence" label="Presence" options={presences} />
      <SelectFilter name="status" label="Status" options={statuses} />
      {Object.keys(tags).length > maxOptions ? (
        <TextFilter name="tag" label="Tag" hint="site:leipzig" maxLength={321} />
      ) : (
        <SelectFilter name="tag" label="Tag" options={tags} />
      )}
      <SelectFilter name="firmware" label="Firmware" options={firmware} />
      <SavedViews of="devices" />
      <ClearFilters names={["q", "presence", "status", "tag", "firmware"]} />
    </search>
  );
}

/** Returns the devices that match the filters, sorted, with those that the gateway has found beyond the loaded ones. */
function useFound(remote: Device[]): Device[] | undefined {
  const { query } = route.value;
  const all = devices.value;
  const loaded = useMemo(() => sortDevices(all ?? [], query.sort), [all, query.sort]);
  if (!all) return undefined;
  const { q: _, ...others } = query; // the gateway has compared the text, perhaps otherwise
  const local = filterDevices(loaded, query);
  const known = new Set(local.map(({ id }) => id));
  const added = filterDevices(remote, others).filter(({ id }) => !known.has(id));
  return added.length === 0 ? local : sortDevices([...local, ...added], query.sort);
}

/** The table of devices. `isOpen` says that it may get further rows. */
function Table({ of, isOpen }: { of: Device[]; isOpen: boolean }) {
  const count = isOpen || hasMore.devices.value ? -1 : of.length + 1;
  return (
    <table aria-label="Devices" aria-rowcount={count} class="devices">
      <thead>
        <tr aria-rowindex={1}>
          <SortHeader by="name">Name</SortHeader>
          <SortHeader by="presence">State</SortHeader>
          <SortHeader by="place" wide>
            Place
          </SortHeader>
          <SortHeader by="firmware" wide>
            Firmware
          </SortHeader>
          <SortHeader by="seen" wide>
            Last seen
          </SortHeader>
        </tr>
      </thead>
      <Rows of={of}>{(device) => <Cells device={device} />}</Rows>
    </table>
  );
}

/** The head of a column. Its button sorts by the column, and then backwards. */
function SortHeader({ by, wide, children }: { by: string; wide?: boolean; children: ComponentChildren }) {
  const current = route.value.query.sort;
  const order = current === by ? "ascending" : current === `-${by}` ? "descending" : undefined;
  return (
    <th scope="col" aria-sort={order} class={wide ? "wide-only" : ""}>
      <button type="button" class="sort" onClick={() => setFilters({ sort: order === "ascending" ? `-${by}` : by })}>
        {children}
        <span aria-hidden="true">{order === "ascending" ? " ▲" : order === "descending" ? " ▼" : ""}</span>
      </button>
    </th>
  );
}

function Cells({ device }: { device: Device }) {
  const { id, name, location, model, externalId, firmwareVersion, lastSeen } = device;
  return (
    <>
      <td>
        <a href={hashOf(["devices", id])}>
          <UserText>{name}</UserText>
        </a>
        <span class="fine">
          {externalId && (
            <>
              <UserText>{externalId}</UserText>{" "}
            </>
          )}
          <CopyButton text={id} label="Copy id" of={name} />
        </span>
        <span class="fine narrow-only">
          {location && <UserText>{location}</UserText>} {lastSeen && <Ago at={lastSeen} />}
        </span>
      </td>
      <td>
        <Presence of={device} />
        {device.identityConflict && <span class="badge failed">two machines</span>}
      </td>
      <td class="wide-only">{location && <UserText>{location}</UserText>}</td>
      <td class="wide-only">
        <UserText>{[model, firmwareVersion].filter(Boolean).join(", ")}</UserText>
      </td>
      <td class="wide-only">{lastSeen && <Ago at={lastSeen} />}</td>
    </>
  );
}

/** Shows the presence of an active device, and the status of any other device. */
export function Presence({ of }: { of: Device }) {
  return <Badge of={of.status === "active" ? of.presence : of.status} />;
}
