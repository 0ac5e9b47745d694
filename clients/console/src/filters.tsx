// The filters above a list. They are part of the address, so that a list can be linked and kept.
import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { route, setFilters } from "./route.js";

/** A label with its field. */
function Filter({ label, children }: { label: string; children: (id: string) => ComponentChildren }) {
  const id = useId();
  return (
    <div>
      <label for={id}>{label}</label>
      {children(id)}
    </div>
  );
}

/** A filter with a list of values. A value of the address that the list does not have is shown too. */
export function SelectFilter(props: { name: string; label: string; options: Record<string, string>; all?: string }) {
  const current = route.value.query[props.name] ?? "";
  const known = current === "" || current in props.options;
  return (
    <Filter label={props.label}>
      {(id) => (
        <select id={id} value={current} onChange={(event) => setFilters({ [props.name]: event.currentTarget.value })}>
          <option value="">{props.all ?? "any"}</option>
          {Object.entries(props.options).map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
          {!known && <option value={current}>{current.replaceAll(",", ", ").replaceAll("_", " ")}</option>}
        </select>
      )}
    </Filter>
  );
}

/** A filter with a text. It applies when the user leaves the field or presses Enter, or with each key if `live`. */
export function TextFilter(props: { name: string; label: string; hint?: string; live?: boolean; maxLength: number }) {
  const applied = route.value.query[props.name] ?? "";
  const [typed, setTyped] = useState<string>(); // not applied yet: it must outlast an event that draws the list again
  const apply = (text: string) => {
    setTyped(undefined);
    setFilters({ [props.name]: text });
  };
  return (
    <Filter label={props.label}>
      {(id) => (
        <input
          id={id}
          type="search"
          placeholder={props.hint}
          maxLength={props.maxLength}
          value={typed ?? applied}
          onInput={(event) => (props.live ? apply : setTyped)(event.currentTarget.value)}
          onChange={(event) => apply(event.currentTarget.value)}
        />
      )}
    </Filter>
  );
}

/** Removes all filters. It is shown only if there are some. */
export function ClearFilters({ names }: { names: string[] }) {
  const used = names.filter((name) => route.value.query[name]);
  if (used.length === 0) return null;
  return (
    <button type="button" onClick={() => setFilters(Object.fromEntries(used.map((name) => [name, undefined])))}>
      Clear filters
    </button>
  );
}
