package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// metaKey is the key of the hash with the values that must never change while the data
// exists: the number of partitions, the hash key and the id of the store. It also holds the
// schema of the data and the least schema that a program must know to read it.
const metaKey = "fg:meta"

// canaryKey is the key of the hash that canary.lua writes.
const canaryKey = "fg:canary"

// Schema is the newest version of the format of the data that this program reads. It is raised by a
// change that instances of earlier versions would misread. In schema 2, states of commands and events
// are packed. In schema 3, commands have statements. A store gets a later schema when no instance of an earlier version uses it any more.
const Schema = 3

// firstSchema is the schema of a store that was written before stores recorded one.
const firstSchema = 1

// statementSchema is the first schema in which commands have statements.
const statementSchema = 3

// fieldCanary is the field of metaKey which records when the canary was first written.
const fieldCanary = "canary"

var (
	canaryScript      = ownScripts.Script("lua/canary.lua")
	raiseSchemaScript = ownScripts.Script("lua/raise_schema.lua")
)

// errCanaryLost is returned when the store has kept its meta key and lost the canary.
var errCanaryLost = errors.New("the store has lost what scripts wrote: its key fg:canary is gone or was written anew. " +
	"An ACL file with 'user default off' does this, because Redis replays its append-only file as that user: " +
	"write 'user default off +@all ~* &*' instead, and restore the data from a backup. " +
	"To accept the loss, run HDEL fg:meta canary")

// errProduction is returned to an instance in development mode, which issues tokens of every
// tenant to anyone on the machine.
var errProduction = errors.New("the store was written by `fieldgate serve`: `fieldgate dev` uses only stores that it has created itself")

// These are the kinds of stores, by the command that has created them. A store of an earlier
// version has no kind and counts as production.
const (
	kindProduction  = "production"
	kindDevelopment = "development"
)

// meta is the content of metaKey.
type meta map[string]string

// checkMeta writes the values of metaKey if they are missing. It returns an error if this
// instance must not use the store. When several instances start at once, all of them use the
// values that were written first.
func (s *Store) checkMeta(ctx context.Context, sets []*Scripts) error {
	found, err := s.readMeta(ctx)
	if err != nil {
		return err
	}
	if err := s.checkFound(ctx, found); err != nil {
		return err
	}
	if s.readOnly {
		return s.setHashKey(found)
	}
	stored, err := s.initMeta(ctx, found)
	if err != nil {
		return err
	}
	if err := s.setHashKey(stored); err != nil {
		return err
	}
	s.statements = stored.leastReader() >= statementSchema
	s.packs = !s.Embedded() && stored.leastReader() > firstSchema
	if len(found) == 0 && !s.Embedded() {
		s.log.Warn("created a new store: it holds no devices and no commands", "storeId", stored["store_id"])
	}
	s.loadScripts(ctx, sets) // not into a store that is refused
	return s.writeCanary(ctx, found)
}

func (s *Store) setHashKey(stored meta) (err error) {
	if s.hashKey, err = hex.DecodeString(stored["hash_key"]); err != nil || len(s.hashKey) != hashKeySize {
		return errors.New("the hash key of the store cannot be read: fg:meta was changed by hand")
	}
	return nil
}

func (s *Store) readMeta(ctx context.Context) (meta, error) {
	stored, err := s.client.HGetAll(ctx, metaKey).Result()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", metaKey, err)
	}
	return stored, nil
}

// checkFound returns an error if this instance must not use the store.
func (s *Store) checkFound(ctx context.Context, found meta) error {
	if err := found.check(s.id); err != nil {
		return err
	}
	if s.existing && len(found) == 0 {
		return errors.New("the store is empty: no gateway has used it yet")
	}
	if s.development && len(found) > 0 && found["kind"] != kindDevelopment {
		return errProduction
	}
	return s.checkCanary(ctx, found)
}

// checkCanary returns errCanaryLost if the canary is not the one that found has recorded.
func (s *Store) checkCanary(ctx context.Context, found meta) error {
	if found[fieldCanary] == "" {
		return nil
	}
	born, err := s.client.HGet(ctx, canaryKey, "born").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("reading %s: %w", canaryKey, err)
	}
	if born != found[fieldCanary] {
		return errCanaryLost
	}
	return nil
}

