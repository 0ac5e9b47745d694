import { CommandTable } from "./CommandTable.js";
import { useCommands } from "./commandList.js";
import { statuses } from "./events.js";
import { ClearFilters, SelectFilter, TextFilter } from "./filters.js";
import { route } from "./route.js";
import { SavedViews } from "./SavedViews.js";
import { deviceName } from "./state.js";

const statusNames = {
  "failed,timed_out": "failed or timed out",
  ...Object.fromEntries(statuses.map((status) => [status, status.replaceAll("_", " ")])),
};
const spanNames = { "1h": "the last hour", today: "today", "24h": "the last 24 hours", "7d": "the last 7 days" };
const filterNames = ["status", "type", "deviceId", "tag", "proposedBy", "since", "until"];

/** The commands of the tenant, on all devices and in all sessions. */
export function Commands() {
  const { query } = route.value;
  const list = useCommands(query);
  const devices = query.deviceId ? { [query.deviceId]: deviceName(query.deviceId) } : {};
  return (
    <>
      <h1>Commands</h1>
      <search class="filters" aria-label="Filter commands">
        <SelectFilter name="status" label="Status" options={statusNames} />
        <SelectFilter name="since" label="Proposed" options={spanNames} all="at any time" />
        <TextFilter name="type" label="Type" hint="diagnostic.*" maxLength={128} />
        <TextFilter name="tag" label="Tag of the device" hint="site:leipzig" maxLength={321} />
        <TextFilter name="proposedBy" label="Proposed by" hint="id of a user" maxLength={255} />
        {query.deviceId && <SelectFilter name="deviceId" label="Device" options={devices} />}
        <SavedViews of="commands" />
        <ClearFilters names={filterNames} />
      </search>
      <CommandTable of={list} label="Commands" />
    </>
  );
}
