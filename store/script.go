package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/redis/go-redis/v9"
)

// fragments holds the parts that scripts of all packages include.
//
//go:embed lua/*.lua
var fragments embed.FS

// include begins a line of a script that is replaced with a fragment of this
// package.
const include = "--@include "

// eventFragment is the fragment that records events. A script that includes it
// returns the types of the recorded events as the second element of its reply.
const eventFragment = "event"

// Script is a Lua script that makes one transition, atomically on the server. Its
// file begins with a comment that documents KEYS, ARGV, the reply and what the
// script guarantees.
type Script struct {
	name string

	// strict begins with "#!lua", which makes Redis refuse keys of another slot. The
	// embedded server does not accept that line and runs plain.
	strict, plain source

	// records reports whether the script returns the types of the events that it
	// recorded.
	records bool
}

// source is the text of a script and its SHA-1, which EVALSHA takes.
type source struct{ text, sha string }

// NewScript reads a script from the file system of the package that owns it and
// inserts the fragments that it includes. It panics if a file is missing: the files
// are embedded, so a missing one is a programming error.
func NewScript(files fs.FS, file string) *Script {
	var text strings.Builder
	records := false
	for line := range strings.Lines(mustRead(files, file)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), include); ok {
			text.WriteString(mustRead(fragments, "lua/"+name+".lua"))
			records = records || name == eventFragment
			continue
		}
		text.WriteString(line)
	}
	return &Script{
		name:    strings.TrimSuffix(path.Base(file), ".lua"),
		strict:  newSource("#!lua\n" + text.String()),
		plain:   newSource(text.String()),
		records: records,
	}
}

// SHA returns the SHA-1 that EVALSHA names the script by on a real server.
func (s *Script) SHA() string { return s.strict.sha }

// newSource returns the source of a text.
func newSource(text string) source {
	return source{text: text, sha: redis.NewScript(text).Hash()}
}

func mustRead(files fs.FS, file string) string {
	body, err := fs.ReadFile(files, file)
	if err != nil {
		panic(fmt.Sprintf("reading the script: %v", err))
	}
	return string(body)
}

// Run runs a script in one round trip and returns its reply. The first element of
// the reply is "ok" or the code of a refusal.
//
// The error is a *fieldgate.Error with store_unavailable if the store did not reply
// in time. Then it is unknown whether the script ran, and Run does not repeat it.
//
// Run returns the error of a context that has already ended. It ignores a context
// that ends after the script was sent: the reply may hold leases, which the caller
// must receive in order to release them.
func (s *Store) Run(ctx context.Context, script *Script, keys []string, args ...any) (Reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var reply Reply
	// The client's queues retain completed commands and their contexts for a while, so
	// the context must hold nothing of the request.
	err := s.do(context.Background(), script.name, func(ctx context.Context) (err error) {
		reply, err = s.eval(ctx, s.sourceOf(script), keys, args)
		return err
	})
	s.reportEvents(script, reply)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return reply, err
}

// reportEvents passes the types of the events that a script recorded to
// Config.Recorded.
func (s *Store) reportEvents(script *Script, reply Reply) {
	if !script.records {
		return
	}
	for event := range strings.FieldsSeq(reply.String(1)) {
		s.recorded(event)
	}
}

// eval runs a script by its SHA-1. It sends the whole text when the server does not
// know the script: the first time, and after a restart or a failover.
func (s *Store) eval(ctx context.Context, src source, keys []string, args []any) ([]any, error) {
	cmd := evalCommand(ctx, "evalsha", src.sha, keys, args)
	err := s.send(ctx, cmd)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		cmd = evalCommand(ctx, "eval", src.text, keys, args)
		err = s.send(ctx, cmd)
	}
	if err != nil {
		return nil, err
	}
	reply, ok := cmd.Val().([]any)
	if !ok {
		return nil, errNoList
	}
	return reply, nil
}

var errNoList = errors.New("the script returned no list")

func (s *Store) sourceOf(script *Script) source {
	if s.Embedded() {
		return script.plain
	}
	return script.strict
}

// sendFunc sends a command to the server, waits for the reply and returns the error
// of the command.
type sendFunc func(ctx context.Context, cmd redis.Cmder) error

// once is a command that is sent only once. If its reply is lost, it may have run.
// The client of a Cluster would otherwise repeat it up to three times.
type once struct{ *redis.Cmd }

// NoRetry reports to the client that it must not repeat the command.
func (once) NoRetry() bool { return true }

// evalCommand builds an EVAL or EVALSHA command.
func evalCommand(ctx context.Context, name, script string, keys []string, args []any) once {
	all := make([]any, 0, 3+len(keys)+len(args))
	all = append(all, name, script, len(keys))
	for _, key := range keys {
		all = append(all, key)
	}
	cmd := once{redis.NewCmd(ctx, append(all, args...)...)}
	if len(keys) > 0 {
		cmd.SetFirstKeyPos(3)
	}
	return cmd
}
