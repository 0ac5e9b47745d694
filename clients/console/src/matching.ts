// The search in what the page has loaded.

/** Reports whether one of the fields contains a text, in capital or small letters. An empty text is in all of them. */
export function contains(fields: (string | undefined)[], text: string): boolean {
  const wanted = text.trim().toLowerCase();
  return fields.some((field) => field?.toLowerCase().includes(wanted));
}
