// The fields for the parameters of a command type that the page knows.
import type { TargetedEvent } from "preact";
import { Field } from "./forms.js";
import { ItemList } from "./ItemList.js";
import { type CommandType, type Property, problemOf, type Values } from "./schema.js";

interface Props {
  of: CommandType;
  values: Values;
  onInput: (values: Values) => void;
}

/** Shows a field for each parameter. The browser checks what the device would refuse. */
export function ParameterFields({ of, values, onInput }: Props) {
  const properties = Object.entries(of.properties ?? {});
  if (properties.length === 0) return <p class="fine">This command has no parameters.</p>;
  return (
    <>
      {properties.map(([name, property]) => {
        const value = values[name];
        const set = (changed: string | string[]) => onInput({ ...values, [name]: changed });
        const label = `${property.title ?? name}${of.required?.includes(name) ? "" : " (optional)"}`;
        if (property.type === "array")
          return (
            <ListField key={name} label={label} of={property} items={Array.isArray(value) ? value : []} onInput={set} />
          );
        return (
          <Field key={name} label={label} {...(property.description && { hint: property.description })}>
            {(ids) => (
              <Input
                {...ids}
                of={property}
                value={typeof value === "string" ? value : ""}
                required={of.required?.includes(name) === true}
                onInput={set}
              />
            )}
          </Field>
        );
      })}
    </>
  );
}

interface InputProps {
  id?: string;
  "aria-describedby"?: string | undefined;
  "aria-label"?: string;
  of: Property;
  value: string;
  required?: boolean;
  onInput: (text: string) => void;
}

function Input({ of, onInput, ...rest }: InputProps) {
  const example = of.examples?.[0];
  const common = {
    ...rest,
    title: of.description,
    placeholder: example === undefined ? undefined : `such as ${example}`,
    autocomplete: "off",
    onInput: ({ currentTarget: field }: TargetedEvent<HTMLInputElement>) => {
      field.setCustomValidity(problemOf(of, field.value));
      onInput(field.value);
    },
  };
  if (of.type === "integer") return <input {...common} type="number" min={of.minimum} max={of.maximum} />;
  return <input {...common} pattern={of.pattern} maxLength={of.maxLength} autocapitalize="none" spellcheck={false} />;
}

interface ListProps {
  label: string;
  of: Property;
  items: string[];
  onInput: (items: string[]) => void;
}

/** Shows a field for each item of a list. */
function ListField({ label, of, items, onInput }: ListProps) {
  const title = of.title ?? "";
  return (
    <ItemList
      label={label}
      hint={of.description}
      item={title}
      add={`Add to ${title.toLowerCase()}`}
      max={of.maxItems}
      items={items}
      empty=""
      onChange={onInput}
    >
      {(item, i, set) => (
        <Input aria-label={`${title} ${i + 1}`} of={of.items as Property} value={item} onInput={set} />
      )}
    </ItemList>
  );
}
