package store

import (
	"context"
	"fmt"
)

var (
	replaceFieldsScript = ownScripts.Script("lua/replace_fields.lua")
	replaceListScript   = ownScripts.Script("lua/replace_list.lua")
)

// ReplaceFields replaces values of the hash with a key, and returns their number. The triples are for each field
// its name, the value that was read and the new one. A value that has changed meanwhile stays.
func (s *Store) ReplaceFields(ctx context.Context, key string, triples []any) (replaced int, err error) {
	return s.replace(ctx, replaceFieldsScript, key, triples)
}

// ReplaceList replaces the first elements of the list with a key, and returns their number. The pairs are for
// each element the one that was read and the new one. If one has changed meanwhile, all stay.
func (s *Store) ReplaceList(ctx context.Context, key string, pairs []any) (replaced int, err error) {
	return s.replace(ctx, replaceListScript, key, pairs)
}

func (s *Store) replace(ctx context.Context, script *Script, key string, values []any) (replaced int, err error) {
	if len(values) == 0 {
		return 0, nil
	}
	reply, err := s.Run(ctx, script, []string{key}, values...)
	if err != nil {
		return 0, fmt.Errorf("replacing values: %w", err)
	}
	return int(reply.Int(2)), nil
}
