// Asks before a link with tokens signs in. Otherwise an attacker could send a link to an account
// of the attacker, and the reader would work under the attacker's name. The question also keeps
// programs that open the links of mails from using them up.
import { createClient } from "@fieldgate/client";
import type { EmailOtpType } from "@supabase/auth-js";
import { useEffect, useState } from "preact/hooks";
import { Problem, UserText, useAction } from "../ui.js";
import { type Link, wantsPassword } from "./link.js";
import { createTemporaryClient, dataOf, SignInError } from "./project.js";
import { auth, passwordWanted, signInWithToken, supabaseProject, unconfirmedLink } from "./tokens.js";

/** An account to which a link leads. */
interface Account {
  name: string;
  access: string;
  refresh?: string;
}

export function LinkConfirmation() {
  const link = unconfirmedLink.value;
  const [account, setAccount] = useState<Account>();
  const open = useAction(async () => link && setAccount(await accountOf(link)));
  const accept = useAction(async () => {
    if (account && link) await signInAs(account, link.type);
  });
  useEffect(() => {
    if (link?.kind === "tokens") void open.run();
  }, [link]);
  const ask = account ? (
    <>
      <p>
        This link signs you in as <UserText>{account.name}</UserText>.
      </p>
      <button type="button" class="primary" disabled={accept.busy} onClick={() => void accept.run()}>
        Continue as <UserText>{account.name}</UserText>
      </button>
    </>
  ) : (
    <button type="button" class="primary" disabled={open.busy} onClick={() => void open.run()}>
      Open the link
    </button>
  );
  return (
    <div class="other-ways">
      {ask}
      <button type="button" onClick={refuse}>
        Do not use this link
      </button>
      <Problem error={open.error ?? accept.error} />
    </div>
  );
}

function refuse(): void {
  unconfirmedLink.value = undefined;
}

type UnconfirmedLink = Extract<Link, { kind: "hash" | "tokens" }>;

/** Returns the account of a link, according to the server that verified its token. */
async function accountOf(link: UnconfirmedLink): Promise<Account> {
  if (link.kind === "hash") return redeem(link.hash, link.type);
  if (!link.refresh) return handedOver(link.access);
  const { user } = dataOf(await createTemporaryClient(project()).getUser(link.access));
  return { name: user.email ?? user.id, access: link.access, refresh: link.refresh };
}

/** Exchanges the hash of a mail's token, which is valid once. */
async function redeem(hash: string, type: string): Promise<Account> {
  const request = { token_hash: hash, type: type as EmailOtpType };
  const { session, user } = dataOf(await createTemporaryClient(project()).verifyOtp(request));
  if (!session) throw new SignInError("This link does not sign in.", true);
  return { name: user?.email ?? session.user.id, access: session.access_token, refresh: session.refresh_token };
}

/** Returns the account of a token that another application has handed over. */
async function handedOver(access: string): Promise<Account> {
  const me = await createClient({ baseUrl: location.origin, token: () => access }).get("/api/v1/customer/me");
  return { name: `${me.email ?? me.name ?? me.userId} (${me.tenant.replace(/^[cu]\./, "")})`, access };
}

async function signInAs(account: Account, type: string): Promise<void> {
  if (account.refresh)
    dataOf(await auth().setSession({ access_token: account.access, refresh_token: account.refresh }));
  else signInWithToken(account.access);
  passwordWanted.value = account.refresh !== undefined && wantsPassword(type);
  unconfirmedLink.value = undefined;
}

function project() {
  const found = supabaseProject();
  if (!found) throw new SignInError("This gateway has no Supabase project to sign in with.", true);
  return found;
}
