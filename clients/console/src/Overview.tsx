// What a support engineer looks for first: what waits, what failed today, what is not online.
import { useEffect, useState } from "preact/hooks";
import { queryOf } from "./commandList.js";
import { hashOf } from "./route.js";
import { mayDecide } from "./signin/stepup.js";
import { devices, gateway, hasMore, inbox, listen, rereads } from "./state.js";

const failedToday = { status: "failed,timed_out", since: "today" };
/** The greatest number that is counted. */
const maxCount = 100;

/** Shows the numbers of the day. Each leads to the list behind it. */
export function Overview() {
  const failed = useFailedToday();
  const active = devices.value?.filter((device) => device.status === "active");
  const away = active?.filter((device) => device.presence !== "online").length;
  const mine = inbox.value?.filter(mayDecide).length;
  const open = (given: boolean) => (given ? "+" : "");
  const ofLoaded = hasMore.devices.value ? `, of ${devices.value?.length.toLocaleString()} loaded` : "";
  return (
    <ul class="tiles">
      <Tile
        count={mine}
        more={open(hasMore.inbox.value)}
        name="waiting for me"
        href={hashOf(["inbox"], { for: "me" })}
      />
      <Tile
        count={failed && Math.min(failed.size, maxCount)}
        more={open((failed?.size ?? 0) > maxCount)}
        name="failed today"
        href={hashOf(["commands"], failedToday)}
      />
      <Tile
        count={away}
        more=""
        name={`not online${ofLoaded}`}
        href={hashOf(["devices"], { presence: "away", status: "active" })}
      />
    </ul>
  );
}

function Tile({ count, more, name, href }: { count: number | undefined; more: string; name: string; href: string }) {
  return (
    <li>
      <a href={href}>
        <strong>{count === undefined ? "…" : `${count}${more}`}</strong> {name}
      </a>
    </li>
  );
}

/** Returns the ids of the commands that failed today: those that were read, and those of events since. */
function useFailedToday(): ReadonlySet<string> | undefined {
  const [ids, setIds] = useState<ReadonlySet<string>>();
  useEffect(() => {
    const stop = new AbortController();
    const query = { ...queryOf(failedToday), limit: maxCount + 1 };
    gateway.get("/api/v1/customer/commands", { params: { query }, signal: stop.signal }).then(
      ({ items }) => setIds((before) => new Set([...(before ?? []), ...items.map(({ id }) => id)])),
      () => {}, // the number is missing, and the list behind it shows why
    );
    return () => stop.abort();
  }, [rereads.value]);
  useEffect(
    () =>
      listen(({ type, data }) => {
        if ((type === "command.failed" || type === "command.timed_out") && "commandId" in data)
          setIds((before) => new Set([...(before ?? []), data.commandId]));
      }),
    [],
  );
  return ids;
}
