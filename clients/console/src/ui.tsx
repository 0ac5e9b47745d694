// The small parts that all views are made of.
import { FieldgateError, FieldgateNetworkError } from "@fieldgate/client";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { reveal, revealLines, writeExact } from "./json.js";

/** An instant, as the clock of the reader shows it. */
export function Time({ at }: { at: string }) {
  const date = new Date(at);
  const today = date.toDateString() === new Date().toDateString();
  const text = today
    ? date.toLocaleTimeString()
    : date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  return (
    <time dateTime={at} title={at}>
      {text}
    </time>
  );
}

export function Badge({ of }: { of: string }) {
  return <span class={`badge ${of}`}>{of.replaceAll("_", " ")}</span>;
}

/** JSON to the letter, and all of it. */
export function Json({ value, label }: { value: unknown; label: string }) {
  return <Verbatim label={label}>{writeExact(value)}</Verbatim>;
}

/** Text that a device has written. */
export function Output({ text, label }: { text: string; label: string }) {
  return <Verbatim label={label}>{revealLines(text)}</Verbatim>;
}

// A part that scrolls must be reachable by keyboard, and have a name.
function Verbatim({ children, label }: { children: string; label: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it may scroll
    <section class="verbatim" tabIndex={0} aria-label={label} dir="ltr">
      <pre>{children}</pre>
    </section>
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

/** A dialog of the platform: it keeps the focus, closes with Escape, and gives the focus back. */
export function Dialog(props: { title: string; onClose: () => void; children: ComponentChildren; wide?: boolean }) {
  const element = useRef<HTMLDialogElement>(null);
  const title = useId();
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    element.current?.showModal();
    return () => {
      const back = before?.isConnected ? before : document.getElementById("main");
      back?.focus({ preventScroll: true });
    };
  }, []);
  return (
    <dialog ref={element} aria-labelledby={title} class={props.wide ? "wide" : ""} onClose={props.onClose}>
      <h2 id={title}>{props.title}</h2>
      {props.children}
    </dialog>
  );
}

/** A field with its label and what to know about it. */
export function Field(props: { label: string; hint?: string; children: (ids: FieldIds) => JSX.Element }) {
  const id = useId();
  const hint = `${id}-hint`;
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      {props.children({ id, "aria-describedby": props.hint ? hint : undefined })}
      {props.hint && (
        <p class="fine" id={hint}>
          {props.hint}
        </p>
      )}
    </div>
  );
}

interface FieldIds {
  id: string;
  "aria-describedby": string | undefined;
}

/** What a form holds, by the names of its fields; empty ones are left out. */
export function valuesOf(event: Event): Record<string, string> {
  event.preventDefault();
  const values: Record<string, string> = {};
  for (const [name, value] of new FormData(event.currentTarget as HTMLFormElement))
    if (typeof value === "string" && value.trim() !== "") values[name] = value;
  return values;
}

/** Text to take along, such as a command line. */
export function Copyable({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  return (
    <div class="copyable">
      <section aria-label={label}>
        <code>{text}</code>
      </section>
      {navigator.clipboard && (
        <button type="button" onClick={() => void copy().catch(() => {})}>
          {copied ? "Copied" : "Copy"}
        </button>
      )}
    </div>
  );
}

export function Loading({ what }: { what: string }) {
  return (
    <p class="empty" aria-busy="true">
      Reading {what}…
    </p>
  );
}
