// The roster of the tenant: the version that applies, and the next one.
import type { RoomEvent, Schemas } from "@fieldgate/client";
import { useEffect, useRef, useState } from "preact/hooks";
import { CopyButton } from "./forms.js";
import { RosterEditor } from "./RosterEditor.js";
import { useReading } from "./reading.js";
import {
  type Approver,
  type Key,
  parseRoster,
  type Roster,
  shortId,
  signerOf,
  textOf,
  thumbprintOf,
} from "./roster.js";
import { hasRole, user } from "./signin/user.js";
import { type Passkey, readPasskeys, relyingParty } from "./signing.js";
import { gateway, listen, rereads } from "./state.js";
import { Fact, Loading, Problem, UserText } from "./ui.js";

type Chain = Schemas["RosterChain"];
type Me = Schemas["Me"];

/** The page of the roster. Approvers sign its next version, and an admin publishes it. */
export function RosterPage() {
  const isShown = hasRole("approver") && relyingParty.value !== undefined;
  const { read, setRead, error, run } = useRoster(isShown);
  if (!hasRole("approver")) return <p class="empty">To see the roster, you need the role approver.</p>;
  if (!isShown) return <p class="empty">This browser or this gateway has no passkeys.</p>;
  return (
    <>
      <div class="head">
        <h1>Roster</h1>
        <button type="button" onClick={() => void run()}>
          Read again
        </button>
      </div>
      <p class="fine">The approvers whose passkeys devices accept. Approvers of each version sign the next one.</p>
      <Problem error={error} />
      {read ? (
        <Versions {...read} onPublished={(chain) => setRead({ ...read, chain })} />
      ) : (
        <Loading what="the roster" />
      )}
    </>
  );
}

interface Read {
  chain: Chain;
  me: Me;
  keys: Passkey[];
}

/** Reads the roster, the user and the passkeys. After an event, it reads only what has changed. */
function useRoster(isShown: boolean) {
  const [read, setRead] = useState<Read>();
  const { error, run } = useReading(async () => {
    const [chain, me, keys] = await Promise.all([
      gateway.get("/api/v1/customer/roster"),
      gateway.get("/api/v1/customer/me"),
      readPasskeys(),
    ]);
    setRead({ chain, me, keys });
  });
  const chain = useReading(async () => {
    const found = await gateway.get("/api/v1/customer/roster");
    setRead((before) => before && { ...before, chain: found });
  });
  const keys = useReading(async () => {
    const found = await readPasskeys();
    setRead((before) => before && { ...before, keys: found });
  });
  const shown = useRef<Read>(undefined);
  shown.current = read;
  const follow = (event: RoomEvent) => {
    const versions = shown.current?.chain.versions.length ?? 0;
    if (event.type === "roster.changed" && event.data.version > versions) void chain.run();
    if (event.type.startsWith("passkey.") && event.actor?.id === user.value?.id) void keys.run();
  };
  useEffect(() => {
    if (isShown) void run();
  }, [isShown, rereads.value]);
  useEffect(() => (isShown ? listen(follow) : undefined), [isShown]);
  return { read, setRead, error: error ?? chain.error ?? keys.error, run };
}

function Versions(props: { chain: Chain; me: Me; keys: Passkey[]; onPublished: (chain: Chain) => void }) {
  const { chain, me } = props;
  const rosters = chain.versions.map((version) => parseRoster(textOf(version)));
  const current = rosters.at(-1);
  const own: Approver = { keys: props.keys.map(({ publicKey }) => publicKey), user: me.userId };
  return (
    <>
      {current ? (
        <Current chain={chain} roster={current} before={rosters.at(-2) ?? current} />
      ) : (
        <p class="empty">The tenant has no roster yet.</p>
      )}
      <OwnEntry own={own} />
      <RosterEditor current={current} tenant={me.tenant} own={own} onPublished={props.onPublished} />
    </>
  );
}

/** The version that applies. Approvers of the version before have signed it. */
function Current({ chain, roster, before }: { chain: Chain; roster: Roster; before: Roster }) {
  const signatures = chain.versions.at(-1)?.signatures ?? [];
  const signers = new Set(signatures.map(({ credentialId }) => signerOf(before, credentialId) ?? credentialId));
  return (
    <section class="card" aria-labelledby="current">
      <h2 id="current">Version {roster.version}</h2>
      <dl class="facts">
        <Fact name="Signed by">
          <UserText>{[...signers].join(", ")}</UserText>
        </Fact>
        <Fact name="Must sign the next version">
          {roster.threshold} of {roster.approvers.length} approvers
        </Fact>
        <Fact name="Relying party">
          <UserText>{roster.relyingParty}</UserText>
        </Fact>
        <Fact name="Origins">
          <UserText>{roster.origins.join(", ")}</UserText>
        </Fact>
      </dl>
      <h3>Approvers</h3>
      <ul class="items">
        {roster.approvers.map((approver) => (
          <li key={approver.user}>
            <Entry of={approver} />
          </li>
        ))}
      </ul>
      <div class="actions">
        <CopyButton text={JSON.stringify(chain)} label="Copy all versions for devices" />
      </div>
    </section>
  );
}

/** Shows an approver with the keys. */
function Entry({ of }: { of: Approver }) {
  return (
    <div>
      <strong>
        <UserText>{of.user}</UserText>
      </strong>
      {of.email && (
        <>
          {" "}
          <UserText>{of.email}</UserText>
        </>
      )}
      {of.keys.map((key) => (
        <KeyLine key={key.kid} of={key} />
      ))}
    </div>
  );
}

/** Shows a key by its id, and by the thumbprint that no other key has. */
function KeyLine({ of }: { of: Key }) {
  const [thumbprint, setThumbprint] = useState("");
  useEffect(() => void thumbprintOf(of).then(setThumbprint), []);
  return (
    <p class="fine">
      passkey <code title={of.kid}>{shortId(of)}</code>, thumbprint <code>{thumbprint}</code>
    </p>
  );
}

/** The entry of the user, which the user sends to the approver who prepares the next version. */
function OwnEntry({ own }: { own: Approver }) {
  return (
    <section class="card" aria-labelledby="own">
      <h2 id="own">Your entry</h2>
      {own.keys.length === 0 ? (
        <p>
          You have no passkey. <a href="#/account">Add one on the page Account</a> first.
        </p>
      ) : (
        <>
          <p class="fine">
            Send it to the approver who prepares the next version. Compare the thumbprints in another way than through
            this gateway.
          </p>
          <Entry of={own} />
          <div class="actions">
            <CopyButton text={JSON.stringify(own)} label="Copy my entry" />
          </div>
        </>
      )}
    </section>
  );
}
