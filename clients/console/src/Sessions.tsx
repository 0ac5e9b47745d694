import { deviceName, hasMore, sessions, showMore } from "./state.js";
import { Badge, Loading, ShowMore, Time, UserText } from "./ui.js";

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
      <ul class="rows">
        {all?.map((session) => (
          <li key={session.id}>
            <a href={`#/sessions/${session.id}`}>
              <UserText>{session.description ?? `${session.type} on ${deviceName(session.deviceId)}`}</UserText>
            </a>
            <Badge of={session.status} />
            <span class="fine">
              <UserText>{deviceName(session.deviceId)}</UserText>, <Time at={session.createdAt} />
            </span>
          </li>
        ))}
      </ul>
      <ShowMore when={hasMore.sessions.value} onMore={() => showMore("sessions")} />
    </>
  );
}
