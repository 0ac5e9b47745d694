import { CommandCard } from "./CommandCard.js";
import { DecisionButtons } from "./DecisionButtons.js";
import { decided, inbox, more, showMore } from "./fleet.js";
import { Loading, More } from "./ui.js";

/** The commands that wait for a person, and what became of them. */
export function Inbox() {
  const waiting = inbox.value;
  return (
    <>
      <h1>Inbox</h1>
      {waiting === undefined && <Loading what="what waits for a decision" />}
      {waiting?.length === 0 && <p class="empty">Nothing waits for a decision.</p>}
      {waiting && waiting.length > 0 && <h2 class="unseen">What waits for a decision</h2>}
      <ul class="cards">
        {waiting?.map((command) => (
          <CommandCard key={command.id} command={command} open>
            {command.mayDecide ? (
              <div class="actions">
                <DecisionButtons command={command} />
              </div>
            ) : (
              command.whyNot && <p class="fine">You cannot decide over it: {lowerFirst(command.whyNot)}</p>
            )}
          </CommandCard>
        ))}
      </ul>
      <More of={more.inbox.value} onMore={() => showMore("inbox")} />
      {decided.value.length > 0 && (
        <section aria-labelledby="became">
          <h2 id="became">What became of them</h2>
          <ul class="cards">
            {decided.value.map((command) => (
              <CommandCard key={command.id} command={command} />
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);
