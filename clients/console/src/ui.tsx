// The components that all views share.
import { type Command, FieldgateError, FieldgateNetworkError } from "@fieldgate/client";
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { hasRole, type Role, user } from "./signin/user.js";
import { linesOf, runsOf, type Segment, segmentsOf, splitSegments, writeExact } from "./verbatim.js";

/**
 * Shows a time in the time zone of the browser, with the name of the zone. It omits the date if
 * the date is today.
 */
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

/** A name and a value in a list of facts. */
export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Shows a value as JSON, complete and unchanged. If `folded`, the user unfolds the end of long lines. */
export function Json({ value, label, folded }: { value: unknown; label: string; folded?: boolean }) {
  return <Verbatim label={label} of={writeExact(value)} folded={folded} />;
}

/** Shows an error of a device, complete and unchanged. */
export function Output({ text, label }: { text: string; label: string }) {
  return <Verbatim label={label} of={segmentsOf(text)} />;
}

interface VerbatimProps {
  of: Segment[];
  label: string;
  folded?: boolean | undefined;
}

/** Shows text unchanged. It may scroll, so the section has a label, and can get the keyboard focus. */
function Verbatim({ of, label, folded }: VerbatimProps) {
  return (
    <>
      <DeceptionWarning about={of} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: the region may scroll */}
      <section class="verbatim" tabIndex={0} aria-label={label} dir="ltr">
        <pre>{folded ? foldedLines(of) : of.map(markedSegment)}</pre>
      </section>
    </>
  );
}

/** Shows a segment of a text. What is deceptive about it is highlighted. */
export const markedSegment = ({ text, warning }: Segment, i: number) =>
  warning ? (
    <mark key={i} dir="ltr">
      {isolated(text)}
    </mark>
  ) : (
    isolated(text)
  );

/** Returns a text with each run that is written from right to left in an element of its own. */
const isolated = (text: string) => runsOf(text).map((run, i) => (i % 2 ? <bdi key={i}>{run}</bdi> : run));

/** The number of characters of a line that are always visible. */
const visibleLine = 300;

/** Returns the lines of a text. The user unfolds the end of a line that is much longer than others. */
function foldedLines(of: Segment[]): ComponentChildren[] {
  return linesOf(of).map((line, i) => {
    const [begin, end] = splitSegments(line, visibleLine);
    const hidden = end.reduce((sum, { text }) => sum + text.length, 0);
    return (
      <div key={i}>
        {begin.map(markedSegment)}
        {hidden > 0 && (
          <details class="folded">
            <summary>
              {hidden.toLocaleString()} more characters
              {end.some(({ warning }) => warning) && ", some of them deceptive"}
            </summary>
            {end.map(markedSegment)}
          </details>
        )}
      </div>
    );
  });
}

/** Warns about deceptive characters in a text. It shows nothing if there are none. */
export function DeceptionWarning({ about }: { about: Segment[] }) {
  const count = (warning: Segment["warning"]) => about.filter((segment) => segment.warning === warning).length;
  const invisible = count("invisible");
  const mixed = count("mixed");
  if (invisible + mixed === 0) return null;
  return (
    <p class="caution">
      <strong>Check this carefully.</strong>{" "}
      {invisible > 0 && "It contains characters that are invisible or change the direction of the text. "}
      {mixed > 0 && "It contains words with letters of another script that look like Latin ones. "}
      They are highlighted.
    </p>
  );
}

/** Shows text from a user that an approval covers on one line. Deceptive characters are highlighted. */
export function Marked({ children }: { children: string }) {
  const segments = segmentsOf(onOneLine(children));
  return (
    <bdi>
      {segments.map(markedSegment)}
      {segments.some(({ warning }) => warning) && <span class="caution"> Check this carefully.</span>}
    </bdi>
  );
}

/** Shows text from a user or a device on one line. Deceptive characters are highlighted. */
export function UserText({ children }: { children: string }) {
  return <bdi>{segmentsOf(onOneLine(children)).map(markedSegment)}</bdi>;
}

