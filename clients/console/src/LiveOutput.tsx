import type { Command, Schemas } from "@fieldgate/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { OutputView } from "./OutputView.js";
import { gateway, progressed, setReadError } from "./state.js";
import { UserText } from "./ui.js";

/** The maximum length of the shown output. The gateway keeps no more. */
const maxLength = 256 * 1024;
/** The interval of reads, for a page without a socket and for missed events. */
const readMs = 3_000;

type Report = Omit<Schemas["CommandOutput"], "output"> & { output: string; cut: boolean };

/** Shows how far a running command is and what it prints, or has printed before its lease ended. */
export function LiveOutput({ command }: { command: Command }) {
  const report = useReport(command);
  if (!report || (report.seq === undefined && !report.output)) return null;
  return (
    <div class="result live">
      <h4>{report.complete ? "Progress until the device was lost" : "Progress"}</h4>
      {report.percent !== undefined && (
        <p>
          <progress max={100} value={report.percent} aria-label={`Progress of ${command.type}`} />{" "}
          {Math.floor(report.percent)} %
        </p>
      )}
      {report.message && (
        <p>
          <UserText>{report.message}</UserText>
        </p>
      )}
      {(report.missed ?? 0) > 0 && (
        <p class="fine">Some reports of the device did not arrive: {report.missed}. Output may be missing.</p>
      )}
      {report.cut && <p class="fine">Earlier output is no longer kept.</p>}
      {report.output && (
        <OutputView
          text={report.output}
          label={`Output of ${command.type} so far, command …${command.id.slice(-6)}`}
          file={`${command.id}.txt`}
          live
        />
      )}
    </div>
  );
}

/** Reads the newest report of a command, on each event and at an interval, until the command has ended. */
function useReport({ id, sessionId, status, attempt }: Command): Report | undefined {
  const [report, setReport] = useState<Report>();
  const shown = useRef<Report | undefined>(undefined);
  const event = progressed.value.get(id);
  const again = useRef(() => {});
  useEffect(() => {
    let [mounted, reading, missed] = [true, false, false];
    const read = async () => {
      missed = reading;
      if (reading || !mounted) return;
      reading = true;
      const before = shown.current;
      const params = { path: { sessionId, commandId: id }, query: { since: before?.nextSince ?? 0 } };
      try {
        const found = await gateway.get("/api/v1/customer/sessions/{sessionId}/commands/{commandId}/output", {
          params,
        });
        setReadError(id, undefined);
        shown.current = follow(before, found);
        if (mounted) setReport(shown.current);
        if (found.complete) clearInterval(timer);
      } catch (error) {
        if (mounted) setReadError(id, error);
      }
      reading = false;
      if (missed) void read();
    };
    const timer = setInterval(read, readMs);
    again.current = read;
    void read();
    return () => {
      mounted = false;
      clearInterval(timer);
    };
  }, [id, sessionId, status, attempt]);
  useEffect(() => again.current(), [event]);
  return report;
}

/** Appends what was read to the output that is shown. Output that does not follow it replaces it. */
function follow(before: Report | undefined, found: Schemas["CommandOutput"]): Report {
  const continues = before !== undefined && found.from === before.nextSince;
  const output = (continues ? before.output : "") + found.output;
  const cut = (continues ? before.cut : found.from > 0) || output.length > maxLength;
  return { ...found, output: output.slice(-maxLength), cut };
}
