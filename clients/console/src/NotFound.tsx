// The pages of links that lead nowhere.
import { FieldgateError } from "@fieldgate/client";
import { Problem } from "./ui.js";

/** The page of an address that this console does not have. */
export function NotFound() {
  return (
    <>
      <h1>This page does not exist</h1>
      <p>
        The console has no page at <code>{location.hash}</code>. <a href="#/inbox">Go to the inbox</a>
      </p>
    </>
  );
}

/** Explains why the target of a link cannot be shown. `what` is its name, such as "session". */
export function Missing({ what, error }: { what: string; error: unknown }) {
  const isMissing = error instanceof FieldgateError && error.status === 404;
  return (
    <>
      <h1>{isMissing ? `This ${what} does not exist` : `This ${what} cannot be shown`}</h1>
      {isMissing && <p>Your tenant has no {what} with this id. The link may be cut, or lead to another tenant.</p>}
      <Problem error={error} />
      <p>
        <a href={`#/${what}s`}>Show all {what}s</a>
      </p>
    </>
  );
}
