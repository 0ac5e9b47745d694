package admin

import (
	"context"
	"strconv"

	"github.com/fieldgate/fieldgate/store"
)

// schemaCommand has the commands on the schema of the data.
type schemaCommand struct {
	Raise raiseSchemaCommand `cmd:"" help:"Record that every instance has this version. Instances of earlier versions refuse the store from then on."`
}

// raiseSchemaCommand raises the schema of the store to that of this version.
type raiseSchemaCommand struct {
	storeFlags

	DryRun bool `help:"Print what would change, and change nothing."`
}

// schemaRecord describes the schema of a store.
type schemaRecord struct {
	Before string `json:"before"`
	Schema string `json:"schema"`
	Result string `json:"result"`
}

// Run raises the schema.
func (c *raiseSchemaCommand) Run(ctx context.Context) error {
	open, result := c.change, "raised"
	if c.DryRun {
		open, result = c.read, "would be raised"
	}
	return open(ctx, func(s *store.Store) error {
		facts, err := s.Inspect(ctx)
		if err != nil {
			return err
		}
		r := schemaRecord{Before: facts.Schema, Schema: strconv.Itoa(store.Schema), Result: result}
		switch {
		case facts.Reader >= store.Schema:
			r.Schema, r.Result = facts.Schema, "the store has this schema"
		case !c.DryRun:
			if err := s.RaiseSchema(ctx); err != nil {
				return err
			}
		}
		return c.print(r, fields{{"schema before", r.Before}, {"schema", r.Schema}, {"result", r.Result}})
	})
}
