import type { Command } from "@fieldgate/client";
import { CommandCard } from "./CommandCard.js";
import { DecisionButtons, ReviewButton } from "./DecisionButtons.js";
import { ClearFilters, SelectFilter, TextFilter } from "./filters.js";
import { contains } from "./matching.js";
import { Overview } from "./Overview.js";
import { route } from "./route.js";
import { mayDecide } from "./signin/stepup.js";
import { deviceName, hasMore, inbox, resolved, showMore } from "./state.js";
import { Loading, ShowMore, UserText } from "./ui.js";
import { VoteButtons } from "./Votes.js";

const filterNames = ["q", "for", "by"];
const groupNames = { device: "device", type: "type", proposer: "proposer" };

/** Shows the commands that wait for a decision, and the commands that have left the inbox. */
export function Inbox() {
  const waiting = inbox.value;
  const { query } = route.value;
  const found = waiting?.filter((command) => matches(command, query)) ?? [];
  return (
    <>
      <h1>Inbox</h1>
      <Overview />
      {waiting === undefined && <Loading what="the commands that wait for a decision" />}
      {waiting?.length === 0 && <p class="empty">No command waits for a decision.</p>}
      {waiting && waiting.length > 0 && <Filters found={found} />}
      {waiting && waiting.length > 0 && found.length === 0 && <p class="empty">No command matches.</p>}
      {[...groupsOf(found, query.by)].map(([name, commands]) => (
        <Group key={name} name={name} of={commands} />
      ))}
      <ShowMore when={hasMore.inbox.value} onMore={() => void showMore("inbox")} />
      {resolved.value.length > 0 && (
        <section aria-labelledby="resolved">
          <h2 id="resolved">No longer waiting</h2>
          <ul class="cards">
            {resolved.value.map((command) => (
              <CommandCard key={command.id} command={command} />
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

function Filters({ found }: { found: Command[] }) {
  return (
    <>
      <search class="filters" aria-label="Filter the inbox">
        <TextFilter name="q" label="Find a command" hint="Type, device, user or reason" live maxLength={128} />
        <SelectFilter name="for" label="Decision" options={{ me: "by me" }} all="by any user" />
        <SelectFilter name="by" label="Group by" options={groupNames} all="nothing" />
        <ReviewButton of={found.filter(mayDecide)} />
        <ClearFilters names={filterNames} />
      </search>
      <p class="fine" role="status">
        {hasMore.inbox.value && "These filters cover only the commands that are loaded."}
      </p>
    </>
  );
}

/** Commands with one device, type or proposer, or all if the list has no groups. */
function Group({ name, of }: { name: string; of: Command[] }) {
  return (
    <section>
      <h2 class={name === "" ? "visually-hidden" : ""}>
        {name === "" ? "Waiting for a decision" : <UserText>{name}</UserText>}
        {name !== "" && <span class="fine"> {of.length} waiting</span>}
      </h2>
      <ul class="cards">
        {of.map((command) => (
          <CommandCard key={command.id} command={command} open>
            {!mayDecide(command) && command.whyNot && (
              <p class="fine">You cannot decide on this command. {command.whyNot}</p>
            )}
            <div class="actions">
              {mayDecide(command) && <DecisionButtons command={command} />}
              <VoteButtons command={command} />
            </div>
          </CommandCard>
        ))}
      </ul>
    </section>
  );
}

/** Reports whether a command matches the filters of the address. */
function matches(command: Command, filters: Record<string, string>): boolean {
  const { id, type, deviceId, reason, proposedBy, proposedByActor } = command;
  const fields = [id, type, deviceName(deviceId), reason, proposedBy, proposedByActor?.name, proposedByActor?.email];
  return (filters.for !== "me" || mayDecide(command)) && contains(fields, filters.q ?? "");
}

/** Returns the commands by the name of their group, in the order of their first ones. */
function groupsOf(commands: Command[], by: string | undefined): Map<string, Command[]> {
  const nameOf: Record<string, (command: Command) => string> = {
    device: ({ deviceId }) => `${deviceName(deviceId)} (${deviceId})`,
    type: ({ type }) => type,
    proposer: ({ proposedBy, proposedByActor }) => proposedByActor?.email ?? proposedBy,
  };
  const groups = new Map<string, Command[]>();
  for (const command of commands) {
    const name = nameOf[by ?? ""]?.(command) ?? "";
    groups.set(name, [...(groups.get(name) ?? []), command]);
  }
  return groups;
}
