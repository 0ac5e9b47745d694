// The fields for the tags of a device.
import { ItemList } from "./ItemList.js";

/** A tag as it is typed. */
export interface Tag {
  name: string;
  value: string;
}

export const tagsOf = (tags: Record<string, string>): Tag[] =>
  Object.entries(tags).map(([name, value]) => ({ name, value }));

/** Returns the tags as the API has them, without those that have no name. It throws an error for a name used twice. */
export function recordOf(tags: Tag[]): Record<string, string> {
  const named = tags.filter(({ name }) => name !== "");
  const record = Object.fromEntries(named.map(({ name, value }) => [name, value]));
  const twice = named.find(({ name }, i) => named.findIndex((other) => other.name === name) < i);
  if (twice) throw new Error(`Two tags have the name ${twice.name}.`);
  return record;
}

export function TagFields({ tags, onChange }: { tags: Tag[]; onChange: (tags: Tag[]) => void }) {
  return (
    <ItemList
      label="Tags (optional)"
      hint="Such as site and leipzig. Lists are filtered by them, and the rules of the policy may depend on them."
      item="tag"
      add="Add a tag"
      max={32}
      items={tags}
      empty={{ name: "", value: "" }}
      onChange={onChange}
    >
      {(tag, i, set) => (
        <>
          <input
            aria-label={`Name of tag ${i + 1}`}
            value={tag.name}
            placeholder="name"
            pattern="[A-Za-z0-9._\-]+"
            title="Letters, digits, dots, underscores and hyphens"
            required={tag.value !== ""}
            maxLength={64}
            {...plain}
            onInput={({ currentTarget }) => set({ ...tag, name: currentTarget.value })}
          />
          <input
            aria-label={`Value of tag ${i + 1}`}
            value={tag.value}
            placeholder="value"
            maxLength={256}
            {...plain}
            onInput={({ currentTarget }) => set({ ...tag, value: currentTarget.value })}
          />
        </>
      )}
    </ItemList>
  );
}

const plain = { autocomplete: "off", autocapitalize: "none", spellcheck: false } as const;
