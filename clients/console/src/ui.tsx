// The small parts that all views are made of.
import { type Command, FieldgateError, FieldgateNetworkError } from "@fieldgate/client";
import { useRef, useState } from "preact/hooks";
import { type Piece, pieces, reveal, writeExact } from "./json.js";
import { may, person, type Role } from "./session.js";

/** An instant, as the clock of the reader shows it, and which clock that is. */
export function Time({ at }: { at: string }) {
  const date = new Date(at);
  const today = date.toDateString() === new Date().toDateString();
  const text = today
    ? date.toLocaleTimeString(undefined, { ...clock, second: "2-digit" })
    : date.toLocaleString(undefined, { day: "numeric", month: "short", year: "numeric", ...clock });
  return (
    <time dateTime={at} title={at}>
      {text}
    </time>
  );
}

const clock = { hour: "2-digit", minute: "2-digit", timeZoneName: "short" } as const;

export function Badge({ of }: { of: string }) {
  return <span class={`badge ${of}`}>{of.replaceAll("_", " ")}</span>;
}

/** JSON to the letter, and all of it. */
export function Json({ value, label }: { value: unknown; label: string }) {
  return <Verbatim label={label} of={writeExact(value)} />;
}

/** Text that a device has written. */
export function Output({ text, label }: { text: string; label: string }) {
  return <Verbatim label={label} of={pieces(text)} />;
}

// A part that scrolls must be reachable by keyboard, and have a name.
function Verbatim({ of, label }: { of: Piece[]; label: string }) {
  return (
    <>
      <Warning about={of} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it may scroll */}
      <section class="verbatim" tabIndex={0} aria-label={label} dir="ltr">
        <pre>{of.map(({ text, odd }, i) => (odd ? <mark key={i}>{text}</mark> : text))}</pre>
      </section>
    </>
  );
}

/** Tells what in a text may be other than it looks. */
function Warning({ about }: { about: Piece[] }) {
  const count = (odd: Piece["odd"]) => about.filter((piece) => piece.odd === odd).length;
  const unseen = count("unseen");
  const mixed = count("mixed");
  if (unseen + mixed === 0) return null;
  return (
    <p class="caution">
      <strong>Look closely.</strong> {unseen > 0 && "It holds characters that cannot be seen or turn text around. "}
      {mixed > 0 && "It holds words of letters from several scripts that look alike. "}
      They are marked.
    </p>
  );
}

/** Words of a person, on one line. */
export function Words({ children }: { children: string }) {
  return <bdi>{reveal(children)}</bdi>;
}

/** Why something was refused, with what support needs to find it. */
export function Problem({ error }: { error: unknown }) {
  if (error === undefined) return null;
  const refused = error instanceof FieldgateError ? error : undefined;
  return (
    <div class="problem" role="alert">
      <p>{inWords(error)}</p>
      {refused?.problem?.approval && <First of={refused.problem.approval} />}
      {refused && refused.errors.length > 0 && (
        <ul>
          {refused.errors.map((wrong) => (
            <li key={wrong.pointer + wrong.keyword}>
              <code>{wrong.pointer}</code> {wrong.reason}
            </li>
          ))}
        </ul>
      )}
      {refused && (
        <p class="fine">
          <code>{refused.code ?? refused.status}</code>
          {refused.requestId && (
            <>
              {" "}
              request <code>{refused.requestId}</code>
            </>
          )}
        </p>
      )}
    </div>
  );
}

/** Who was faster, told to who came second. */
export function First({ of }: { of: Approval }) {
  return (
    <p>
      <Words>{of.decidedBy}</Words> has {of.decision} it, <Time at={of.decidedAt} />
      {of.reason && (
        <>
          : <Words>{of.reason}</Words>
        </>
      )}
    </p>
  );
}

type Approval = NonNullable<Command["approval"]>;

function inWords(error: unknown): string {
  if (error instanceof FieldgateError)
    return error.detail ?? error.problem?.title ?? `The gateway answered ${error.status}.`;
  if (error instanceof FieldgateNetworkError)
    return error.timedOut ? "The gateway has not answered in time." : "The gateway cannot be reached.";
  return error instanceof Error ? error.message : String(error);
}

/** Does something once at a time, and tells how it went. */
export function useAction<A extends unknown[]>(action: (...args: A) => Promise<void>) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const under = useRef(false);
  const run = async (...args: A) => {
    if (under.current) return;
    under.current = true;
    setBusy(true);
    setError(undefined);
    try {
      await action(...args);
    } catch (thrown) {
      setError(thrown);
    } finally {
      under.current = false;
      setBusy(false);
    }
  };
  return { busy, error, run };
}

/** The way to the rest of a list, where there is one. */
export function More({ of, onMore }: { of: boolean; onMore: () => void }) {
  if (!of) return null;
  return (
    <p class="more">
      <button type="button" onClick={onMore}>
        Show more
      </button>
    </p>
  );
}

/** Why something is not offered: to who is not allowed it. */
export function Needs({ least, to }: { least: Role; to: string }) {
  if (may(least)) return null;
  return (
    <p class="fine">
      {to}: that needs the role {least}, and you are {person.value?.role}.
    </p>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <p class="empty" aria-busy="true">
      Reading {what}…
    </p>
  );
}
