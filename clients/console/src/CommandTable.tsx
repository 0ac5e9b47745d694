import type { Command } from "@fieldgate/client";
import type { CommandList } from "./commandList.js";
import { MoreOnScroll, Rows } from "./nearby.js";
import { hashOf } from "./route.js";
import { deviceName } from "./state.js";
import { Ago } from "./time.js";
import { Actor, Badge, Loading, Problem, ShowMore, UserText } from "./ui.js";

/** Shows commands as a table, newest first. */
export function CommandTable({ of, label, onDevice }: { of: CommandList; label: string; onDevice?: boolean }) {
  const { items, error, newer, showNewer, showMore } = of;
  return (
    <>
      <Problem error={error} />
      {items === undefined && !error && <Loading what="commands" />}
      <ShowMore when={newer > 0} label={`Show ${newer} newer`} onMore={showNewer} />
      {items?.length === 0 && <p class="empty">{showMore ? "No command matches so far." : "No command matches."}</p>}
      {items && items.length > 0 && (
        <table aria-label={label} aria-rowcount={showMore ? -1 : items.length + 1}>
          <thead>
            <tr aria-rowindex={1}>
              <th scope="col">Proposed</th>
              <th scope="col">Type</th>
              {!onDevice && (
                <th scope="col" class="wide-only">
                  Device
                </th>
              )}
              <th scope="col" class="wide-only">
                Status
              </th>
              <th scope="col" class="wide-only">
                By
              </th>
            </tr>
          </thead>
          <Rows of={items}>{(command) => <Cells of={command} onDevice={onDevice === true} />}</Rows>
        </table>
      )}
      <MoreOnScroll
        when={showMore !== undefined}
        count={items?.length ?? 0}
        label="Show earlier"
        onMore={() => showMore?.()}
      />
    </>
  );
}

function Cells({ of, onDevice }: { of: Command; onDevice: boolean }) {
  const status = <Badge of={of.setAsideAt ? "set_aside" : of.status} />;
  return (
    <>
      <td>
        <Ago at={of.createdAt} />
      </td>
      <td>
        <a href={hashOf(["commands", of.sessionId, of.id])}>
          <code>{of.type}</code>
        </a>
        <span class="fine narrow-only">
          {status} {!onDevice && <UserText>{deviceName(of.deviceId)}</UserText>}
        </span>
      </td>
      {!onDevice && (
        <td class="wide-only">
          <a href={hashOf(["devices", of.deviceId])}>
            <UserText>{deviceName(of.deviceId)}</UserText>
          </a>
        </td>
      )}
      <td class="wide-only">{status}</td>
      <td class="wide-only">
        <a href={hashOf(["commands"], { proposedBy: of.proposedBy })}>
          <Actor id={of.proposedBy} details={of.proposedByActor} />
        </a>
      </td>
    </>
  );
}
