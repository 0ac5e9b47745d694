// What people fill in and confirm.
import type { ComponentChildren, JSX, RefObject } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Problem, useAction } from "./ui.js";

/** A dialog of the platform: it keeps the focus, closes with Escape, and gives the focus back. */
export function Dialog(props: { title: string; onClose: () => void; children: ComponentChildren; wide?: boolean }) {
  const element = useRef<HTMLDialogElement>(null);
  const title = useId();
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    element.current?.showModal();
    element.current?.scrollTo(0, 0); // what is decided over comes before the field that has the focus
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

/** What a form in a dialog ends with. */
export function Submit(props: { verb: string; busy: boolean; harmful?: boolean; onBack: () => void }) {
  return (
    <div class="actions">
      <button type="submit" class={props.harmful ? "danger" : "primary"} disabled={props.busy}>
        {props.verb}
      </button>
      <button type="button" onClick={props.onBack}>
        Back
      </button>
    </div>
  );
}

/** Asks before something that hurts, says what it does, and takes a reason for the timeline. */
export function Confirm(props: ConfirmProps) {
  const { title, says, verb, onClose } = props;
  const { busy, error, run } = useAction(async (reason: string | undefined) => {
    await props.act(reason);
    onClose();
  });
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{says}</p>
      <form onSubmit={(event) => void run(valuesOf(event).reason)}>
        {!props.noReason && (
          <Field label="Reason (optional)">
            {(ids) => <input {...ids} name="reason" maxLength={500} autofocus autocomplete="off" />}
          </Field>
        )}
        <Problem error={error} />
        <Submit verb={verb} harmful={!props.harmless} busy={busy} onBack={onClose} />
      </form>
    </Dialog>
  );
}

export interface ConfirmProps {
  title: string;
  /** What it does, and to whom. */
  says: ComponentChildren;
  verb: string;
  act: (reason: string | undefined) => Promise<unknown>;
  onClose: () => void;
  harmless?: boolean;
  noReason?: boolean;
}

/** Lets who works with the keyboard go on where something was that leaves the page. */
export function useSavedFocus(of: RefObject<HTMLElement | null>): void {
  useLayoutEffect(() => {
    const element = of.current;
    return () => {
      if (element?.contains(document.activeElement)) document.getElementById("main")?.focus({ preventScroll: true });
    };
  }, []);
}

/** A button that asks before it acts. */
export function Asking(props: Omit<ConfirmProps, "onClose"> & { about?: string }) {
  const [asking, setAsking] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  useSavedFocus(button);
  return (
    <>
      <button ref={button} type="button" aria-describedby={props.about} onClick={() => setAsking(true)}>
        {props.verb}…
      </button>
      {asking && <Confirm {...props} onClose={() => setAsking(false)} />}
    </>
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
