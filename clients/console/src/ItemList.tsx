// A form's list of items that the user adds and removes.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

interface Props<T> {
  label: string;
  hint?: string | undefined;
  /** What an item is called, such as "Tag". */
  item: string;
  /** The label of the button that adds one. */
  add: string;
  max?: number | undefined;
  items: T[];
  /** An item without values. */
  empty: T;
  onChange: (items: T[]) => void;
  /** Returns the fields of an item. The last argument replaces the item. */
  children: (item: T, i: number, set: (item: T) => void) => ComponentChildren;
}

/** Shows the fields of each item. The focus follows what is added, and stays when an item is removed. */
export function ItemList<T>(props: Props<T>) {
  const { items, onChange } = props;
  const element = useRef<HTMLFieldSetElement>(null);
  const add = useRef<HTMLButtonElement>(null);
  const before = useRef(items.length);
  const added = useRef(false);
  useEffect(() => {
    const rows = element.current?.querySelectorAll(".list-item") ?? [];
    if (added.current) [...rows].at(-1)?.querySelector("input")?.focus();
    else if (items.length < before.current) add.current?.focus();
    before.current = items.length;
    added.current = false;
  }, [items.length]);
  return (
    <fieldset ref={element} class="field">
      <legend>{props.label}</legend>
      {items.map((item, i) => (
        <div class="list-item" key={i}>
          {props.children(item, i, (changed) => onChange(items.map((other, at) => (at === i ? changed : other))))}
          <button
            type="button"
            class="small"
            aria-label={`Remove ${props.item} ${i + 1}`}
            onClick={() => onChange(items.filter((_, other) => other !== i))}
          >
            Remove
          </button>
        </div>
      ))}
      {props.hint && <p class="fine">{props.hint}</p>}
      <button
        ref={add}
        type="button"
        class="small"
        disabled={items.length >= (props.max ?? Number.POSITIVE_INFINITY)}
        onClick={() => {
          added.current = true;
          onChange([...items, props.empty]);
        }}
      >
        {props.add}
      </button>
    </fieldset>
  );
}