// check returns an error if the id of the store differs from wanted, or if this program
// cannot read its data. If wanted is empty, the store may have any id.
func (m meta) check(wanted string) error {
	switch id := m["store_id"]; {
	case wanted != "" && len(m) == 0:
		return fmt.Errorf("the store is empty, and FIELDGATE_STORE_ID requires the store %s: "+
			"check the address and the last restore, or remove the setting to create a new store", wanted)
	case wanted != "" && id != "" && id != wanted:
		return fmt.Errorf("the store is %s, and FIELDGATE_STORE_ID requires the store %s", id, wanted)
	}
	if n, ok := m["partitions"]; ok && n != strconv.Itoa(Partitions) {
		return fmt.Errorf("the store was written with %s partitions and this program uses %d: it would not find the data", n, Partitions)
	}
	return m.checkSchema()
}

// checkSchema returns an error if only programs of a later version can read the data.
func (m meta) checkSchema() error {
	if m.leastReader() > Schema {
		return fmt.Errorf("the store has data of schema %s, and this program reads schema %d: use a later version of the gateway", m["schema"], Schema)
	}
	return nil
}

// leastReader returns the least schema that a program must know to read the data. It is zero for a
// store that has recorded none.
func (m meta) leastReader() int {
	reader, _ := strconv.Atoi(m["reader"])
	return reader
}

// PacksStates reports whether the states of new commands, and events, are packed: every program that may use the
// store reads them, and the server has MessagePack, which the embedded one lacks.
func (s *Store) PacksStates() bool { return s.packs }

// KeepsStatements reports whether new commands have statements: every program that may use the store
// reads them.
func (s *Store) KeepsStatements() bool { return s.statements }

// RaiseSchema records that every program which uses the store reads the schema of this one. Programs
// of earlier versions refuse the store from then on. Instances write the formats of the schema after
// their next start. RaiseSchema lowers nothing: data of a later schema keeps it.
func (s *Store) RaiseSchema(ctx context.Context) error {
	if _, err := s.Run(ctx, raiseSchemaScript, []string{metaKey}, Schema); err != nil {
		return fmt.Errorf("writing the schema of %s: %w", metaKey, err)
	}
	return nil
}

// hashKeySize is the size of the hash key, in bytes.
const hashKeySize = 32

// initMeta writes the fields of metaKey that are missing and returns all fields. It writes no
// others: Redis refuses the write if the store is full, and an instance must be able to start then.
func (s *Store) initMeta(ctx context.Context, found meta) (meta, error) {
	fresh := make([]byte, hashKeySize)
	if _, err := rand.Read(fresh); err != nil {
		return nil, fmt.Errorf("generating a hash key: %w", err)
	}
	schema := strconv.Itoa(firstSchema)
	if len(found) == 0 {
		schema = strconv.Itoa(Schema)
	} else if found["schema"] == "" && found["reader"] != "" {
		schema = found["reader"]
	}
	initial := meta{
		"partitions": strconv.Itoa(Partitions), "hash_key": hex.EncodeToString(fresh),
		"kind": s.storeKind(), "store_id": cmp.Or(s.id, rand.Text()), "schema": schema, "reader": schema,
	}
	// The reader comes first, so that an instance which starts meanwhile, or the next one if this one is
	// interrupted, takes it for the schema of a new store too.
	for _, field := range []string{"reader", "schema", "partitions", "hash_key", "kind", "store_id"} {
		value := initial[field]
		if found[field] != "" {
			continue
		}
		if err := s.client.HSetNX(ctx, metaKey, field, value).Err(); err != nil {
			return nil, fmt.Errorf("writing %s of %s: %w", field, metaKey, err)
		}
	}
	return s.readMeta(ctx)
}

func (s *Store) storeKind() string {
	if s.development {
		return kindDevelopment
	}
	return kindProduction
}

// writeCanary writes the canary and then records when it was first written, unless found has that
// already.
func (s *Store) writeCanary(ctx context.Context, found meta) error {
	reply, err := s.Run(ctx, canaryScript, []string{canaryKey})
	if err != nil {
		return fmt.Errorf("running a script: %w", err)
	}
	if found[fieldCanary] != "" {
		return nil
	}
	if err := s.client.HSet(ctx, metaKey, fieldCanary, reply.String(2)).Err(); err != nil {
		return fmt.Errorf("writing %s of %s: %w", fieldCanary, metaKey, err)
	}
	return nil
}

// Probe runs a script that writes, and returns how long the reply took. An error means that
// the store cannot run the gateway's scripts.
func (s *Store) Probe(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	_, err := s.Run(ctx, canaryScript, []string{canaryKey})
	return time.Since(start), err
}
