import { Items, MoreOnScroll } from "./nearby.js";
import { deviceName, hasMore, sessions, showMore } from "./state.js";
import { Badge, Loading, Time, UserText } from "./ui.js";

/** The sessions of the tenant, newest first. */
export function Sessions() {
  const all = sessions.value;
  return (
    <>
      <h1>Sessions</h1>
      {all === undefined && <Loading what="sessions" />}
      {all?.length === 0 && (
        <p class="empty">
          There are no sessions yet. Open one on <a href="#/devices">a device</a>.
        </p>
      )}
      <Items
        of={all ?? []}
        class="rows"
        keyOf={({ id }) => id}
        count={hasMore.sessions.value ? -1 : (all?.length ?? 0)}
      >
        {(session) => (
          <>
            <a href={`#/sessions/${session.id}`}>
              <UserText>{session.description ?? `${session.type} on ${deviceName(session.deviceId)}`}</UserText>
            </a>
            <Badge of={session.status} />
            <span class="fine">
              <UserText>{deviceName(session.deviceId)}</UserText>, <Time at={session.createdAt} />
            </span>
          </>
        )}
      </Items>
      <MoreOnScroll when={hasMore.sessions.value} count={all?.length ?? 0} onMore={() => void showMore("sessions")} />
    </>
  );
}
