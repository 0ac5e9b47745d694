import { hashOf, parseRoute, route, setFilters } from "./route.js";
import { SavedItems } from "./SavedItems.js";

/** Offers the views of a list that the user has kept: its filters and its order. */
export function SavedViews({ of }: { of: "devices" | "sessions" | "commands" }) {
  const { query } = route.value;
  const use = (view: string) => {
    const none = Object.fromEntries(Object.keys(query).map((name) => [name, undefined]));
    setFilters({ ...none, ...parseRoute(view).query });
  };
  return (
    <SavedItems
      kind={of}
      what="view"
      label="Views"
      current={Object.keys(query).length > 0 ? () => hashOf([of], query) : undefined}
      onUse={use}
    />
  );
}
