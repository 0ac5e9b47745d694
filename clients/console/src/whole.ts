import type { Command } from "@fieldgate/client";
import { useEffect, useState } from "preact/hooks";
import { gateway, readError } from "./state.js";

/**
 * The complete commands that were read recently. Each key consists of the id, status and end
 * time of a command.
 */
const known = new Map<string, Promise<Command>>();
const maxKnown = 200;

/**
 * Returns the command with its parameters and its result, which lists omit, and if `stated` with its
 * statement. It returns `undefined` until the command has been read.
 */
export function useWhole(listed: Command, stated = false): Command | undefined {
  const omitted = listed.parametersOmitted || listed.resultOmitted || (stated && !listed.statement);
  const version = `${listed.id} ${listed.status} ${listed.finishedAt ?? ""}`;
  const [read, setRead] = useState<{ version: string; command: Command }>();
  useEffect(() => {
    if (!omitted) return;
    let shown = true;
    readOnce(version, listed).then(
      (command) => shown && setRead({ version, command }),
      (error) => {
        if (shown) readError.value = error;
      },
    );
    return () => {
      shown = false;
    };
  }, [version, omitted]);
  if (!omitted) return listed;
  if (read?.version !== version) return undefined;
  const { parameters, result, statement } = read.command;
  return { ...listed, parameters, result, statement };
}

/** Forgets the commands that were read, because another user or tenant follows. */
export function forgetWhole(): void {
  known.clear();
}

function readOnce(version: string, { id, sessionId }: Command): Promise<Command> {
  const found = known.get(version);
  if (found) return found;
  const path = { sessionId, commandId: id };
  const reading = gateway.get("/api/v1/customer/sessions/{sessionId}/commands/{commandId}", { params: { path } });
  known.set(version, reading);
  reading.catch(() => known.delete(version));
  const oldest = known.keys().next().value;
  if (known.size > maxKnown && oldest !== undefined) known.delete(oldest);
  return reading;
}
