package customer

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/fieldgate/fieldgate/store"
)

var eraseCutOffNamesScript = Scripts.Script("lua/erase_cut_off_names.lua")

// EraseNames erases the name and the e-mail address of a user from the cut-offs of a tenant that the
// user has made, and returns the number of those that had one. The cut-offs stay, with the id of the
// user. A dry run only counts.
func (c *CutOffs) EraseNames(ctx context.Context, tenant, userID string, dryRun bool) (int, error) {
	actor, key := store.ActorUser(userID), store.Tenant(tenant).CutOffDetailsKey()
	var details map[string]string
	err := c.store.Do(ctx, "read_cut_off_names", func(ctx context.Context, client store.Client) (err error) {
		details, err = client.HGetAll(ctx, key).Result()
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("reading the cut-offs of a tenant: %w", err)
	}
	args := []any{actor}
	for subject, text := range details {
		var detail cutOffDetail
		if json.Unmarshal([]byte(text), &detail) == nil && detail.By == actor && detail.Name+detail.Email != "" {
			args = append(args, subject)
		}
	}
	if found := len(args) - 1; dryRun || found == 0 {
		return found, nil
	}
	reply, err := c.store.Run(ctx, eraseCutOffNamesScript, []string{key}, args...)
	if err != nil {
		return 0, fmt.Errorf("erasing names from cut-offs: %w", err)
	}
	return int(reply.Int(2)), nil
}
