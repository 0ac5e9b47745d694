package gateway

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/fieldgate/fieldgate/api"
	"github.com/fieldgate/fieldgate/passkey"
)

// relyingPartyOf returns for whom the passkeys of approvers sign.
func relyingPartyOf(cfg Config) passkey.RelyingParty {
	party := passkey.RelyingParty{ID: cfg.PasskeyRelyingParty, Origins: cfg.PasskeyOrigins}
	if party.ID == "" && cfg.Development {
		party.ID = "localhost"
	}
	party.LocalPorts = cfg.Development && party.ID == "localhost"
	if len(party.Origins) == 0 {
		party.Origins = []string{"https://" + party.ID}
	}
	return party
}

// checkPasskeys returns an error for settings with which no browser would let a passkey sign.
func (c Config) checkPasskeys() error {
	switch party := c.PasskeyRelyingParty; {
	case party == "" && len(c.PasskeyOrigins) > 0 && !c.Development:
		return errors.New("FIELDGATE_PASSKEY_ORIGINS is set without FIELDGATE_PASSKEY_RELYING_PARTY: set both")
	case party != "" && (strings.ContainsAny(party, ":/ ") || strings.ToLower(party) != party):
		return errors.New("FIELDGATE_PASSKEY_RELYING_PARTY is not a domain: write one such as example.com, in lower case and without scheme and port")
	}
	if err := api.CheckOrigins(c.PasskeyOrigins); err != nil {
		return fmt.Errorf("reading FIELDGATE_PASSKEY_ORIGINS: %w", err)
	}
	party := relyingPartyOf(c).ID
	for _, origin := range c.PasskeyOrigins {
		if !signsFor(origin, party) {
			return fmt.Errorf("FIELDGATE_PASSKEY_ORIGINS has %s, where no browser signs for %s: name pages over https of this domain or one below it", origin, party)
		}
	}
	return nil
}

// signsFor reports whether browsers let a page of an origin use passkeys of a relying party: over TLS or on
// localhost, and at its domain or one below.
func signsFor(origin, party string) bool {
	parsed, err := url.Parse(origin)
	if err != nil {
		return false
	}
	host := parsed.Hostname()
	return (host == party || strings.HasSuffix(host, "."+party)) && (parsed.Scheme == "https" || host == "localhost")
}
