package passkey_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fieldgate/fieldgate/passkey"
)

// chain is a roster with all its versions, as devices get it.
type chain struct {
	Versions []passkey.Version `json:"versions"`
}

// latest returns the newest roster of a chain, or the error of the first version that is not a good next one.
func (c chain) latest() (roster passkey.Roster, err error) {
	for _, version := range c.Versions {
		if roster, err = roster.Next(version); err != nil {
			return roster, err
		}
	}
	return roster, nil
}

// TestRoster_IsJudgedAsByDevices walks the rosters with which clients test themselves. The gateway must
// keep no version that a device refuses, and refuse none that a device accepts. A device refuses more: a
// roster without versions, and one that contradicts what the device knows.
func TestRoster_IsJudgedAsByDevices(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../clients/go/testdata/receipts.json")
	require.NoError(t, err)
	var file struct {
		RosterVectors []struct {
			Name   string          `json:"name"`
			Roster json.RawMessage `json:"roster"`
			Known  int             `json:"known"`
			Why    string          `json:"why"`
		} `json:"rosterVectors"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	judged := 0
	for _, v := range file.RosterVectors {
		var c chain
		if err := json.Unmarshal(v.Roster, &c); err != nil || len(c.Versions) == 0 || v.Known > 0 && v.Why != "" {
			continue
		}
		judged++
		if _, err := c.latest(); v.Why == "" {
			require.NoError(t, err, v.Name)
		} else {
			require.Error(t, err, "%s: devices say %q", v.Name, v.Why)
		}
	}
	require.Greater(t, judged, 30)
}
