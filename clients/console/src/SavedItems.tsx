// Chooses, keeps and removes what the user keeps in this browser under a name.
import { useState } from "preact/hooks";
import { Dialog, Field, FormButtons, valuesOf } from "./forms.js";
import { forget, type Kind, type Saved, save, savedItems } from "./saved.js";
import { Problem, UserText, useAction } from "./ui.js";

interface Props {
  kind: Kind;
  /** What an item is called, such as "view". */
  what: string;
  label: string;
  /** Offers more than what has a name, before it. */
  more?: Saved[];
  /** Returns the value to keep now. Without it, nothing can be kept now. */
  current: (() => string) | undefined;
  /** What is told before something is kept. */
  note?: string | undefined;
  onUse: (value: string) => void;
}

/** Offers what the user has kept, and keeps more. */
export function SavedItems({ kind, what, label, more = [], current, note, onUse }: Props) {
  const [isOpen, setOpen] = useState(false);
  const items = [...more, ...savedItems(kind)];
  const use = (event: Event) => {
    const select = event.currentTarget as HTMLSelectElement;
    const item = items[Number(select.value)];
    select.value = ""; // the same item can be used again
    if (item) onUse(item.value);
  };
  return (
    <div class="saved">
      {items.length > 0 && (
        <select aria-label={label} value="" onChange={use}>
          <option value="">{label}</option>
          {items.map(({ name }, i) => (
            <option key={name} value={i}>
              {name}
            </option>
          ))}
        </select>
      )}
      {(current || savedItems(kind).length > 0) && (
        <button type="button" class="small" onClick={() => setOpen(true)}>
          Keep as a {what}…
        </button>
      )}
      {isOpen && <KeepDialog {...{ kind, what, current, note }} onClose={() => setOpen(false)} />}
    </div>
  );
}

type DialogProps = Pick<Props, "kind" | "what" | "current" | "note"> & { onClose: () => void };

function KeepDialog({ kind, what, current, note, onClose }: DialogProps) {
  const { error, busy, run } = useAction(async (name: string | undefined) => {
    if (name && current) save(kind, name.trim(), current());
    onClose();
  });
  return (
    <Dialog title={`Keep as a ${what}`} onClose={onClose}>
      <p class="fine">It is kept in this browser, for you only. {note}</p>
      <form
        onSubmit={(event) => {
          event.stopPropagation(); // the dialog may be inside another form
          void run(valuesOf(event).name);
        }}
      >
        {current && (
          <Field label="Name" hint={`A ${what} of the same name is replaced.`}>
            {(ids) => <input {...ids} name="name" required maxLength={80} autofocus autocomplete="off" />}
          </Field>
        )}
        <Problem error={error} />
        <FormButtons verb="Keep" busy={busy} locked={!current} onBack={onClose} />
      </form>
      <Kept kind={kind} what={what} />
    </Dialog>
  );
}

/** Lists what was kept, to remove it. */
function Kept({ kind, what }: { kind: Kind; what: string }) {
  const items = savedItems(kind);
  if (items.length === 0) return null;
  return (
    <>
      <h3>Kept so far</h3>
      <ul class="items">
        {items.map(({ name }) => (
          <li key={name}>
            <UserText>{name}</UserText>
            <button
              type="button"
              class="small"
              aria-label={`Remove the ${what} ${name}`}
              onClick={() => forget(kind, name)}
            >
              Remove
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
