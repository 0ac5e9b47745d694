package tenantpolicy

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/fieldgate/fieldgate/store"
)

// Adopt computes new MACs for the versions of a tenant's policy that have none of this key, unless the key is
// required. It returns the number of records.
func (p *Policies) Adopt(ctx context.Context, tenant string) (adopted int, err error) {
	t := store.Tenant(tenant)
	fields, err := p.read(ctx, tenant, "record", "pending")
	if err != nil {
		return 0, err
	}
	var versions map[string]string
	err = p.store.Do(ctx, "adopt_policies", func(ctx context.Context, c store.Client) (err error) {
		versions, err = c.HGetAll(ctx, t.PolicyVersionsKey()).Result()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("reading the versions of a policy: %w", err)
	}
	var present, before []any
	if present, err = p.adopt(present, tenant, stateCurrent, "record", fields.String(0)); err == nil {
		present, err = p.adopt(present, tenant, stateWaiting, "pending", fields.String(1))
	}
	for number, text := range versions {
		if err == nil {
			before, err = p.adopt(before, tenant, stateCurrent, number, text)
		}
	}
	if err != nil {
		return 0, err
	}
	adopted, err = p.store.ReplaceFields(ctx, t.PolicyKey(), present)
	if err != nil {
		return adopted, err
	}
	more, err := p.store.ReplaceFields(ctx, t.PolicyVersionsKey(), before)
	return adopted + more, err
}

// adopt appends to triples a field whose record needs a MAC of this key, with its text and the new one.
func (p *Policies) adopt(triples []any, tenant, state, field, text string) ([]any, error) {
	if text == "" {
		return triples, nil
	}
	var r record
	members := map[string]string{} // also those that record does not have
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return nil, fmt.Errorf("decoding a policy: %w", err)
	}
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		return nil, fmt.Errorf("decoding a policy: %w", err)
	}
	if !p.key.Adopts(r.MAC) {
		return triples, nil
	}
	members["mac"] = p.key.MAC(r.parts(tenant, state)...)
	encoded, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("encoding a policy: %w", err)
	}
	return append(triples, field, text, encoded), nil
}
