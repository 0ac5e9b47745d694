import type { Session } from "@fieldgate/client";
import { ClearFilters, SelectFilter, TextFilter } from "./filters.js";
import { optionsOf } from "./fleet.js";
import { contains } from "./matching.js";
import { Items, MoreOnScroll } from "./nearby.js";
import { route } from "./route.js";
import { SavedViews } from "./SavedViews.js";
import { deviceName, hasMore, sessions, showMore } from "./state.js";
import { Badge, Loading, ShowMore, Time, UserText } from "./ui.js";

const statuses = optionsOf(["active", "closed", "expired"]);
const types = optionsOf(["diagnostic", "remediation"]);
const filterNames = ["q", "status", "type"];

/** The sessions of the tenant, newest first. */
export function Sessions() {
  const all = sessions.value;
  const { query } = route.value;
  const isNarrowed = filterNames.some((name) => query[name]);
  const found = all?.filter((session) => matches(session, query));
  const count = all?.length ?? 0;
  const more = () => void showMore("sessions");
  return (
    <>
      <h1>Sessions</h1>
      {all === undefined && <Loading what="sessions" />}
      {count === 0 && all && (
        <p class="empty">
          There are no sessions yet. Open one on <a href="#/devices">a device</a>.
        </p>
      )}
      {count > 0 && (
        <search class="filters" aria-label="Filter sessions">
          <TextFilter name="q" label="Find a session" hint="Description, device, user or id" live maxLength={128} />
          <SelectFilter name="status" label="Status" options={statuses} />
          <SelectFilter name="type" label="Type" options={types} />
          <SavedViews of="sessions" />
          <ClearFilters names={filterNames} />
        </search>
      )}
      <p class="fine" role="status">
        {isNarrowed &&
          hasMore.sessions.value &&
          `These filters cover only the ${count} newest sessions, which are loaded.`}
      </p>
      {count > 0 && found?.length === 0 && <p class="empty">No session matches.</p>}
      <Items
        of={found ?? []}
        class="rows"
        keyOf={({ id }) => id}
        count={hasMore.sessions.value ? -1 : (found?.length ?? 0)}
      >
        {(session) => <Row of={session} />}
      </Items>
      {isNarrowed ? (
        <ShowMore when={hasMore.sessions.value} label="Load earlier sessions" onMore={more} />
      ) : (
        <MoreOnScroll when={hasMore.sessions.value} count={count} onMore={more} />
      )}
    </>
  );
}

function Row({ of }: { of: Session }) {
  return (
    <>
      <a href={`#/sessions/${of.id}`}>
        <UserText>{of.description ?? `${of.type} on ${deviceName(of.deviceId)}`}</UserText>
      </a>
      <Badge of={of.status} />
      <span class="fine">
        <UserText>{deviceName(of.deviceId)}</UserText>, <Time at={of.createdAt} />
      </span>
    </>
  );
}

/** Reports whether a session matches the filters of the address. */
function matches(session: Session, { q = "", status, type }: Record<string, string>): boolean {
  const { id, description, deviceId, createdBy, createdByActor } = session;
  const fields = [
    id,
    description,
    deviceId,
    deviceName(deviceId),
    createdBy,
    createdByActor?.name,
    createdByActor?.email,
  ];
  return (!status || session.status === status) && (!type || session.type === type) && contains(fields, q);
}
