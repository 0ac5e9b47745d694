import { CommandCard } from "./CommandCard.js";
import { DecisionButtons } from "./DecisionButtons.js";
import { Overview } from "./Overview.js";
import { mayDecide } from "./signin/stepup.js";
import { hasMore, inbox, resolved, showMore } from "./state.js";
import { Loading, ShowMore } from "./ui.js";
import { VoteButtons } from "./Votes.js";

/** Shows the commands that wait for a decision, and the commands that have left the inbox. */
export function Inbox() {
  const waiting = inbox.value;
  return (
    <>
      <h1>Inbox</h1>
      <Overview />
      {waiting === undefined && <Loading what="the commands that wait for a decision" />}
      {waiting?.length === 0 && <p class="empty">No command waits for a decision.</p>}
      {waiting && waiting.length > 0 && <h2 class="visually-hidden">Waiting for a decision</h2>}
      <ul class="cards">
        {waiting?.map((command) => (
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
