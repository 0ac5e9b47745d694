import { Field } from "../forms.js";

/** The field of a one-time code. The pattern is a regular expression for the whole code. */
export function CodeField({ pattern, ...field }: { label: string; hint?: string; pattern: string }) {
  return (
    <Field {...field}>
      {(ids) => (
        <input
          {...ids}
          name="code"
          inputMode="numeric"
          pattern={`\\s*${pattern}\\s*`}
          autocomplete="one-time-code"
          required
          autofocus
        />
      )}
    </Field>
  );
}
