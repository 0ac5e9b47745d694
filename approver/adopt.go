package approver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/fieldgate/fieldgate/store"
)

// Adopt computes new MACs for the passkeys of a tenant that have none of this key, unless the key is required. It
// returns their number.
func (p *Passkeys) Adopt(ctx context.Context, tenant string) (adopted int, err error) {
	key := store.Tenant(tenant).PasskeysKey()
	var fields map[string]string
	err = p.store.Do(ctx, "adopt_passkeys", func(ctx context.Context, c store.Client) (err error) {
		fields, err = c.HGetAll(ctx, key).Result()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("reading passkeys: %w", err)
	}
	var triples []any
	for id, text := range fields {
		var r record
		if json.Unmarshal([]byte(text), &r) != nil || r.Key.ID != id || !p.key.Adopts(r.MAC) {
			continue // a list of ids, a time of use, or a record that needs nothing
		}
		r.MAC = p.key.MAC(r.parts(tenant)...)
		encoded, failed := json.Marshal(r)
		triples, err = append(triples, id, text, encoded), errors.Join(err, failed)
	}
	if err != nil {
		return 0, fmt.Errorf("encoding passkeys: %w", err)
	}
	return p.store.ReplaceFields(ctx, key, triples)
}

// Adopt computes new MACs for the versions of a tenant's roster that have none of this key, unless the key is
// required. It returns the number of all versions if there were such.
func (r *Rosters) Adopt(ctx context.Context, tenant string) (adopted int, err error) {
	texts, err := r.read(ctx, tenant)
	if err != nil {
		return 0, err
	}
	var pairs []any
	found := false
	for i, text := range texts {
		var v storedVersion
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return 0, fmt.Errorf("decoding a version of a roster: %w", err)
		}
		replacement := []byte(text)
		if r.key.Adopts(v.MAC) {
			found, v.MAC = true, r.key.MAC(tenant, strconv.Itoa(i+1), v.Document)
			if replacement, err = json.Marshal(v); err != nil {
				return 0, fmt.Errorf("encoding a version of a roster: %w", err)
			}
		}
		pairs = append(pairs, text, replacement)
	}
	if !found {
		return 0, nil
	}
	return r.store.ReplaceList(ctx, store.Tenant(tenant).RosterKey(), pairs)
}
