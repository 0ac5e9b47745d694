/**
 * Gives the bearer token, such as the access token of the user's login. It is asked before
 * each request, so it should keep the token until that is about to expire.
 *
 * @param refused a token that the gateway has refused, or that is about to expire: give
 * another one if there is one. An error ends the request and is thrown to its caller.
 */
export type TokenProvider = (refused?: string) => string | Promise<string>;

/** Lets many requests that were refused with the same token share one renewal. */
export function sharingRenewals(provider: TokenProvider): (refused?: string) => Promise<string> {
  const renewals = new Map<string, Promise<string>>();
  return async (refused) => {
    if (refused === undefined) return provider();
    const underWay = renewals.get(refused);
    if (underWay) return underWay;
    const renewal = Promise.resolve(provider(refused)).finally(() => renewals.delete(refused));
    renewals.set(refused, renewal);
    return renewal;
  };
}