const onOneLine = (text: string) => text.replaceAll("\n", "\\n").replaceAll("\t", "\\t");

/**
 * Shows who has acted: the name and the e-mail address, or else the id. Users may choose their
 * names, so the id is always there, when the pointer is on the name.
 */
export function Actor({ id, details }: { id: string; details: ActorDetails | undefined }) {
  const { name, email } = details ?? {};
  const text = name && email ? `${name} <${email}>` : (email ?? name ?? id);
  return (
    <span title={id}>
      <UserText>{text}</UserText>
    </span>
  );
}

type ActorDetails = NonNullable<Command["proposedByActor"]>;

/** Shows an error, with the code and the request id that support staff need. */
export function Problem({ error }: { error: unknown }) {
  if (error === undefined) return null;
  const refusal = error instanceof FieldgateError ? error : undefined;
  return (
    <div class="problem" role="alert">
      <p>{messageOf(error)}</p>
      {refusal?.problem?.approval && <RecordedDecision of={refusal.problem.approval} />}
      {refusal && refusal.errors.length > 0 && (
        <ul>
          {refusal.errors.map((invalid) => (
            <li key={invalid.pointer + invalid.keyword}>
              <code>{invalid.pointer}</code> {invalid.reason}
            </li>
          ))}
        </ul>
      )}
      {refusal && (
        <p class="fine">
          <code>{refusal.code ?? refusal.status}</code>
          {refusal.requestId && (
            <>
              {" "}
              request <code>{refusal.requestId}</code>
            </>
          )}
        </p>
      )}
    </div>
  );
}

/** Shows the recorded decision to a user who decided too late. */
export function RecordedDecision({ of }: { of: Approval }) {
  return (
    <p>
      {of.decision === "approved" ? "Approved" : "Rejected"} by{" "}
      {of.decidedBy && <Actor id={of.decidedBy} details={of.decidedByActor} />},{" "}
      {of.decidedAt && <Time at={of.decidedAt} />}
      {of.reason && (
        <>
          : <UserText>{of.reason}</UserText>
        </>
      )}
    </p>
  );
}

type Approval = NonNullable<Command["approval"]>;

function messageOf(error: unknown): string {
  if (error instanceof FieldgateError)
    return error.detail ?? error.problem?.title ?? `The gateway responded with status ${error.status}.`;
  if (error instanceof FieldgateNetworkError)
    return error.timedOut ? "The gateway did not respond in time." : "The gateway cannot be reached.";
  return error instanceof Error ? error.message : String(error);
}

/**
 * Returns `run`, which runs an action, and the state of the last run. `run` does nothing while
 * the action is already running.
 */
export function useAction<A extends unknown[]>(action: (...args: A) => Promise<void>) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const running = useRef(false); // changes at once, but `busy` changes only with the next render
  const run = async (...args: A) => {
    if (running.current) return;
    running.current = true;
    setBusy(true);
    setError(undefined);
    try {
      await action(...args);
    } catch (thrown) {
      setError(thrown);
    } finally {
      running.current = false;
      setBusy(false);
    }
  };
  return { busy, error, run };
}

/** A button that shows more items of a list, if there are more. Two on a page need different labels. */
export function ShowMore({ when, label, onMore }: { when: boolean; label?: string; onMore: () => void }) {
  if (!when) return null;
  return (
    <p class="more">
      <button type="button" onClick={onMore}>
        {label ?? "Show more"}
      </button>
    </p>
  );
}

/** Explains to a user without the role `least` why some actions are missing. */
export function RoleHint({ least, to }: { least: Role; to: string }) {
  if (hasRole(least)) return null;
  return (
    <p class="fine">
      To {to}, you need the role {least}. Your role is {user.value?.role}.
    </p>
  );
}

/** Shows that something is being read. `title` is the heading of a page that has no other one yet. */
export function Loading({ what, title }: { what: string; title?: string }) {
  return (
    <>
      {title && <h1>{title}</h1>}
      <p class="empty" aria-busy="true">
        Loading {what}…
      </p>
    </>
  );
}
