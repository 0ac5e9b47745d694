// The page about the gateway itself: its state, what the tenant uses, its connections and its cut-offs.
import type { Schemas } from "@fieldgate/client";
import { useEffect, useId, useState } from "preact/hooks";
import { Connections } from "./Connections.js";
import { CutOffs } from "./CutOffs.js";
import { spanOf } from "./duration.js";
import { useReading } from "./reading.js";
import { hasRole } from "./signin/user.js";
import { gateway, rereads } from "./state.js";
import { Fact, Loading, Problem, UserText } from "./ui.js";

type Info = Schemas["SystemInfo"];
type Usage = Schemas["Usage"];

export function SystemPage() {
  const [read, setRead] = useState<{ info: Info; usage: Usage }>();
  const [round, setRound] = useState(0);
  const { error, run } = useReading(async () => {
    const [info, usage] = await Promise.all([
      gateway.get("/api/v1/customer/system/info"),
      gateway.get("/api/v1/customer/usage"),
    ]);
    setRead({ info, usage });
  });
  const due = `${round} ${rereads.value}`;
  useEffect(() => void run(), [due]);
  return (
    <>
      <div class="head">
        <h1>System</h1>
        <button type="button" onClick={() => setRound(round + 1)}>
          Read again
        </button>
      </div>
      <Problem error={error} />
      {read ? (
        <>
          <Instance of={read.info} />
          <Quotas of={read.usage} />
        </>
      ) : (
        !error && <Loading what="the state of the gateway" />
      )}
      <Connections due={due} />
      {hasRole("admin") && <CutOffs due={due} />}
    </>
  );
}

/** Shows the instance that has responded. Behind a load balancer, another one may respond next. */
function Instance({ of }: { of: Info }) {
  const { redis, supabase } = of.services;
  return (
    <section class="card" aria-labelledby="instance">
      <h2 id="instance">The instance that responded</h2>
      <dl class="facts">
        <Fact name="Version">
          <UserText>{of.version}</UserText>
        </Fact>
        <Fact name="Installation">
          <UserText>{of.environment}</UserText>
        </Fact>
        <Fact name="Running for">{spanOf(of.uptimeSeconds * 1_000)}</Fact>
        <Fact name="Built from">
          <code title={of.build.time}>{of.build.commit.slice(0, 12)}</code>, {of.build.go}
        </Fact>
        <Fact name="Redis">
          <Service of={redis} />
        </Fact>
        <Fact name="Token issuer">
          <Service of={supabase} />
        </Fact>
        <Fact name="Sockets of this instance">
          {of.connections.devices} of devices, {of.connections.customers} of users
        </Fact>
      </dl>
    </section>
  );
}

function Service({ of }: { of: Schemas["ServiceStatus"] }) {
  const more = [
    of.mode,
    of.version !== of.mode && of.version,
    of.latencyMs !== undefined && `${of.latencyMs.toFixed(1)} ms`,
  ].filter(Boolean);
  return (
    <>
      <span class={`badge ${of.ok ? "online" : "failed"}`}>{of.ok ? "works" : "fails"}</span>{" "}
      <UserText>{[of.error, ...more].filter(Boolean).join(", ")}</UserText>
    </>
  );
}

const quotaNames: Record<string, string> = {
  devices: "Devices",
  openSessions: "Active sessions",
  readyCommands: "Queued commands",
  pendingApprovals: "Commands pending approval",
  storedBytes: "Stored records",
  sockets: "Open sockets",
  waitingClaims: "Claims that wait, on this instance",
};

function Quotas({ of }: { of: Usage }) {
  const limits: Record<string, number | undefined> = { ...of.limits };
  return (
    <section class="card" aria-labelledby="usage">
      <h2 id="usage">Usage of this tenant</h2>
      <dl class="facts usage">
        {Object.entries(of.used).map(([name, used]) => (
          <Quota key={name} name={name} used={used} limit={limits[name]} />
        ))}
      </dl>
    </section>
  );
}

function Quota({ name, used, limit }: { name: string; used: number; limit: number | undefined }) {
  const id = useId();
  const amount = (of: number) =>
    name === "storedBytes"
      ? `${(of / (1 << 20)).toLocaleString(undefined, { maximumFractionDigits: 1 })} MiB`
      : Math.round(of).toLocaleString();
  return (
    <div>
      <dt id={id}>{quotaNames[name] ?? name}</dt>
      <dd>
        {amount(used)} {limit === undefined ? "(no limit)" : `of ${amount(limit)}`}
        {limit !== undefined && <meter aria-labelledby={id} max={limit} high={limit * 0.9} optimum={0} value={used} />}
      </dd>
    </div>
  );
}
