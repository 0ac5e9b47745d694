import { more, nameOf, sessions, showMore } from "./fleet.js";
import { Badge, Loading, More, Time, Words } from "./ui.js";

export function Sessions() {
  const all = sessions.value;
  return (
    <>
      <h1>Sessions</h1>
      {all === undefined && <Loading what="the sessions" />}
      {all?.length === 0 && (
        <p class="empty">
          There is no session yet. Open one on <a href="#/devices">a device</a>.
        </p>
      )}
      <ul class="rows">
        {all?.map((session) => (
          <li key={session.id}>
            <a href={`#/sessions/${session.id}`}>
              <Words>{session.description ?? `${session.type} on ${nameOf(session.deviceId)}`}</Words>
            </a>
            <Badge of={session.status} />
            <span class="fine">
              <Words>{nameOf(session.deviceId)}</Words>, <Time at={session.createdAt} />
            </span>
          </li>
        ))}
      </ul>
      <More of={more.sessions.value} onMore={() => showMore("sessions")} />
    </>
  );
}
