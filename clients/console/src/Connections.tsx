// The open sockets of the tenant.
import type { Schemas } from "@fieldgate/client";
import { useEffect, useState } from "preact/hooks";
import { CutOff } from "./CutOffs.js";
import { ConfirmedButton } from "./forms.js";
import { useListing } from "./reading.js";
import { hasRole } from "./signin/user.js";
import { announcement, deviceName, gateway, listen } from "./state.js";
import { Ago } from "./time.js";
import { Actor, Loading, Problem, ShowMore, UserText } from "./ui.js";

type Connection = Schemas["Connection"];

/**
 * Lists the open sockets. It reads them again when `due` changes. Those that a user of the page has ended are
 * left out, because the gateway may list a socket until it has closed.
 */
export function Connections({ due }: { due: string }) {
  const { items, error, run, showMore } = useListing((cursor) =>
    gateway.get("/api/v1/customer/connections", { params: { query: { limit: 50, cursor } } }),
  );
  const [ended, setEnded] = useState<((one: Connection) => boolean)[]>([]);
  const end = (is: (one: Connection) => boolean) => setEnded((before) => [...before, is]);
  useEffect(() => void run(), [due]);
  useEffect(
    () =>
      listen((event) => {
        if (event.type !== "user.cut_off") return;
        const { userId, authSessionId } = event.data;
        if (authSessionId === undefined) end((one) => one.userId === userId && one.since <= event.time);
        else void run();
      }),
    [],
  );
  const open = items?.filter((one) => !ended.some((isEnded) => isEnded(one)));
  return (
    <section class="card" aria-labelledby="connections">
      <h2 id="connections">Connections</h2>
      <p class="fine">The open sockets of the devices and the users of this tenant, on all instances.</p>
      <Problem error={error} />
      {!open && !error && <Loading what="connections" />}
      {open?.length === 0 && <p class="empty">No socket is open.</p>}
      {open && open.length > 0 && (
        <table aria-label="Connections">
          <thead>
            <tr>
              <th scope="col">Of</th>
              <th scope="col" class="wide-only">
                Client
              </th>
              <th scope="col" class="wide-only">
                Since
              </th>
              {hasRole("admin") && <th scope="col">Action</th>}
            </tr>
          </thead>
          <tbody>
            {open.map((one) => (
              <Row key={one.id} of={one} onClosed={() => end(({ id }) => id === one.id)} />
            ))}
          </tbody>
        </table>
      )}
      <ShowMore when={showMore !== undefined} label="Show more connections" onMore={() => showMore?.()} />
    </section>
  );
}

function Row({ of, onClosed }: { of: Connection; onClosed: () => void }) {
  return (
    <tr>
      <td id={of.id}>
        <Owner of={of} />
        <span class="fine narrow-only">
          <Ago at={of.since} />
          {of.agent && (
            <>
              , <UserText>{of.agent}</UserText>
            </>
          )}
        </span>
      </td>
      <td class="wide-only">{of.agent && <UserText>{of.agent}</UserText>}</td>
      <td class="wide-only">
        <Ago at={of.since} />
      </td>
      {hasRole("admin") && (
        <td>
          <div class="actions">
            <Close of={of} onClosed={onClosed} />
            {of.userId && <CutOff userId={of.userId} about={of.id} />}
          </div>
        </td>
      )}
    </tr>
  );
}

/** Shows whose socket it is. */
function Owner({ of }: { of: Connection }) {
  if (of.deviceId)
    return (
      <a href={`#/devices/${of.deviceId}`}>
        <UserText>{deviceName(of.deviceId)}</UserText>
      </a>
    );
  return of.userId ? <Actor id={of.userId} details={of.openedByActor} /> : <span>{of.kind}</span>;
}

function Close({ of, onClosed }: { of: Connection; onClosed: () => void }) {
  const close = async () => {
    await gateway.delete("/api/v1/customer/connections/{connectionId}", { params: { path: { connectionId: of.id } } });
    announcement.value = "Connection closed.";
    onClosed();
  };
  return (
    <ConfirmedButton
      noReason
      verb="Close"
      title="Close this connection?"
      about={of.id}
      effect={
        <>
          The socket of <Owner of={of} /> is closed. It may be opened again: to keep a device out, suspend it, and to
          keep a user out, cut the user off.
        </>
      }
      action={close}
    />
  );
}
