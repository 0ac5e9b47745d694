import type { Command } from "@fieldgate/client";
import { useEffect, useState } from "preact/hooks";
import { gateway, setReadError } from "./state.js";

/**
 * The complete commands that were read recently. Each key consists of the id, status and end
 * time of a command.
 */
const known = new Map<string, Promise<Command>>();
const maxKnown = 200;

/** Which commands are read, and when. */
interface Options {
  /** Whether the statement is needed too. */
  stated?: boolean;
  /** Whether the command is near the visible part of the page. Others are not read yet. */
  isNear?: boolean;
}

/**
 * Returns the command with its parameters and its result, which lists omit, and if `stated` with its
 * statement. It returns `undefined` until the command has been read.
 */
export function useWhole(listed: Command, { stated = false, isNear }: Options = {}): Command | undefined {
  const omitted = listed.parametersOmitted || listed.resultOmitted || (stated && !listed.statement);
  const version = `${listed.id} ${listed.status} ${listed.finishedAt ?? ""}`;
  const [read, setRead] = useState<{ version: string; command: Command }>();
  const isDue = omitted && isNear !== false && read?.version !== version;
  useEffect(() => {
    if (!isDue) return;
    let shown = true;
    const start = () =>
      readOnce(version, listed).then(
        (command) => {
          setReadError(version, undefined);
          if (shown) setRead({ version, command });
        },
        (error) => {
          if (shown) setReadError(version, error);
        },
      );
    const inTurn = isNear && !known.has(version);
    if (inTurn) turns.add(start);
    void (inTurn ? takeTurns() : start());
    return () => {
      shown = false;
      turns.delete(start);
    };
  }, [version, isDue]);
  if (!omitted) return listed;
  if (read?.version !== version) return undefined;
  const { parameters, result, statement } = read.command;
  return { ...listed, parameters, result, statement };
}

/** The reads of commands that are near. */
const turns = new Set<() => Promise<void>>();
let isTaken = false;

/**
 * Reads the commands that are near, one after another. A long result moves those below it out of view, so
 * that they need not be read.
 */
async function takeTurns(): Promise<void> {
  if (isTaken) return;
  isTaken = true;
  for (const start of turns) {
    turns.delete(start);
    await start();
    await twoFrames();
  }
  isTaken = false;
}

/** Waits until the browser has drawn what was read, and has noticed what is near now. */
function twoFrames(): Promise<void> {
  if (document.hidden) return Promise.resolve(); // the browser draws nothing
  return new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve())));
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
