// Dialogs, forms and their fields.
import type { ComponentChildren, JSX, RefObject, TargetedKeyboardEvent } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Problem, useAction } from "./ui.js";

/**
 * A modal dialog. The browser keeps the focus inside it and closes it with Escape, unless it is
 * required. After it has closed, the focus returns to the element that had it before.
 */
export function Dialog(props: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const title = useId();
  useEffect(() => {
    const before = document.activeElement as HTMLElement | null;
    const card = before?.closest(".card"); // it stays when an event removes the button
    element.current?.showModal();
    element.current?.scrollTo(0, 0); // focusing the first field may have scrolled the text above it out of view
    return () => {
      if (before?.isConnected) before.focus({ preventScroll: true });
      else focusHeading(card?.isConnected ? card : null);
    };
  }, []);
  return (
    <dialog
      ref={element}
      aria-labelledby={title}
      class={props.wide ? "wide" : ""}
      onClose={() => (props.required ? element.current?.showModal() : props.onClose())}
    >
      <h2 id={title}>{props.title}</h2>
      {props.children}
    </dialog>
  );
}

interface DialogProps {
  title: ComponentChildren;
  onClose: () => void;
  children: ComponentChildren;
  wide?: boolean;
  /** Whether the user cannot close the dialog. */
  required?: boolean;
}

/** The buttons at the end of a form in a dialog. `backFirst` gives the focus to the harmless one. */
export function FormButtons(props: FormButtonsProps) {
  return (
    <div class="actions">
      <button
        type="submit"
        class={props.harmful ? "danger" : "primary"}
        disabled={props.busy || props.locked}
        aria-describedby={props.about}
      >
        {props.verb}
      </button>
      <button type="button" onClick={props.onBack} autofocus={props.backFirst}>
        Back
      </button>
    </div>
  );
}

interface FormButtonsProps {
  verb: string;
  busy: boolean;
  harmful?: boolean;
  backFirst?: boolean | undefined;
  /** Whether the action is not available yet. `about` is the id of the text that says why. */
  locked?: boolean;
  about?: string;
  onBack: () => void;
}

/**
 * Asks for a reason. Enter in the empty field does not submit: the same key may have opened the dialog, and
 * pressed twice it must not act before the dialog was read.
 */
export function ReasonField(props: { label: string; hint?: string; required?: boolean; autofocus?: boolean }) {
  const keepEnter = (event: TargetedKeyboardEvent<HTMLInputElement>) => {
    if (event.key === "Enter" && event.currentTarget.value.trim() === "") event.preventDefault();
  };
  return (
    <Field label={props.label} {...(props.hint && { hint: props.hint })}>
      {(ids) => (
        <input
          {...ids}
          name="reason"
          maxLength={500}
          required={props.required}
          autofocus={props.autofocus}
          autocomplete="off"
          onKeyDown={keepEnter}
        />
      )}
    </Field>
  );
}

/** Asks the user to confirm an action. It explains the effect and takes a reason for the timeline. */
export function ConfirmDialog(props: ConfirmProps) {
  const { title, effect, verb, onClose } = props;
  const { busy, error, run } = useAction(async (reason: string | undefined) => {
    await props.action(reason);
    (props.onDone ?? onClose)();
  });
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{effect}</p>
      <form onSubmit={(event) => void run(valuesOf(event).reason)}>
        {!props.noReason && <ReasonField label="Reason (optional)" autofocus />}
        <Problem error={error} />
        <FormButtons
          verb={verb}
          harmful={!props.harmless}
          busy={busy}
          backFirst={props.noReason === true}
          onBack={onClose}
        />
      </form>
    </Dialog>
  );
}

export interface ConfirmProps {
  title: string;
  /** Sentences that explain the effect of the action. */
  effect: ComponentChildren;
  verb: string;
  action: (reason: string | undefined) => Promise<unknown>;
  /** Called in place of `onClose` when the action has succeeded. */
  onDone?: () => void;
  onClose: () => void;
  harmless?: boolean;
  noReason?: boolean;
}

/** Moves the focus to the heading of the card that `near` is in, or else to that of the page. */
export function focusHeading(near?: Element | null): void {
  const card = near?.closest(".card");
  const heading = card?.querySelector<HTMLElement>("h3") ?? document.querySelector<HTMLElement>("main h1");
  if (heading) heading.tabIndex = -1;
  (heading ?? document.getElementById("main"))?.focus({ preventScroll: true });
}

/**
 * Moves the focus to the nearest heading when a focused element is removed from the page.
 * Otherwise the browser would move the focus to the start of the page, which is tedious with a
 * keyboard.
 */
export function useFocusFallback(of: RefObject<HTMLElement | null>): void {
  useLayoutEffect(() => {
    const element = of.current;
    return () => {
      if (element?.contains(document.activeElement)) focusHeading(element.parentElement);
    };
  }, []);
}

/**
 * A button whose action the user must confirm in a dialog. It calls `onDone` after the dialog has closed, so that
 * this may move the focus.
 */
export function ConfirmedButton(props: Omit<ConfirmProps, "onClose"> & { about?: string }) {
  const [state, setState] = useState<"closed" | "open" | "done">("closed");
  const close = () => setState("closed");
  useEffect(() => {
    if (state === "done") props.onDone?.();
  }, [state]);
  const button = useRef<HTMLButtonElement>(null);
  useFocusFallback(button);
  return (
    <>
      <button ref={button} type="button" aria-describedby={props.about} onClick={() => setState("open")}>
        {props.verb}…
      </button>
      {state === "open" && <ConfirmDialog {...props} onClose={close} onDone={() => setState("done")} />}
    </>
  );
}

/** A form field with its label and an optional hint. */
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

/**
 * Prevents the browser from submitting a form, and returns the values of the form by field name.
 * Empty fields are omitted.
 */
export function valuesOf(event: Event): Record<string, string> {
  event.preventDefault();
  const values: Record<string, string> = {};
  for (const [name, value] of new FormData(event.currentTarget as HTMLFormElement))
    if (typeof value === "string" && value.trim() !== "") values[name] = value;
  return values;
}

/** Shows a text, such as a command line, and a button that copies the text. */
export function Copyable({ text, label }: { text: string; label: string }) {
  return (
    <div class="copyable">
      <section aria-label={label}>
        <code>{text}</code>
      </section>
      <CopyButton text={text} />
    </div>
  );
}

/** A button that copies a text. If several on a page have the same label, `of` tells them apart. */
export function CopyButton({ text, label = "Copy", of }: { text: string; label?: string; of?: string }) {
  const [copied, setCopied] = useState(false);
  if (!navigator.clipboard) return null; // the page was not loaded over HTTPS
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  const shown = copied ? "Copied" : label;
  return (
    <button
      type="button"
      class={label === "Copy" ? "" : "small"}
      aria-label={of && `${shown} of ${of}`}
      onClick={() => void copy().catch(() => {})}
    >
      {shown}
    </button>
  );
}
